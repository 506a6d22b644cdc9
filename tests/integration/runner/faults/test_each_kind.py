"""What is promised under faults (docs/architecture.md), for each kind of work: those that reach into a runner's pod.

Each fault is brought about in the midst of real work. The others concern the operator or the API alone and are the
same for every kind: tests/e2e has them, with jobs that rehearse.
"""

import signal
import uuid
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx2
import pytest

from forge_core.exits import Exit, FailureClass
from forge_core.history.attempts import WITHOUT_A_WORD
from forge_core.history.records import PodEnd
from forge_core.phase import Phase
from forge_runner.kinds import KINDS as BUILT
from tests.integration.runner.faults.conftest import JobMaker
from tests.integration.runner.faults.gate import EAT, THE_END
from tests.integration.runner.faults.jobs import Job
from tests.integration.runner.faults.kinds import KINDS
from tests.integration.runner.faults.live_pods import LivePod
from tests.services.cgroup import memory_group
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio
CHARGED, REFUNDED = False, True
AS_FIRST_PROCESS = ("unshare", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc")
"""As in a pod: whoever kills the runner kills all that it started."""
MEMORY = 400 * 1024 * 1024


async def test_services_that_go_away_cost_an_attempt_no_more_than_progress(a_job: JobMaker) -> None:
    job = await a_job(attempts=1)
    platform = job.platform
    platform.gate.close_at(job.row.midst)
    platform.to_api.cut()
    pod = job.pod()
    await pod.says("the API does not answer")
    platform.to_postgres.cut()
    platform.to_api.mend()
    await pod.says("the API answered 503")
    assert await job.stored() == []
    platform.to_postgres.mend()
    await job.in_its_midst()
    platform.redis.stop()
    platform.redis.start()
    await eventually(partial(platform.heartbeat, job.tenant, job.uid), what="it beats in a Redis that knew nothing")
    platform.redis.stop()
    try:
        platform.gate.open(then_at=THE_END)
        await job.held()
        platform.to_postgres.cut()
        platform.gate.open()
        await pod.comes_to("saving")
        assert [(each.number, each.outcome) for each in await job.stored()] == [(1, "")]
        platform.to_postgres.mend()
        assert await pod.end() == Exit.SUCCEEDED, pod.runner.output
    finally:
        platform.redis.start()
    await job.ended_well()


async def test_work_that_dies_is_begun_anew_in_its_pod_and_charged(a_job: JobMaker, tmp_path: Path) -> None:
    job = await a_job(attempts=3)
    gate = job.platform.gate
    with memory_group(tmp_path, MEMORY) as group:
        gate.close_at(job.row.stage, EAT)
        pod = job.pod(group.entering(), {"FORGE_CGROUP_PATH": str(group.seen)})
        await job.held()
        gate.open(then_at=job.row.midst)
        await job.in_its_midst()
        pod.kill_work()
        assert await pod.end() == Exit.SUCCEEDED, pod.runner.output
    first, second, _third = await job.stored()
    assert first.message == "The attempt ran out of the pod's memory of 400 MiB: choose a larger resourceClass."
    assert second.message == "The attempt's process was killed by signal 9 before it had finished."
    assert second.stage == job.row.stage
    await job.ended_well((FailureClass.OUT_OF_MEMORY, CHARGED), (FailureClass.TRANSIENT, CHARGED))


async def test_a_job_whose_pods_are_lost_in_every_way_has_one_result(a_job: JobMaker) -> None:
    """Evicted, killed, hanging: two of three attempts are charged, so that the last one is left."""
    job = await a_job(attempts=3)
    evicted = await job.at_work()
    job.platform.cluster.disrupt(evicted.identity)
    evicted.signal(signal.SIGTERM)
    assert await evicted.end() == Exit.INTERRUPTED, evicted.runner.output
    assert evicted.runner.words.failure_class is FailureClass.DISRUPTION
    await job.left_nothing()

    killed = await job.at_work(AS_FIRST_PROCESS)
    killed.signal(signal.SIGKILL)
    assert await killed.end() == -signal.SIGKILL
    await job.left_nothing()

    hanging = await job.at_work()
    await _beats_while_its_work_is_silent(job)
    hanging.signal(signal.SIGSTOP)
    await job.platform.api.services.records.pods_ended([_given_up(job, hanging)])
    last = job.pod()
    assert await last.end() == Exit.SUCCEEDED, last.runner.output

    job.platform.gate.open()
    hanging.signal(signal.SIGCONT)
    assert await hanging.end() == Exit.INTERRUPTED, hanging.runner.output
    assert hanging.runner.words.failure_class is None, "it came too late"
    assert [await _foreign_outcome(job, attempt) for attempt in (1, 2, 3, 4)] == [409] * 4
    await job.ended_well(
        (FailureClass.DISRUPTION, REFUNDED), (FailureClass.TRANSIENT, CHARGED), (FailureClass.STALLED, CHARGED)
    )
    first, second, *_ = await job.stored()
    assert (first.stage, second.message) == (job.row.stage, WITHOUT_A_WORD)
    assert ("upload-refused",) in await job.platform.rows("select what from timeline where job_uid = :uid", uid=job.uid)


async def _beats_while_its_work_is_silent(job: Job) -> None:
    seen = set()

    async def beaten() -> bool:
        seen.add(await job.platform.heartbeat(job.tenant, job.uid))
        return len(seen - {None}) >= 2

    await eventually(beaten, what="it beats while its work is silent")


def _given_up(job: Job, pod: LivePod) -> PodEnd:
    """As the operator writes it of a pod that it ends for want of heartbeats."""
    words = "No heartbeat for 10 s: its pod was ended."
    return PodEnd(uuid.UUID(pod.identity.uid), uuid.UUID(job.uid), FailureClass.STALLED, words, datetime.now(UTC))


async def _foreign_outcome(job: Job, attempt: int) -> int:
    """The answer to a pod that belongs to the job and claimed nothing, yet says how that attempt ended."""
    stranger = job.platform.cluster.pod(job.namespace, job.resource)
    async with job.platform.api.runner(stranger.token) as client:
        outcome = {"status": "succeeded", "summary": {"mine": True}}
        answer: httpx2.Response = await client.put(f"/internal/v1/attempts/{attempt}/outcome", json=outcome)
    return answer.status_code


async def test_an_invalid_config_fails_for_good_in_one_attempt(a_job: JobMaker) -> None:
    job = await a_job(no_such_field=True)
    pod = job.pod()
    assert await pod.end() == Exit.PERMANENT, pod.runner.output
    [only] = await job.stored()
    assert only.told == (FailureClass.PERMANENT, CHARGED)
    assert only.message.startswith("config.no_such_field: ")
    await job.ended_without_result(Phase.FAILED)


async def test_a_job_cancelled_in_its_midst_ends_without_a_result(a_job: JobMaker) -> None:
    job = await a_job()
    pod = await job.at_work()
    await job.record(Phase.CANCELLING)
    pod.signal(signal.SIGTERM)
    assert await pod.end() == Exit.INTERRUPTED, pod.runner.output
    await job.ended_without_result(Phase.CANCELLED)
    assert [each.told for each in await job.stored()] == [(FailureClass.CANCELLED, CHARGED)]


def test_each_kind_has_a_row() -> None:
    assert {row.kind for row in KINDS.values()} == set(BUILT)
