"""Actions in, writes out: a bounded number at once, one at a time for each key, none without the Lease.

Each decision replaces what still waits of the one before, so nothing stale is started. A write that failed rests for a
growing while (or for as long as the API server asks) before the same key is tried again.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from forge_core import logs
from forge_core.cluster import ApiError, ClusterError, Conflict, NotFound, Refused, Unavailable
from forge_core.ending import ended
from forge_core.history.database import HistoryUnavailable
from forge_core.pauses import Pauses
from forge_operator.actions import Action
from forge_operator.metrics import Metrics
from forge_operator.rests import Rests

PAUSES: Final = Pauses(0.5, 30.0)

_log = logs.get_logger(__name__)


class Writer(Protocol):
    """Carries an action out."""

    async def write(self, action: Action) -> None:
        """Do it. Raises ClusterError or HistoryUnavailable when it has to be decided and tried again."""


class Applier:
    """`offer` actions whenever they were decided anew."""

    def __init__(
        self,
        writes: Writer,
        metrics: Metrics,
        leads: Callable[[], bool],
        at_once: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writes = writes
        self._metrics = metrics
        self._leads = leads
        self._at_once = at_once
        self._clock = clock
        self._waiting: deque[Action] = deque()
        self._in_hand: dict[str, asyncio.Task[None]] = {}
        self._rests = Rests(PAUSES)
        """By key of an action."""
        self._all_rest_until = 0.0

    @property
    def in_hand(self) -> int:
        """Writes that are under way or wait for their turn."""
        return len(self._in_hand) + len(self._waiting)

    def offer(self, actions: Sequence[Action]) -> None:
        """Take the newest decision: what is in hand goes on, the rest begins in this order."""
        now = self._clock()
        self._waiting = deque(action for action in actions if self._is_free(action.key, now))
        self._start()

    def _is_free(self, key: str, now: float) -> bool:
        return key not in self._in_hand and not self._rests.resting(key, now)

    def _start(self) -> None:
        while self._waiting and len(self._in_hand) < self._at_once and self._leads():
            if self._clock() < self._all_rest_until:
                return
            action = self._waiting.popleft()
            if action.key not in self._in_hand:
                self._in_hand[action.key] = asyncio.create_task(self._apply(action), name=action.key)

    async def _apply(self, action: Action) -> None:
        began, outcome = self._clock(), "done"
        try:
            await self._writes.write(action)
            self._rests.worked(action.key)
        except (ClusterError, HistoryUnavailable) as error:
            outcome = _word(error)
            self._rest(action, error)
        except Exception:
            outcome = "crashed"
            self._rest(action, None)
            _log.exception("an action could not be applied", action=action.key)
        finally:
            del self._in_hand[action.key]
            took = self._clock() - began
            self._metrics.writes.labels(type(action).__name__, outcome).observe(took)
            self._start()

    def _rest(self, action: Action, error: Exception | None) -> None:
        now = self._clock()
        pause, times = self._rests.failed(action.key, now), self._rests.times(action.key)
        if isinstance(error, Unavailable) and error.retry_after:
            # The whole API server asks for rest, not one object.
            self._all_rest_until = max(self._all_rest_until, now + min(error.retry_after, PAUSES.longest))
        quiet = isinstance(error, Conflict | NotFound) or times in {2, 3, 5, 6, 7}
        (_log.debug if quiet else _log.warning)(
            "a write failed", action=action.key, error=str(error)[:500], times=times, again_in=pause
        )

    async def stop(self, seconds: float) -> None:
        """Start nothing more; give what is in hand `seconds` to end, then abandon it (each write may be repeated)."""
        self._waiting.clear()
        self._leads = lambda: False
        if not self._in_hand:
            return
        tasks = list(self._in_hand.values())
        _, late = await asyncio.wait(tasks, timeout=seconds)
        await ended(*late)


def _word(error: Exception) -> str:
    if isinstance(error, Conflict | NotFound | Refused | Unavailable):
        return type(error).__name__.lower()
    return "error" if isinstance(error, ApiError) else "unanswered"
