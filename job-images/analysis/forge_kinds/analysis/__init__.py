"""The analysis of a repository: what it is like to work on, where it is risky, and what to do first."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forge_kinds.analysis.analysis import analyse
    from forge_kinds.analysis.analysis import analyse as work

__all__ = ["analyse", "work"]


def __getattr__(name: str) -> Any:
    # Only when asked for: the worker process, which has this package too, starts in half the time without it.
    if name not in __all__:
        raise AttributeError(name)
    from forge_kinds.analysis.analysis import analyse  # noqa: PLC0415

    return analyse
