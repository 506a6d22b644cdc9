"""What follows from each way in which an attempt can fail, on the real cluster, with the numbers of each queue.

Timeouts are scaled down to seconds; attempts and backoffs are the installed queues' own, compared with ADR-006.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import pytest

from forge_core.cluster import core
from forge_core.phase import Phase
from tests.e2e.forge import Forge, Jobs
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster
NOT_MUCH_MORE: Final = 8.0
"""Seconds by which a gap may be longer than asked: a claim on a busy machine."""
PODS_BACKOFF: Final = 10.0
"""Kubernetes' own pause after a pod's death."""
PAUSES: Final[dict[str, tuple[float, ...]]] = {
    "analysis": (2, 4),
    "refactoring": (5,),
    "test-generation": (5,),
    "webhooks": (1, 2, 4, 8),
    "cleanup": (),
}
"""ADR-006: the pauses between the attempts of each queue, so one attempt more than there are pauses."""


@dataclass(frozen=True)
class Attempt:
    """One row, times in seconds since the epoch."""

    outcome: str
    failure_class: str
    message: str
    refunded: bool
    claimed_at: float
    ended_at: float
    pod: str


def attempts_of(forge: Forge, job: dict[str, Any]) -> list[Attempt]:
    uid = job["metadata"]["uid"]
    rows = forge.sql(
        "select outcome, failure_class, message, refunded, extract(epoch from claimed_at),"
        f" extract(epoch from ended_at), pod_uid from attempts where job_uid = '{uid}' order by number"
    )
    return [Attempt(row[0], row[1], row[2], row[3] == "t", float(row[4]), float(row[5]), row[6]) for row in rows]


def recorded(forge: Forge, job: dict[str, Any]) -> tuple[str, ...]:
    """Phase, reason and class of the job's row, once its end is recorded."""
    uid = job["metadata"]["uid"]
    found = f"select phase, reason, failure_class from jobs where resource_uid = '{uid}' and recorded_at is not null"
    return tuple(wait_until(lambda: forge.sql(found), what="its end is recorded")[0])


def gaps(attempts: list[Attempt]) -> list[float]:
    return [later.claimed_at - earlier.ended_at for earlier, later in pairwise(attempts)]


def test_each_queue_tries_again_as_often_and_after_as_long_as_its_numbers_say(forge: Forge, jobs: Jobs) -> None:
    names = {
        queue: jobs.rehearse(jobs.rehearsals(queue, timeout="30s"), "fail/The rehearsed network is away.")
        for queue in PAUSES
    }
    for queue, pauses in PAUSES.items():
        job = forge.wait_for(names[queue], Phase.FAILED)
        budget = len(pauses) + 1
        attempts = attempts_of(forge, job)
        assert [each.failure_class for each in attempts] == ["transient"] * budget, queue
        assert {each.message for each in attempts} == {"The rehearsed network is away."}
        assert len({each.pod for each in attempts}) == 1, "retried inside of one pod"
        for gap, asked in zip(gaps(attempts), pauses, strict=True):
            assert asked <= gap <= asked + NOT_MUCH_MORE, f"{queue}: {gap} s where {asked} s were asked"
        assert job["status"]["message"] == (
            f"{budget} of {budget} attempts are used up; of the last one: The rehearsed network is away."
        )
        assert job["status"]["attempts"] == budget
        assert recorded(forge, job) == ("Failed", "AttemptsExhausted", "transient")


def test_each_queue_counts_a_timeout_as_a_failed_attempt(forge: Forge, jobs: Jobs) -> None:
    names = {queue: jobs.rehearse(jobs.rehearsals(queue, timeout="2s"), "hang") for queue in PAUSES}
    for queue, pauses in PAUSES.items():
        job = forge.wait_for(names[queue], Phase.FAILED, seconds=180)
        attempts = attempts_of(forge, job)
        assert [each.failure_class for each in attempts] == ["timeout"] * (len(pauses) + 1), queue
        for each in attempts:
            assert 2 <= each.ended_at - each.claimed_at <= 2 + 2 * NOT_MUCH_MORE
        for gap, asked in zip(gaps(attempts), pauses, strict=True):
            assert asked <= gap <= asked + NOT_MUCH_MORE, queue
        assert job["status"]["message"].endswith("The attempt ran over its limit of 2s.")
        assert recorded(forge, job) == ("Failed", "AttemptsExhausted", "timeout")


def test_the_last_attempt_of_each_queue_may_still_succeed(forge: Forge, jobs: Jobs) -> None:
    names = {
        queue: jobs.rehearse(jobs.rehearsals(queue, timeout="30s"), *["fail"] * len(pauses), "succeed")
        for queue, pauses in PAUSES.items()
    }
    for queue, pauses in PAUSES.items():
        job = forge.wait_for(names[queue], Phase.COMPLETED)
        assert [each.outcome for each in attempts_of(forge, job)] == ["failed"] * len(pauses) + ["succeeded"]
        assert job["status"]["attempts"] == len(pauses) + 1
        assert recorded(forge, job)[::2] == ("Completed", "")


