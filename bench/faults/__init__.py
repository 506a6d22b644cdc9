"""`make bench-faults`: every promise of docs/architecture.md under faults, at random moments on the real cluster."""
