"""Explaining: why a job stands where it stands, and when it will start; computed when somebody asks."""
