"""A Job is created at most once, and its slot is kept until it is known whether it is there."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiohttp import web

from forge_core.cluster import Unavailable
from forge_operator.actions import CreateJob
from forge_operator.apply.creation import Creation
from forge_operator.digests import Kind
from forge_operator.metrics import Metrics
from forge_operator.observe.sink import Sink
from forge_operator.picture import Picture
from tests.builders.operator import NAMESPACE, NOW, make_child, make_job, make_namespace, make_queue, with_status
from tests.services.apiserver import Script, answer, hang_up, refusal, scripted
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio
AJ = make_job("one")
JOB = make_child(AJ)
UID = AJ["metadata"]["uid"]
CREATE = f"POST /apis/batch/v1/namespaces/{NAMESPACE}/jobs"
READ = f"GET /apis/batch/v1/namespaces/{NAMESPACE}/jobs/{JOB['metadata']['name']}"
ACTION = CreateJob(UID, NAMESPACE, "analysis", JOB)
TAKEN = refusal(409, "AlreadyExists", "it is there")


@dataclass
class Bench:
    """A creation against a scripted API server; `leading` says whether the Lease is held."""

    script: Script
    picture: Picture
    creation: Creation
    leading: bool = True


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with scripted() as (cluster, script):
        picture = Picture(NOW)
        sink = Sink(picture, Metrics(list), lambda change: None)
        for kind, raw in ((Kind.NAMESPACE, make_namespace()), (Kind.JOB_QUEUE, make_queue()), (Kind.ANALYSIS_JOB, AJ)):
            sink.seen(kind, "ADDED", raw, "list")
        made = Bench(script, picture, Creation(cluster, sink, lambda: made.leading))
        yield made


def holds_a_slot(bench: Bench) -> bool:
    return bench.picture.slots_used("analysis") == 1


async def test_the_job_that_was_made_is_in_the_picture_at_once(bench: Bench) -> None:
    bench.script.on(CREATE, answer(JOB, 201))
    await bench.creation.create(ACTION)
    assert JOB["metadata"]["uid"] == bench.picture.jobs[NAMESPACE, UID].uid
    assert not bench.picture.holds
    assert holds_a_slot(bench)


async def test_a_job_that_was_there_already_and_is_ours_is_success(bench: Bench) -> None:
    bench.script.on(CREATE, TAKEN)
    bench.script.on(READ, answer(JOB))
    await bench.creation.create(ACTION)
    assert (NAMESPACE, UID) in bench.picture.jobs
    assert not bench.picture.refusals


async def test_somebody_else_s_job_of_that_name_is_a_refusal_that_says_so(bench: Bench) -> None:
    bench.script.on(CREATE, TAKEN)
    bench.script.on(READ, answer(make_child(make_job("other"))))
    await bench.creation.create(ACTION)
    assert "Another Job is in the way" in bench.picture.refusals[UID].message
    assert not holds_a_slot(bench)


async def test_a_quota_s_refusal_is_told_and_frees_the_slot(bench: Bench) -> None:
    bench.script.on(CREATE, refusal(403, "Forbidden", "exceeded quota: 10 pods"))
    await bench.creation.create(ACTION)
    assert bench.picture.refusals[UID].message == "exceeded quota: 10 pods"
    assert not holds_a_slot(bench)


async def test_an_answer_that_never_came_is_asked_for_again_and_finds_the_job(bench: Bench) -> None:
    bench.script.on(CREATE, hang_up, TAKEN)
    bench.script.on(READ, answer(JOB))
    await bench.creation.create(ACTION)
    assert bench.script.calls.count(CREATE) == 2
    assert (NAMESPACE, UID) in bench.picture.jobs


async def test_the_slot_is_kept_while_the_outcome_is_unknown(bench: Bench) -> None:
    bench.script.on(CREATE, refusal(500, "InternalError", "etcd is away"))
    creating = asyncio.create_task(bench.creation.create(ACTION))
    await eventually(lambda: _after(bench, 2), what="it was tried twice")
    assert holds_a_slot(bench)
    bench.script.on(CREATE, answer(JOB, 201))
    await creating
    assert holds_a_slot(bench)
    assert not bench.picture.holds


async def test_a_request_turned_away_by_429_frees_the_slot_and_says_for_how_long(bench: Bench) -> None:
    bench.script.on(CREATE, refusal(429, "TooManyRequests", "later", **{"Retry-After": "7"}))
    with pytest.raises(Unavailable) as refused:
        await bench.creation.create(ACTION)
    assert refused.value.retry_after == 7
    assert not holds_a_slot(bench)


async def test_without_the_lease_an_unknown_outcome_is_only_read(bench: Bench) -> None:
    bench.script.on(CREATE, hang_up)
    bench.script.on(READ, refusal(404, "NotFound"), answer(JOB))
    creating = asyncio.create_task(bench.creation.create(ACTION))
    await eventually(lambda: _after(bench, 1), what="it was tried")
    bench.leading = False
    await creating
    assert bench.script.calls == [CREATE, READ, READ]
    assert (NAMESPACE, UID) in bench.picture.jobs


async def _after(bench: Bench, tries: int) -> bool:
    return bench.script.calls.count(CREATE) >= tries


async def test_a_creation_whose_job_the_watch_has_shown_is_not_sent_again(bench: Bench) -> None:
    def unanswered() -> web.Response:
        bench.picture.observe(Kind.JOB, "ADDED", JOB)
        return hang_up()

    bench.script.on(CREATE, unanswered)
    await bench.creation.create(ACTION)
    assert bench.script.calls == [CREATE]
    assert not bench.picture.holds
    assert holds_a_slot(bench)


async def test_a_job_that_is_over_meanwhile_is_not_given_a_second_one(bench: Bench) -> None:
    def unanswered() -> web.Response:
        bench.picture.observe(Kind.ANALYSIS_JOB, "MODIFIED", with_status(AJ, phase="Cancelled"))
        return hang_up()

    bench.script.on(CREATE, unanswered)
    bench.script.on(READ, answer(JOB))
    await bench.creation.create(ACTION)
    assert bench.script.calls == [CREATE, READ]
    assert not bench.picture.holds
