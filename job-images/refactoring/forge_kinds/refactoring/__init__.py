"""Refactoring: changes to a repository that a team would merge, as one patch that is known to apply."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forge_kinds.refactoring.refactoring import refactor
    from forge_kinds.refactoring.refactoring import refactor as work

__all__ = ["refactor", "work"]


def __getattr__(name: str) -> Any:
    # Only when asked for: the processes that read files have this package too, and start sooner without it.
    if name not in __all__:
        raise AttributeError(name)
    from forge_kinds.refactoring.refactoring import refactor  # noqa: PLC0415

    return refactor
