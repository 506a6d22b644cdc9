"""Signs of life: for how long each running pod has shown none, by our own clock and while we could have seen one.

A heartbeat is a time that the runner wrote by its node's clock. It is never compared with ours: what counts is when we
last saw it change. Silence counts from one look to the next, so that it begins anew whenever Redis could not be asked,
was emptied, or we were late ourselves: who could not have seen a beat must not miss it.
"""

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from typing import Final

LEAST: Final = 10.0
"""Seconds: the shortest `stall.after`. Who has been silent for less needs no decision."""
LATE_SECONDS: Final = 5.0
"""By how much more than twice its usual time a look may be late: then we weren't watching."""


@dataclass(frozen=True, slots=True)
class Looked:
    """One look at a job: the UID of its pod, since when that runs (by its node), and the last beat that Redis holds."""

    tenant: str
    pod: str
    running_since: datetime
    beat: datetime | None


@dataclass(frozen=True, slots=True)
class Pulse:
    """What is known of one running pod. `at` and all seconds are of our monotonic clock."""

    tenant: str
    pod: str
    at: float
    beat: datetime | None
    begun: bool
    """Whether this pod has shown a sign of life."""
    silence: float
    """Seconds for which we looked and saw no change."""


class Pulses:
    """By the AnalysisJob's UID. `pace` is how many seconds usually lie between two looks at one job."""

    def __init__(self) -> None:
        self.pace = 1.0
        self.silent: dict[str, Pulse] = {}
        """Those that were silent at the last look for long enough to be asked about: each decision asks about all."""
        self._pulses: dict[str, Pulse] = {}
        self._heard: dict[str, float] = {}

    def look(self, uid: str, looked: Looked, at: float) -> None:
        """A job's heartbeat was read at `at` (monotonic seconds)."""
        pulse = self._after(self._pulses.get(uid), looked, at)
        self._pulses[uid] = pulse
        # While nobody of the tenant is heard either there is nothing to ask, however many they are.
        if pulse.silence >= LEAST and (pulse.begun or self.heard(pulse)):
            self.silent[uid] = pulse
        else:
            self.silent.pop(uid, None)

    def _after(self, old: Pulse | None, looked: Looked, at: float) -> Pulse:
        beat = looked.beat
        if old is None or old.pod != looked.pod:
            # Both times are of the pod's node, so they may be compared: an older beat was its predecessor's.
            begun = beat is not None and beat >= looked.running_since
            return Pulse(looked.tenant, looked.pod, at, beat, begun, 0.0)
        changed = beat is not None and beat != old.beat
        if changed:
            self._heard[looked.tenant] = at
        missed = (beat is None and old.beat is not None) or at - old.at > 2 * self.pace + LATE_SECONDS
        silence = 0.0 if changed or missed else old.silence + (at - old.at)
        return Pulse(looked.tenant, looked.pod, at, beat, old.begun or changed, silence)

    def heard(self, pulse: Pulse) -> bool:
        """Whether another pod of its tenant was heard while this one was silent: so the way to Redis is open."""
        return self._heard.get(pulse.tenant, float("-inf")) > pulse.at - pulse.silence

    def interrupted(self) -> None:
        """Redis could not be asked, or is another than before: all silences begin anew, what began has begun."""
        self._pulses = {
            uid: Pulse(old.tenant, old.pod, float("-inf"), old.beat, old.begun, 0.0)
            for uid, old in self._pulses.items()
        }
        self.silent.clear()

    def keep(self, uids: Container[str]) -> None:
        """Forget all jobs but these: the others have no pod that runs."""
        for uid in [uid for uid in self._pulses if uid not in uids]:
            del self._pulses[uid]
            self.silent.pop(uid, None)
