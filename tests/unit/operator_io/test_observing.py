"""What is seen enters the picture by one door, and a watch survives whatever the API server does."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web

from forge_core.names import INSTALLATION_LABEL
from forge_operator.digests import Kind
from forge_operator.held import REQUIRED, Change
from forge_operator.metrics import Metrics
from forge_operator.observe.kinds import NODES
from forge_operator.observe.plain import Watch
from forge_operator.observe.sink import Sink
from forge_operator.picture import Picture
from tests.builders.operator import NAMESPACE, NOW, make_job, make_namespace, make_node
from tests.services.apiserver import answer, hang_up, refusal, scripted
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio
LIST = "GET /api/v1/nodes"


def make_sink(installation: str = "") -> tuple[Sink, list[Change]]:
    changes: list[Change] = []
    return Sink(Picture(NOW), Metrics(list), changes.append, installation), changes


def labelled(installation: str) -> dict[str, Any]:
    return {INSTALLATION_LABEL: installation}


def nodes(*items: Any, version: int = 10) -> web.Response:
    return answer({"metadata": {"resourceVersion": str(version)}, "items": list(items)})


def events(*pairs: tuple[str, Any]) -> web.Response:
    lines = [json.dumps({"type": kind, "object": raw}) for kind, raw in pairs]
    return web.Response(body="\n".join([*lines, ""]).encode())


GONE = ("ERROR", {"code": 410, "reason": "Expired", "message": "too old resource version"})


@asynccontextmanager
async def watching(sink: Sink, *answers: web.Response | Callable[[], web.Response]) -> AsyncIterator[Watch]:
    async with scripted() as (cluster, script):
        script.on(LIST, *answers, hang_up)
        watch = Watch(cluster, NODES, sink)
        task = asyncio.create_task(watch.keep())
        try:
            yield watch
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def holds(sink: Sink, *names: str) -> bool:
    return set(sink.picture.nodes) == set(names)


async def test_a_watch_lists_and_then_follows() -> None:
    sink, _ = make_sink()
    seen = events(("ADDED", make_node("b", version=11)), ("DELETED", make_node("a", version=12)))
    async with watching(sink, nodes(make_node("a")), seen):
        await eventually(lambda: holds(sink, "b"))


async def test_a_watch_that_fell_behind_lists_again_and_forgets_what_was_lost() -> None:
    sink, _ = make_sink()
    async with watching(sink, nodes(make_node("a")), events(GONE), nodes(make_node("b", version=20), version=20)):
        await eventually(lambda: holds(sink, "b"))


async def test_a_broken_connection_and_a_busy_server_only_cost_a_while() -> None:
    sink, _ = make_sink()
    busy = refusal(500, "InternalError")
    async with watching(
        sink, hang_up, busy, nodes(make_node("a")), hang_up, events(("ADDED", make_node("b", version=11)))
    ):
        await eventually(lambda: holds(sink, "a", "b"))


async def test_a_change_is_told_once_and_wakes_the_loop() -> None:
    sink, changes = make_sink()
    for _ in range(2):
        sink.seen(Kind.ANALYSIS_JOB, "ADDED", make_job(), "kopf")
    assert len(changes) == 1
    assert sink.dirty.is_set()


async def test_another_installation_s_namespace_is_passed_over_with_all_that_is_in_it() -> None:
    sink, changes = make_sink()
    sink.seen(Kind.NAMESPACE, "ADDED", make_namespace(**labelled("other")), "kopf")
    sink.seen(Kind.ANALYSIS_JOB, "ADDED", make_job(), "kopf")
    assert changes == []
    assert not sink.picture.namespaces


async def test_a_named_installation_sees_only_its_own_namespaces() -> None:
    sink, _ = make_sink("mine")
    sink.seen(Kind.ANALYSIS_JOB, "ADDED", make_job(), "kopf")
    assert not sink.picture.analysis_jobs
    sink.seen(Kind.NAMESPACE, "ADDED", make_namespace(**labelled("mine")), "kopf")
    assert sink.relist.is_set(), "what was passed over is to be listed again"
    sink.seen(Kind.ANALYSIS_JOB, None, make_job(), "list")
    assert len(sink.picture.analysis_jobs) == 1


async def test_nothing_is_decided_until_what_was_passed_over_has_been_listed() -> None:
    """A job whose pods aren't seen would be taken for one that never began."""
    sink, _ = make_sink("mine")
    for kind in REQUIRED:
        sink.listed(kind, [], 5, sink.epoch)
    assert not sink.picture.missing
    begun = sink.epoch
    sink.seen(Kind.NAMESPACE, "ADDED", make_namespace(version=6, **labelled("mine")), "kopf")
    assert sink.picture.missing == {Kind.ANALYSIS_JOB, Kind.JOB, Kind.POD}
    sink.relist.clear()
    sink.listed(Kind.JOB, [], 7, begun)
    assert Kind.JOB in sink.picture.missing, "that list began before the namespace was served"
    assert sink.relist.is_set()
    for kind in (Kind.ANALYSIS_JOB, Kind.JOB, Kind.POD):
        sink.listed(kind, [], 8, sink.epoch)
    assert not sink.picture.missing


async def test_a_namespace_that_moves_to_another_installation_is_served_no_more() -> None:
    sink, _ = make_sink()
    sink.seen(Kind.NAMESPACE, "ADDED", make_namespace(version=3), "kopf")
    assert NAMESPACE in sink.picture.namespaces
    sink.seen(Kind.NAMESPACE, "MODIFIED", make_namespace(version=4, **labelled("other")), "kopf")
    assert NAMESPACE not in sink.picture.namespaces
    sink.seen(Kind.NAMESPACE, "MODIFIED", make_namespace(version=5), "kopf")
    assert NAMESPACE in sink.picture.namespaces
    assert sink.relist.is_set()
