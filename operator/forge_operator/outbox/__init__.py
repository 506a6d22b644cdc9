"""What was promised in a transaction is told afterwards, at least once: events to tenants, alerts to the sink."""
