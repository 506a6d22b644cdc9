"""How a kind of work speaks to the shell that runs it: progress and log lines, and two failures."""

from typing import Protocol

from forge_core.failures import Permanent, Transient

__all__ = ["Permanent", "Report", "Transient"]


class Report(Protocol):
    """Where a kind tells what it does. Both methods are cheap and thread-safe; the shell limits their rate."""

    def progress(self, stage: str, percent: float, message: str = "") -> None:
        """`percent` (0-100) of the whole attempt, from work that is done and never from a clock (ADR-006)."""
        ...

    def log(self, line: str) -> None:
        """One line, without its line break, for the job's log."""
        ...