def test_a_permanent_failure_is_not_tried_again(forge: Forge, jobs: Jobs) -> None:
    job = forge.wait_for(jobs.rehearse(jobs.rehearsals(), "refuse/There is no such ref."), Phase.FAILED)
    assert [each.failure_class for each in attempts_of(forge, job)] == ["permanent"]
    assert job["status"]["message"] == "There is no such ref."
    assert recorded(forge, job) == ("Failed", "PermanentFailure", "permanent")


def test_jitter_lengthens_a_pause_and_never_shortens_it(forge: Forge, jobs: Jobs) -> None:
    retry = {"attempts": 4, "backoff": {"type": "fixed", "delay": "4s", "jitter": True}}
    job = forge.wait_for(jobs.rehearse(jobs.rehearsals(retry=retry), "fail"), Phase.FAILED)
    for gap in gaps(attempts_of(forge, job)):
        assert 4 <= gap <= 6 + NOT_MUCH_MORE


ENDS: Final[list[tuple[str, dict[str, Any], str, str]]] = [
    ("kill", {}, "transient", "signal 9"),
    ("fill", {}, "out-of-memory", "memory"),
    ("silent", {"stall": {"after": "10s"}}, "stalled", "No heartbeat for 10 s: its pod was ended."),
]


@pytest.mark.parametrize("case", ENDS, ids=[case[0] for case in ENDS])
def test_a_pod_that_dies_without_a_word_is_replaced_and_charged_with_its_class(
    forge: Forge, jobs: Jobs, case: tuple[str, dict[str, Any], str, str]
) -> None:
    ends, changes, failure_class, words = case
    name = jobs.rehearse(jobs.rehearsals(timeout="5m", **changes), ends, "succeed/1")
    job = forge.wait_for(name, Phase.COMPLETED, seconds=180)
    first, second = attempts_of(forge, job)
    assert (first.failure_class, first.refunded, second.outcome) == (failure_class, False, "succeeded")
    assert words in first.message
    # The kubelet tells ends in whole seconds, by its own clock.
    assert first.pod == second.pod or second.claimed_at - first.ended_at >= PODS_BACKOFF - 2
    assert job["status"]["attempts"] == 2


def test_a_job_that_stalls_each_time_ends_failed_and_says_so(forge: Forge, jobs: Jobs) -> None:
    retry = {"attempts": 2, "backoff": {"type": "none"}}
    queue = jobs.rehearsals(timeout="5m", stall={"after": "10s"}, retry=retry)
    job = forge.wait_for(jobs.rehearse(queue, "silent"), Phase.FAILED, seconds=240)
    assert [each.failure_class for each in attempts_of(forge, job)] == ["stalled", "stalled"]
    assert job["status"]["message"] == (
        "2 of 2 attempts are used up; of the last one: no heartbeat for 10 s: its pod was ended"
    )
    assert recorded(forge, job) == ("Failed", "AttemptsExhausted", "stalled")


def test_a_pod_that_a_person_deletes_is_replaced_and_charged(forge: Forge, jobs: Jobs) -> None:
    name = jobs.rehearse(jobs.rehearsals(timeout="5m"), "hang", "succeed/1")
    forge.kubectl.server.delete(core("pods", forge.tenant_namespace, _working_pod(forge, name)), wait=False)
    job = forge.wait_for(name, Phase.COMPLETED, seconds=120)
    first, _second = attempts_of(forge, job)
    assert (first.failure_class, first.refunded) == ("disruption", False)


def test_the_upload_of_a_pod_that_comes_too_late_is_refused(forge: Forge, jobs: Jobs) -> None:
    name = jobs.rehearse(jobs.rehearsals(timeout="5m"), "late/3")
    _working_pod(forge, name)
    uid = (forge.job(name) or {})["metadata"]["uid"]
    with forge.api() as api:
        wait_until(lambda: api.get(f"/analyses/{uid}").status_code == 200)
        assert api.delete(f"/analyses/{uid}").status_code in {200, 202}
    job = forge.wait_for(name, Phase.CANCELLED, seconds=90)
    assert [(each.outcome, each.failure_class) for each in attempts_of(forge, job)] == [("failed", "cancelled")]
    assert recorded(forge, job)[0] == "Cancelled"


def _working_pod(forge: Forge, name: str) -> str:
    """Its pod's name, once an attempt was claimed and its work has begun."""
    pod = forge.running_pod(name)["metadata"]
    uid = pod["labels"]["forge-factory.dev/analysisjob-uid"]
    wait_until(lambda: forge.sql(f"select number from attempts where job_uid = '{uid}'") == [["1"]])
    wait_until(lambda: forge.progress(name) >= 10, what="its work has begun")
    return str(pod["name"])
