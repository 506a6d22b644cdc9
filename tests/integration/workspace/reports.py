"""A report that remembers, and assignments for it."""

import threading
from typing import Any

from forge_core.assignment import Assignment, Repository


class Remembered:
    """What a kind reported."""

    def __init__(self) -> None:
        self.progressed: list[tuple[str, float, str]] = []
        self.lines: list[str] = []
        self._lock = threading.Lock()

    def progress(self, stage: str, percent: float, message: str = "") -> None:
        with self._lock:
            self.progressed.append((stage, percent, message))

    def log(self, line: str) -> None:
        with self._lock:
            self.lines.append(line)

    @property
    def percents(self) -> list[float]:
        return [percent for _stage, percent, _message in self.progressed]


def an_assignment(url: str, ref: str = "", **changes: Any) -> Assignment:
    """An analysis of the repository at `url`, with the loopback address allowed."""
    about: dict[str, Any] = {
        "uid": "6f1f", "name": "nightly", "tenant": "acme", "queue": "analysis", "kind": "analysis", "attempts": 3,
        "timeout": 600.0, "allowed_hosts": ("127.0.0.1",),
    }  # fmt: skip
    credentials = bool(changes.pop("has_credentials", False))
    return Assignment(**{**about, **changes}, repository=Repository(url=url, ref=ref, has_credentials=credentials))
