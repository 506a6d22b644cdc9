"""Clean-ups: this kind has the API do its maintenance, a batch a call, and says how far it is."""

from forge_kinds.cleanup.cleanup import work

__all__ = ["work"]
