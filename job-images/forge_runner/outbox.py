"""What still has to be told to Redis: the newest state and a bounded tail of lines. Decides what is due, sends nothing.

Progress that nobody has seen yet is overwritten by newer progress, so that a burst costs one message.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from forge_core.messages import ProgressMessage

MAX_WAITING_LINES: Final = 2_000
LINES_A_BATCH: Final = 200
NEVER: Final = float("-inf")


@dataclass(frozen=True)
class Batch:
    """What to send at once. A state is a sign of life; `beat` asks for one without a state."""

    state: ProgressMessage | None
    lines: tuple[str, ...]
    beat: bool = False


class Outbox:
    """Fed by the attempt, emptied by the reporter, who gives back what it could not send."""

    def __init__(self, heartbeat: float) -> None:
        self._heartbeat = heartbeat
        self._state: ProgressMessage | None = None
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._beaten = NEVER

    def put_state(self, state: ProgressMessage) -> None:
        """The newest state."""
        self._state = state

    def put_line(self, line: str) -> None:
        """One more line of the log; the oldest waiting one gives way."""
        if len(self._lines) >= MAX_WAITING_LINES:
            self._lines.popleft()
            self._dropped += 1
        self._lines.append(line)

    @property
    def news(self) -> bool:
        """Whether something beyond a heartbeat waits."""
        return self._state is not None or bool(self._lines)

    def quiet_for(self, now: float) -> float:
        """Seconds until the next heartbeat is due; `now` is monotonic."""
        return max(0.0, self._beaten + self._heartbeat - now)

    def take(self, now: float) -> Batch | None:
        """What to send now, None when nothing is due. A state counts as a heartbeat, lines don't."""
        due = self.quiet_for(now) == 0
        if not self.news and not due:
            return None
        lines = tuple(self._lines.popleft() for _ in range(min(len(self._lines), LINES_A_BATCH)))
        batch = Batch(self._state, lines, due and self._state is None)
        self._state = None
        if batch.state is not None or batch.beat:
            self._beaten = now
        return batch

    def give_back(self, batch: Batch) -> None:
        """It was not sent: a newer state stays, lines go back to the front as far as there is room."""
        self._state = self._state or batch.state
        room = MAX_WAITING_LINES - len(self._lines)
        kept = batch.lines[max(0, len(batch.lines) - room) :] if room else ()
        self._dropped += len(batch.lines) - len(kept)
        self._lines.extendleft(reversed(kept))
        self._beaten = NEVER

    def clear(self) -> None:
        """Nothing of it is to be told any more."""
        self._state = None
        self._lines.clear()
        self._dropped = 0

    def take_dropped(self) -> int:
        """How many lines gave way since this was asked last."""
        dropped, self._dropped = self._dropped, 0
        return dropped
