"""Webhook deliveries: one message to one endpoint, signed as Standard Webhooks says."""

from forge_kinds.webhooks.delivery import work

__all__ = ["work"]
