"""Our own gates as steps of the chain: each with its figures, also when it lets the job pass."""

from collections.abc import Callable
from typing import Final, NamedTuple

from forge_core.durations import format_duration
from forge_core.explanation import Step, Verdict
from forge_operator.admission import gates
from forge_operator.admission.gates import Gate, Round
from forge_operator.digests import AnalysisJobDigest


class _Shown(NamedTuple):
    gate: Gate
    name: str
    figures: Callable[[Round, AnalysisJobDigest], str]


def steps(turn: Round, job: AnalysisJobDigest) -> list[Step]:
    """A step for each gate, in their order; what holds says so in its own sentence."""
    found = []
    for gate, name, figures in SHOWN:
        refusal = gate(turn, job)
        if refusal is None:
            found.append(Step(name=name, verdict=Verdict.PASSED, detail=figures(turn, job)))
        else:
            found.append(Step(name=name, verdict=Verdict.HOLDS, detail=refusal.message[:2048]))
    return found


def passed() -> list[Step]:
    """The gates of a job that is through them."""
    return [Step(name=shown.name, verdict=Verdict.PASSED, detail="") for shown in SHOWN]


def _open(turn: Round, job: AnalysisJobDigest) -> str:
    wanted = job.spec.resource_class if job.spec else ""
    name = wanted or (turn.spec.default_resource_class if turn.spec else "")
    offered = f", offers class {name}" if name else ""
    return f"queue {turn.queue} is open, serves namespace {job.namespace}{offered}"


def _services(_turn: Round, _job: AnalysisJobDigest) -> str:
    return "PostgreSQL and the API answer"


def _creation(turn: Round, job: AnalysisJobDigest) -> str:
    refusal = turn.picture.refusals.get(job.uid)
    return f"refused {refusal.times} times, tried again now" if refusal else "nothing refused its Job"


def _concurrency(turn: Round, _job: AnalysisJobDigest) -> str:
    return f"{turn.used} of {turn.spec.concurrency} running" if turn.spec else "unknown"


def _rate(turn: Round, _job: AnalysisJobDigest) -> str:
    limit = turn.spec.rate_limit if turn.spec else None
    return f"{turn.recent} of {limit.max} starts in the last {format_duration(limit.per)}" if limit else "no limit"


def _tenant(turn: Round, job: AnalysisJobDigest) -> str:
    tenant = turn.picture.tenant_of(job.namespace)
    cap = turn.picture.tenants.of(tenant).cap
    running = turn.by_tenant.get(tenant, 0)
    if cap is None:
        return f"tenant {tenant} runs {running} jobs over all queues, without a cap"
    return f"tenant {tenant} runs {running} of the {cap} jobs that it may, over all queues"


SHOWN: Final = (
    _Shown(gates.queue_is_open, "queue", _open),
    _Shown(gates.dependencies_are_there, "services", _services),
    _Shown(gates.creation_is_not_refused, "creation", _creation),
    _Shown(gates.under_concurrency, "concurrency", _concurrency),
    _Shown(gates.under_rate, "rate", _rate),
    _Shown(gates.under_tenant_quota, "tenant cap", _tenant),
)
"""In the order of GATES; a test compares them."""
