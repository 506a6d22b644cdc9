"""Runs a repository's own code, in a container that has nothing to lose. Standard library only."""
