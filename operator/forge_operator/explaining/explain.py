"""`explain(picture, now, uid)`: the whole chain of one job, in the words of its message; pure, time passed in."""

from datetime import datetime
from functools import cached_property

from forge_core.explanation import ADVICE, Ending, Explanation, Line, explain_end
from forge_operator.admission.admitting import Admission, admissions, open_round
from forge_operator.admission.gates import Refused, first_refusal
from forge_operator.digests import AnalysisJobDigest
from forge_operator.explaining import course, own_gates
from forge_operator.explaining.line import LONGEST, Spot, line_of
from forge_operator.explaining.pace import Pace, pace_of
from forge_operator.following import trouble_of
from forge_operator.picture import Picture
from forge_operator.placing import State
from forge_operator.reasons import ConditionType, Reason


def explain(picture: Picture, now: datetime, uid: str) -> Explanation | None:
    """Why the AnalysisJob of that UID stands where it stands; None when the picture doesn't hold it."""
    return Outlook(picture, now).explain(uid)


class Outlook:
    """One moment, of which several jobs may be explained: rounds and lines are worked out once."""

    def __init__(self, picture: Picture, now: datetime) -> None:
        self._picture, self._now = picture, now
        self._lines: dict[str, tuple[Pace, dict[str, Spot]]] = {}

    @cached_property
    def _rounds(self) -> dict[str, Admission]:
        return {admission.turn.queue: admission for admission in admissions(self._picture, self._now)}

    def _round(self, queue: str) -> Admission:
        """The queue's round; a fresh one when nobody waited there at the moment that was looked at."""
        return self._rounds.get(queue) or Admission(open_round(self._picture, self._now, queue))

    def explain(self, uid: str) -> Explanation | None:
        """As the function above."""
        job = self._picture.analysis_jobs.get(uid)
        if job is None:
            return None
        if job.status.phase.terminal:
            return explain_end(_ending(job), self._now)
        place = self._picture.places.of((job.namespace, uid))
        if place is None:
            return self._told("Deleted: it is leaving the cluster and nothing follows", Reason.CANCELLED)
        if place.state is State.WAITING:
            return self._waiting(job)
        if place.state is State.SETTLING:
            problem = f"Invalid: {job.problem}" if job.spec is None else "Cancelled on request before it began"
            return self._told(problem, Reason.INVALID if job.spec is None else Reason.CANCELLED)
        return self._admitted(job)

    def _told(self, message: str, reason: Reason) -> Explanation:
        return Explanation(message=message[:2048], at=self._now, advice=ADVICE[reason])

    def _waiting(self, job: AnalysisJobDigest) -> Explanation:
        admission = self._round(job.queue)
        turn, starting = admission.turn, any(other.uid == job.uid for other in admission.admitted)
        refusal = None if starting else first_refusal(turn, job)
        chain = own_gates.passed() if starting else own_gates.steps(turn, job)
        pace, line = self._line(job.queue)
        standing = line.get(job.uid)
        return Explanation(
            message=_message(job, refusal),
            at=self._now,
            chain=(*chain, *course.later()),
            line=Line(position=standing.position, length=len(line), expected_start=standing.start)
            if standing
            else None,
            forecast=self._forecast(job, pace, standing),
            advice=ADVICE[refusal.reason if refusal else Reason.ADMITTED],
        )

    def _line(self, queue: str) -> tuple[Pace, dict[str, Spot]]:
        if queue not in self._lines:
            pace = pace_of(self._picture, queue)
            self._lines[queue] = (pace, line_of(open_round(self._picture, self._now, queue), pace))
        return self._lines[queue]

    def _forecast(self, job: AnalysisJobDigest, pace: Pace, standing: Spot | None) -> str:
        terms = self._picture.tenants.of(self._picture.tenant_of(job.namespace))
        turn = self._round(job.queue).turn
        running = turn.running.get(self._picture.tenant_of(job.namespace), 0)
        share = f"its tenant runs {running} jobs in this queue and has weight {terms.weight}"
        if standing is None and len(self._lines[job.queue][1]) >= LONGEST:
            return f"unknown: more than {LONGEST} jobs stand before it"
        if standing is None:
            return "unknown: it waits for a reason of its own and stands in no line"
        if turn.closed is not None or self._picture.away:
            return f"unknown while nothing of queue {job.queue} starts; {share}"
        if standing.start is None and pace.typical is not None:
            return f"unknown: with the present limits it does not start; {share}"
        return f"{pace.words()}; {share}"

    def _admitted(self, job: AnalysisJobDigest) -> Explanation:
        child = self._picture.job_of(job)
        reason, words = trouble_of(self._picture, child) if child is not None else (Reason.ADMITTED, "")
        said = job.status.condition(ConditionType.ADMITTED)
        told = job.status.message if said is not None and said.reason in {reason, Reason.CANCELLING} else ""
        chain = course.steps(self._picture, self._now, job)
        here = next((step for step in reversed(chain) if step.detail), None)
        message = (
            told or words or (f"{job.status.phase}: {here.name} {here.detail}" if here else job.status.phase.value)
        )
        cancelling = said is not None and said.reason == Reason.CANCELLING
        return Explanation(
            message=message[:2048],
            at=self._now,
            chain=(*own_gates.passed(), *chain),
            advice=ADVICE[Reason.CANCELLING if cancelling else reason],
        )


def _message(job: AnalysisJobDigest, refusal: Refused | None) -> str:
    """As the status has it while it names the same gate: the figures in the sentence may have changed since."""
    if refusal is None:
        return "Queued: it is its turn, and its Job is made now"
    said = job.status.condition(ConditionType.ADMITTED)
    same = said is not None and not said.holds and said.reason == refusal.reason
    return (job.status.message if same and job.status.message else refusal.message)[:2048]


def _ending(job: AnalysisJobDigest) -> Ending:
    status = job.status
    last = status.condition(ConditionType.FAILED) or status.condition(ConditionType.COMPLETE)
    return Ending(
        phase=status.phase,
        message=status.message,
        reason=last.reason if last else "",
        attempts=status.attempts,
        created_at=job.created,
        started_at=status.started_at,
        completed_at=status.completed_at,
    )
