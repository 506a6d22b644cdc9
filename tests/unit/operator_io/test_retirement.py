"""An AnalysisJob is deleted only as it was decided about, and the picture knows at once that it is gone."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import cast

import pytest

from forge_core.cluster import Conflict, Unavailable
from forge_core.history.records import Records
from forge_operator.actions import RetireAnalysisJob
from forge_operator.apply.writes import Announcer, Writes
from forge_operator.digests import Kind
from forge_operator.held import Change
from forge_operator.metrics import Metrics
from forge_operator.observe.sink import Sink
from forge_operator.picture import Picture
from tests.builders.operator import NAMESPACE, NOW, ago, make_job, make_namespace, with_status
from tests.services.apiserver import Script, answer, refusal, scripted

pytestmark = pytest.mark.anyio
AJ = with_status(make_job("one"), phase="Completed", completedAt=ago(90))
UID = AJ["metadata"]["uid"]
PATH = f"/apis/forge-factory.dev/v1alpha1/namespaces/{NAMESPACE}/analysisjobs/one"
ACTION = RetireAnalysisJob(UID, NAMESPACE, "one", 11)


@dataclass
class Desk:
    """Writes against a scripted API server."""

    script: Script
    picture: Picture
    writes: Writes
    changes: list[Change] = field(default_factory=list)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with scripted() as (cluster, script):
        picture, changes = Picture(NOW), list[Change]()
        sink = Sink(picture, Metrics(list), changes.append)
        sink.seen(Kind.NAMESPACE, "ADDED", make_namespace(), "list")
        sink.seen(Kind.ANALYSIS_JOB, "ADDED", AJ, "list")
        nobody = cast("Records", None), cast("Announcer", None)
        yield Desk(script, picture, Writes(cluster, sink, *nobody, lambda: True), changes)


async def test_it_names_uid_and_version_and_lets_what_it_owns_follow(desk: Desk) -> None:
    desk.script.on(f"DELETE {PATH}", answer({"kind": "Status", "status": "Success"}))
    await desk.writes.write(ACTION)
    [body] = desk.script.bodies
    assert body == {"propagationPolicy": "Background", "preconditions": {"uid": UID, "resourceVersion": "11"}}
    assert UID not in desk.picture.analysis_jobs
    assert desk.changes[-1].after is None, "the recorder hears of it"
    assert len(desk.picture.retirements) == 1


async def test_the_watch_s_own_word_afterwards_changes_nothing_and_an_old_event_does_not_bring_it_back(
    desk: Desk,
) -> None:
    desk.script.on(f"DELETE {PATH}", answer({"kind": "Status", "status": "Success"}))
    await desk.writes.write(ACTION)
    heard = len(desk.changes)
    assert desk.picture.observe(Kind.ANALYSIS_JOB, "MODIFIED", AJ) is None
    last = {**AJ, "metadata": {**AJ["metadata"], "resourceVersion": "15"}}
    assert desk.picture.observe(Kind.ANALYSIS_JOB, "DELETED", last) is None
    assert len(desk.changes) == heard


async def test_one_that_is_gone_already_is_success(desk: Desk) -> None:
    desk.script.on(f"DELETE {PATH}", refusal(404, "NotFound"))
    await desk.writes.write(ACTION)
    assert UID not in desk.picture.analysis_jobs


async def test_one_that_changed_meanwhile_is_read_again_and_kept(desk: Desk) -> None:
    changed = {**AJ, "metadata": {**AJ["metadata"], "resourceVersion": "14"}}
    desk.script.on(f"DELETE {PATH}", refusal(409, "Conflict", "the resourceVersion does not match"))
    desk.script.on(f"GET {PATH}", answer(changed))
    with pytest.raises(Conflict):
        await desk.writes.write(ACTION)
    assert desk.picture.analysis_jobs[UID].version == 14


async def test_one_that_a_finalizer_holds_stays_in_the_picture_as_going(desk: Desk) -> None:
    held = {
        **AJ,
        "kind": "AnalysisJob",
        "metadata": {**AJ["metadata"], "resourceVersion": "12", "deletionTimestamp": ago(0)},
    }
    desk.script.on(f"DELETE {PATH}", answer(held))
    await desk.writes.write(ACTION)
    assert desk.picture.analysis_jobs[UID].deleted_at is not None


async def test_an_api_server_that_can_t_answer_leaves_it_where_it_is(desk: Desk) -> None:
    desk.script.on(f"DELETE {PATH}", refusal(503, "ServiceUnavailable"))
    with pytest.raises(Unavailable):
        await desk.writes.write(ACTION)
    assert UID in desk.picture.analysis_jobs
    assert len(desk.picture.retirements) == 1, "it counts against the budget all the same"
