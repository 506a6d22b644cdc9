"""Observing: whatever is seen of the cluster, by whichever way, enters the picture by one door (`sink`)."""
