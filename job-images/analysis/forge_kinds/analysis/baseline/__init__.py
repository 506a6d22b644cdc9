"""What a commit brought, seen against a baseline: new, unchanged and fixed findings, and the gate's verdict on them."""
