"""Applying: a decided action becomes one write, idempotent, with at most one in hand for each key."""
