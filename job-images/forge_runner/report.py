"""How a kind of work speaks to the shell that runs it: progress and log lines, and two failures."""

from typing import Protocol


class Report(Protocol):
    """Where a kind tells what it does. Both methods are cheap and thread-safe; the shell limits their rate."""

    def progress(self, stage: str, percent: float, message: str = "") -> None:
        """`percent` (0-100) of the whole attempt, from work that is done and never from a clock (ADR-006)."""
        ...

    def log(self, line: str) -> None:
        """One line, without its line break, for the job's log."""
        ...


class Permanent(Exception):
    """Another attempt can't help. The message is one sentence a person can act on, and never holds a credential."""


class Transient(Exception):
    """The network or a server failed; another attempt may help. The message is held to the same rule."""
