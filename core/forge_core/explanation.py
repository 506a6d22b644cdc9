"""Why a job stands where it stands: what the operator answers the API, and the API a person.

`message` comes first and is in the same words as the job's status. The chain goes from our own gates through the Job,
the quota, the scheduler and the image to the pod and its runner.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from forge_core.durations import format_duration, timestamp
from forge_core.phase import Phase

MAX_ANSWER_BYTES: Final = 64 * 1024
Sentence = Annotated[str, Field(max_length=2048)]


class Verdict(StrEnum):
    """How a step of the chain stands."""

    PASSED = "passed"
    HOLDS = "holds"
    """The job waits here. Gates behind the first one that holds are asked too."""
    NOW = "now"
    """It is here, and nothing holds it."""
    FAILED = "failed"
    LATER = "later"
    """It has not come that far."""
    UNKNOWN = "unknown"


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class Step(_View):
    """One step of the chain."""

    name: Annotated[str, Field(max_length=32, examples=["concurrency"])]
    verdict: Annotated[Verdict, Field(examples=["holds"])]
    detail: Annotated[Sentence, Field(description="In a sentence, with figures.", examples=["10 of 10 running"])]


class Line(_View):
    """Where a waiting job stands in its queue's line."""

    position: Annotated[int, Field(ge=1, description="In the order in which jobs would start.", examples=[3])]
    length: Annotated[int, Field(ge=1, description="How many stand in the line.", examples=[12])]
    expected_start: Annotated[datetime | None, Field(description="null when nothing can be said.")] = None


class Explanation(_View):
    """The whole of it."""

    message: Annotated[
        Sentence,
        Field(description="As the job's message.", examples=["Waiting in queue analysis: 10 of 10 running"]),
    ]
    at: Annotated[datetime, Field(description="When this was so.")]
    chain: Annotated[tuple[Step, ...], Field(max_length=40)] = ()
    line: Line | None = None
    forecast: Annotated[Sentence, Field(description="What the expected start rests on, or why it is unknown.")] = ""
    advice: Annotated[Sentence, Field(description="What to do.", examples=["Nothing: it starts by itself."])] = ""
    complete: Annotated[
        bool, Field(description="false: the operator could not be asked, and only what was last written is told.")
    ] = True

    def text(self) -> str:
        """For a terminal. What others wrote is shown without control characters."""
        lines = [self.message or "Nothing holds it.", ""]
        lines += [f"  {step.verdict.value:<8} {step.name:<12} {step.detail}".rstrip() for step in self.chain]
        lines += [""] if self.chain else []
        if self.line is not None:
            lines.append(f"Position: {self.line.position} of {self.line.length}")
            lines.append(f"Expected start: {self._start(self.line)}")
        if self.forecast:
            lines.append(f"Forecast: {self.forecast}")
        if self.advice:
            lines.append(f"What to do: {self.advice}")
        return "".join(_plain(line) + "\n" for line in lines)

    def _start(self, line: Line) -> str:
        if line.expected_start is None:
            return "unknown"
        seconds = (line.expected_start - self.at).total_seconds()
        return "now" if seconds < 1 else f"about {timestamp(line.expected_start)}, in {format_duration(seconds)}"


def _plain(line: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in line)


@dataclass(frozen=True)
class Ending:
    """What is known of a job that is over."""

    phase: Phase
    message: str
    reason: str
    attempts: int
    created_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None


def explain_end(end: Ending, now: datetime) -> Explanation:
    """A job that is over: in the words of its message, and how far it came."""
    verdict = Verdict.FAILED if end.phase is Phase.FAILED else Verdict.PASSED
    chain = [Step(name="queue", verdict=Verdict.PASSED, detail=_at("accepted", end.created_at))]
    if end.started_at is not None:
        attempts = f"{end.attempts} attempt{'' if end.attempts == 1 else 's'}"
        chain.append(Step(name="runner", verdict=verdict, detail=f"{_at('began', end.started_at)}; {attempts}"))
    said = f"{end.phase.value} ({end.reason})" if end.reason else end.phase.value
    chain.append(Step(name="end", verdict=verdict, detail=_at(said, end.completed_at)))
    return Explanation(
        message=(end.message or end.phase.value)[:2048],
        at=now,
        chain=tuple(chain),
        advice=ADVICE.get(end.reason, "Read its results." if end.phase is Phase.COMPLETED else ""),
    )


def _at(what: str, moment: datetime | None) -> str:
    return f"{what} at {timestamp(moment)}" if moment is not None else what


_NOTHING: Final = "Nothing: it starts by itself."
ADVICE: Final[Mapping[str, str]] = {
    "QueueMissing": "Apply the queue, or cancel and apply the job to another one (kubectl get jq).",
    "QueueInvalid": "An administrator corrects the queue: kubectl edit jq.",
    "QueuePaused": 'An administrator resumes it: kubectl patch jq NAME --type=merge -p \'{"spec":{"paused":false}}\'.',
    "ImageMissing": "An administrator sets the queue's image.",
    "ResourceClassMissing": "Cancel it and apply it with one of the classes that the queue offers.",
    "NamespaceWithoutTenant": "An administrator labels the namespace with its tenant.",
    "NamespaceNotServed": "Cancel it and apply it to a queue that serves this namespace.",
    "DependencyAway": "Nothing: it starts once the service answers. If that lasts, see the service's pods and log.",
    "CreationRefused": "Raise the quota that the message names, or remove what refuses; it is tried again by itself.",
    "ConcurrencyReached": f"{_NOTHING} A smaller spec.priority moves it forward among its tenant's jobs.",
    "StartsUnknown": f"{_NOTHING} That takes one window of the rate at most.",
    "RateReached": _NOTHING,
    "TenantQuotaReached": f"{_NOTHING} One of the tenant's jobs must end first, or an administrator raises its cap.",
    "Admitted": "Nothing: its pod is on its way, or runs.",
    "PodRefused": "Raise the namespace's quota, or wait until other pods end; it is tried again by itself.",
    "Unschedulable": "Wait for room, choose a smaller spec.resourceClass, or add a node.",
    "ImageUnavailable": "An administrator checks the queue's image and its registry; it is tried again by itself.",
    "ContainerNotStarted": "Make what the message names (a Secret, mostly); it is tried again by itself.",
    "Retrying": "Nothing: another attempt follows.",
    "Stalled": "Nothing: its pod gave no sign of life and is replaced. Should it happen again, read its log.",
    "Cancelling": "Nothing: its pods are ending.",
    "Succeeded": "Read its results.",
    "PermanentFailure": "Correct what the message names and submit it again: another attempt would fail the same way.",
    "AttemptsExhausted": "Read the log of the last attempt, mend what the message names, and submit it again.",
    "DeadlineExceeded": "Remove what consumed the time, or have the queue's timeout raised, and submit it again.",
    "Invalid": "Correct it and apply it again under another name.",
    "Cancelled": "Nothing: it was cancelled. Submit it again if it is wanted after all.",
    "JobFailed": "See what its batch/v1 Job says, and submit it again.",
}
"""What to do, by the reason of a job's condition; a test of the operator sees that no reason lacks its advice."""
