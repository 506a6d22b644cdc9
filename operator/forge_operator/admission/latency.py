"""The time from what let a job start to its Job.

A decision leaves no slot empty, so a job that it admits could not have started before what changed since the decision
before it: that change, when this process saw it, is where the clock begins. Only a round that was cut short leaves jobs
that could start to the next one; for these the clock runs on.
"""

import time
from collections.abc import Callable, Iterable

Observe = Callable[[str, float], None]
"""Told (queue, seconds) of each admission."""


class Latency:
    """Remembers since when each job that is being started could have been."""

    def __init__(self, observe: Observe, clock: Callable[[], float] = time.monotonic) -> None:
        self._observe = observe
        self._clock = clock
        self._since: dict[str, float] = {}
        self._left_over: float | None = None

    def decided(self, uids: Iterable[str], since: float, creating: Iterable[str], cut: bool = False) -> None:
        """These jobs are to start, for changes seen at `since` (monotonic) or later; `creating` are being started.

        `cut` says that more could start now and are left to the next decision.
        """
        if self._left_over is not None:
            since = min(since, self._left_over)
        self._left_over = since if cut else None
        began = {uid: self._since.get(uid, since) for uid in uids}
        self._since = {uid: self._since[uid] for uid in creating if uid in self._since} | began

    def made(self, queue: str, uid: str) -> None:
        """Its Job is there."""
        since = self._since.pop(uid, None)
        if since is not None:
            self._observe(queue, max(self._clock() - since, 0.0))
