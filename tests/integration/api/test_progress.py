"""Live progress by websocket and by server-sent events, through one Redis and through a three-node Redis Cluster."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from forge_api import relay
from forge_core.history.queries import State
from forge_core.history.records import JobRecord
from forge_core.messages import ProgressMessage, ProgressUnavailable, TerminalMessage
from forge_core.names import progress_stream
from forge_core.phase import Phase
from forge_core.progress import Progress
from tests.builders.api import Api, MemoryCluster, Signer, make_settings, running_api
from tests.services.redis import RedisServer
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio


class World:
    """One running job and everything that a test does to it."""

    def __init__(self, api: Api, cluster: MemoryCluster, progress: Progress) -> None:
        self.api = api
        self.cluster = cluster
        self.progress = progress
        self.job = cluster.job("tenant-acme", "sample", phase="Running", progress=0)
        self.uid = str(self.job["metadata"]["uid"])
        self.path = f"/analyses/{self.uid}/progress"
        self._version = 1000

    async def record(self, phase: Phase) -> None:
        """What the operator records."""
        self._version += 1
        record = JobRecord(
            uid=uuid.UUID(self.uid),
            resource_version=self._version,
            tenant="acme",
            namespace="tenant-acme",
            name="sample",
            queue="analysis",
            kind="analysis",
            spec={},
            priority=1,
            phase=phase,
            created_at=datetime.now(UTC),
            completed_at=datetime.now(UTC) if phase.terminal else None,
        )
        await self.api.services.records.write([record])

    async def report(self, percent: float, uid: str = "") -> None:
        """What the runner reports."""
        message = ProgressMessage(
            uid=uid or self.uid, attempt=1, stage="analysing", percent=percent, at=datetime.now(UTC)
        )
        await self.progress.report("acme", message)

    async def end(self, phase: Phase = Phase.COMPLETED) -> None:
        """What the operator does at the end: the resource first, then the message, then the row."""
        self.cluster.set_status("tenant-acme", "sample", phase=phase.value)
        await self.progress.publish_end("acme", TerminalMessage(uid=self.uid, phase=phase, at=datetime.now(UTC)))

    @asynccontextmanager
    async def socket(self, query: str = "", **changes: Any) -> AsyncIterator[ClientConnection]:
        headers = {"Authorization": f"Bearer {self.api.signer.token(**changes)}"}
        async with connect(f"{self.api.socket_url}{self.path}{query}", additional_headers=headers) as socket:
            yield socket

    @asynccontextmanager
    async def events(self, **headers: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        async with self.api.client() as client, client.stream("GET", self.path, headers=headers) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield _events(answer)


async def _events(answer: httpx2.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in answer.aiter_lines():
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


async def told(socket: ClientConnection, seconds: float = 120) -> dict[str, Any]:
    async with asyncio.timeout(seconds):
        message: dict[str, Any] = json.loads(await socket.recv())
        return message


@pytest.fixture
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, signer: Signer, history_url: str, cluster: MemoryCluster
) -> AsyncIterator[World]:
    url = request.getfixturevalue(getattr(request, "param", "redis_url"))
    settings = make_settings(tmp_path, signer, history_url, url, listeners_per_tenant=3)
    async with running_api(settings, cluster, signer) as api, Progress.connect(url) as progress:
        world = World(api, cluster, progress)
        await world.record(Phase.RUNNING)
        yield world


both = pytest.mark.parametrize("world", ["redis_url", "redis_cluster_url"], indirect=True)


@both
async def test_a_websocket_gets_a_snapshot_then_each_step_then_the_end(world: World) -> None:
    await world.report(10)
    async with world.socket() as socket:
        first = await told(socket)
        assert (first["type"], first["status"], first["progress"]) == ("snapshot", "running", 10)
        for percent in (20.9, 55):
            await world.report(percent)
            step = await told(socket)
            assert (step["type"], step["progress"], step["stage"]) == ("progress", int(percent), "analysing")
        await world.report(99, uid=str(uuid.uuid4()))  # another job's
        await world.end()
        last = await told(socket)
        assert (last["type"], last["status"], last["progress"]) == ("terminal", "completed", 100)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1000, "the job has ended")


@both
async def test_events_are_resumed_after_the_last_one_without_loss_or_repetition(world: World) -> None:
    async with world.events() as events:
        assert (await anext(events))["type"] == "snapshot"
        await world.report(20)
        last = await anext(events)
    await world.report(30)
    await world.report(40)
    async with world.events(**{"Last-Event-ID": last["id"]}) as events:
        assert [(await anext(events))["progress"] for _ in range(2)] == [30, 40]
        await world.report(50)
        assert (await anext(events))["progress"] == 50
        await world.end(Phase.FAILED)
        assert [event["status"] async for event in events] == ["failed"]


@both
async def test_a_websocket_is_resumed_by_its_last_id(world: World) -> None:
    async with world.socket() as socket:
        await told(socket)
        await world.report(20)
        last = await told(socket)
    await world.report(30)
    async with world.socket(f"?after={last['id']}") as socket:
        step = await told(socket)
        assert (step["type"], step["progress"]) == ("progress", 30)


@both
async def test_a_resume_past_the_trimmed_end_is_a_gap_and_a_new_snapshot(world: World) -> None:
    await world.report(20)
    async with world.socket("?after=1-1") as socket:
        assert (await told(socket))["type"] == "gap"
        snapshot = await told(socket)
        assert (snapshot["type"], snapshot["progress"]) == ("snapshot", 20)
        await world.report(30)
        assert (await told(socket))["progress"] == 30


async def test_a_job_that_is_over_is_told_at_once(world: World) -> None:
    await world.end()
    async with world.events() as events:
        assert [event["type"] async for event in events] == ["snapshot", "terminal"]


async def test_the_end_does_not_depend_on_redis(world: World, redis_one: RedisServer) -> None:
    async with world.socket() as socket:
        assert (await told(socket))["type"] == "snapshot"
        redis_one.stop()
        await world.record(Phase.FAILED)
        last = await told(socket)
        assert (last["type"], last["status"]) == ("terminal", "failed")
    async with world.events() as events:
        assert [event["type"] async for event in events] == ["snapshot", "terminal"]


async def test_a_redis_that_comes_back_empty_is_a_gap_and_progress_goes_on(
    world: World, redis_one: RedisServer
) -> None:
    async with world.socket() as socket:
        await told(socket)
        await world.report(20)
        await told(socket)
        redis_one.stop()
        redis_one.start()

        async def reported() -> bool:
            with suppress(ProgressUnavailable):
                await world.report(40)
                return True
            return False

        await eventually(reported)
        seen: list[dict[str, Any]] = []
        while not seen or seen[-1]["progress"] != 40:
            seen.append(await told(socket))
            if seen[-1]["type"] == "gap":
                seen.append(await told(socket))
        assert seen[0]["type"] in {"gap", "progress"}


async def test_a_forged_end_is_not_believed(world: World) -> None:
    async with world.socket() as socket:
        await told(socket)
        forged = TerminalMessage(uid=world.uid, phase=Phase.COMPLETED, at=datetime.now(UTC))
        await world.progress.publish_end("acme", forged)
        await world.report(30)
        step = await told(socket)
        assert (step["type"], step["progress"]) == ("progress", 30)


async def test_what_is_no_message_is_counted_and_passed_over(world: World) -> None:
    async with world.socket() as socket:
        await told(socket)
        raw: Any = world.progress._redis
        for payload in ("{", "x" * 20_000, json.dumps({"type": "progress", "uid": world.uid, "percent": 1e9})):
            await raw.xadd(progress_stream("acme"), {"m": payload})
        await raw.xadd(progress_stream("acme"), {"other": "field"})
        await world.report(30)
        assert (await told(socket))["progress"] == 30
    async with httpx2.AsyncClient(base_url=world.api.internal, verify=False) as client:
        assert "forge_api_bad_messages_total 4.0" in (await client.get("/metrics")).text


async def test_a_tenant_may_have_only_so_many_connections(world: World) -> None:
    async with world.socket() as first, world.socket() as second, world.events() as events:
        await told(first)
        await told(second)
        await anext(events)
        with pytest.raises(InvalidStatus) as refused:
            async with world.socket():
                pass
        assert refused.value.response.status_code == 429
        async with world.api.client() as client:
            for path in (world.path, f"/analyses/{world.uid}/logs?follow=true"):
                assert (await client.get(path)).status_code == 429
        await first.close()

        async def free() -> bool:
            try:
                async with world.socket() as another:
                    return bool(await told(another))
            except InvalidStatus:
                return False

        await eventually(free)


async def test_a_connection_ends_with_its_token(world: World) -> None:
    soon = int(datetime.now(UTC).timestamp()) + 2
    async with world.socket(exp=soon) as socket:
        assert (await told(socket))["type"] == "snapshot"
        last = await told(socket)
        assert (last["type"], last["message"]) == ("closed", "the token has expired")
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


async def test_a_browser_hands_its_token_over_as_a_subprotocol(world: World) -> None:
    token = world.api.signer.token()
    url = f"{world.api.socket_url}{world.path}"
    async with connect(url, subprotocols=["forge.v1", f"bearer.{token}"]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "forge.v1"
        assert (await told(socket))["type"] == "snapshot"


async def test_a_large_frame_from_a_client_ends_the_connection(world: World) -> None:
    async with world.socket() as socket:
        await told(socket)
        await socket.send("x" * 10_000)
        with pytest.raises(ConnectionClosed) as closed:
            await told(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


async def test_a_bad_resume_token_is_a_422(world: World) -> None:
    async with world.api.client() as client:
        for token in ("x", "1", "$", "1-1-1", "-1-0"):
            assert (await client.get(world.path, headers={"Last-Event-ID": token})).status_code == 422
    with pytest.raises(InvalidStatus) as refused:
        async with world.socket("?after=$"):
            pass
    assert refused.value.response.status_code == 422


async def test_a_job_that_reaches_the_cluster_later_is_followed_from_then_on(world: World) -> None:
    async with world.api.client() as client:
        made = await client.post("/repositories", json={"url": "https://git.example.com/a/b.git"})
        world.cluster.away = True
        job_id = (await client.post("/analyses", json={"repositoryId": made.json()["id"]})).json()["id"]
        headers = {"Authorization": f"Bearer {world.api.signer.token()}"}
        async with connect(f"{world.api.socket_url}/analyses/{job_id}/progress", additional_headers=headers) as socket:
            assert (await told(socket))["status"] == "queued"
            world.cluster.away = False
            assert (await told(socket))["type"] == "snapshot"
            uid = world.cluster.objects[
                f"/apis/forge-factory.dev/v1alpha1/namespaces/tenant-acme/analysisjobs/{job_id}"
            ]["metadata"]["uid"]
            await world.report(12, uid=uid)
            assert (await told(socket))["progress"] == 12


async def test_a_shutdown_tells_listeners_to_come_again(
    tmp_path: Path, signer: Signer, history_url: str, redis_url: str, cluster: MemoryCluster
) -> None:
    settings = make_settings(tmp_path, signer, history_url, redis_url)
    async with Progress.connect(redis_url) as progress:
        async with running_api(settings, cluster, signer) as api:
            world = World(api, cluster, progress)
            await world.record(Phase.RUNNING)
            headers = {"Authorization": f"Bearer {signer.token()}"}
            socket = await connect(f"{api.socket_url}{world.path}", additional_headers=headers)
            await told(socket)
        last = await told(socket)
        assert (last["type"], last["message"]) == ("closed", "the API is shutting down")
        await socket.close()


async def test_the_log_is_followed_line_by_line_to_the_end(world: World) -> None:
    await world.progress.log("acme", world.uid, ["runner started", "cloning"])
    async with world.api.client() as client:
        assert (await client.get(f"/analyses/{world.uid}/logs")).text == "runner started\ncloning\n"
        async with client.stream("GET", f"/analyses/{world.uid}/logs?follow=true") as answer:
            lines = answer.aiter_lines()
            assert [await anext(lines), await anext(lines)] == ["runner started", "cloning"]
            await world.progress.log("acme", world.uid, ["analysing"])
            assert await anext(lines) == "analysing"
            await world.end()
            assert [line async for line in lines] == []


async def test_a_listener_that_can_not_keep_up_is_dropped_with_a_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "QUEUE_LENGTH", 3)
    job = await world.api.services.queries.job("acme", uuid.UUID(world.uid))
    assert job is not None
    state = State(job.phase, job.uid)
    async with world.api.services.relay.listening("acme", job.id, state) as (slow, _):
        for percent in range(6):
            await world.report(percent)

        async def dropped() -> bool:
            return slow.closed is not None

        await eventually(dropped)
        assert await slow.next() == relay.Closed("too slow: messages were left unread")


async def test_one_reader_serves_all_listeners_of_a_tenant(world: World) -> None:
    async with world.socket() as first, world.socket() as second:
        await told(first)
        await told(second)
        names = [task.get_name() for task in asyncio.all_tasks()]
        assert names.count("relay acme") == 1

    async def gone() -> bool:
        return "relay acme" not in [task.get_name() for task in asyncio.all_tasks()]

    await eventually(gone)
