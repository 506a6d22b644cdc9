"""Alerts through a real PostgreSQL to a real HTTP server that takes them, refuses them, or hangs."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from pydantic import SecretStr

from forge_core.history.breaches import Breach
from forge_core.history.database import History
from forge_core.history.outbox import MAX_TRIES, Event, Outbox
from forge_core.history.records import JobRecord, Records
from forge_core.phase import Phase
from forge_core.resource import SlaClock
from forge_operator.metrics import Metrics
from forge_operator.outbox.alerting import Alerting
from forge_operator.outbox.backlog import Backlogs
from forge_operator.outbox.destination import Destination, Kind
from forge_operator.outbox.sinks import HttpSink, LogSink, NotSent, sink_of
from tests.integration.outbox.conftest import NOW
from tests.integration.outbox.receiver import Receiver, certificate, receiving
from tests.services.ports import free_port
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio
KEY = "the-key-of-a-test"


def to(url: str, sink: Kind = "webhook", *, key: str = KEY, ca_file: str = "") -> Destination:
    return Destination(sink, True, SecretStr(url), SecretStr(key), ca_file)


async def breach(history: History, count: int = 1) -> list[str]:
    """So many jobs break their SLA; the ids of their alerts."""
    records, jobs = Records(history), [uuid4() for _ in range(count)]
    await records.write([
        JobRecord(
            uid=job, resource_version=2, tenant="t", namespace="tenant-t", name=f"job-{number}", queue="analysis",
            kind="analysis", spec={"queue": "analysis"}, priority=1, phase=Phase.RUNNING, created_at=NOW,
            started_at=NOW,
        )
        for number, job in enumerate(jobs)
    ])  # fmt: skip
    due = NOW + timedelta(seconds=301)
    await records.breaches([Breach(job, SlaClock.STARTED, NOW, 300, due) for job in jobs])
    async with history.begin() as connection:
        found = await connection.exec_driver_sql("select id from outbox where channel = 'alerts' order by position")
        return [str(row.id) for row in found]


@dataclass
class Telling:
    """An operator's alerts; `state` reads the outbox."""

    url: str
    metrics: Metrics
    kept: Alerting

    def state(self, alert: str) -> tuple[bool, int]:
        """Whether it is sent, and how often it failed."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute("select published_at, tries from outbox where id = %s", (alert,)).fetchone()
        assert row is not None
        return row[0] is not None, row[1]

    def hurry(self) -> None:
        """What waits for its next try is due."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("update outbox set next_try_at = null where published_at is null")

    async def sent(self, *alerts: str) -> None:
        """Wait until they are."""

        async def all_sent() -> bool:
            with psycopg.connect(self.url) as connection:
                unsent = "select count(*) from outbox where id = any(%s::uuid[]) and published_at is null"
                return connection.execute(unsent, (list(alerts),)).fetchone() == (0,)

        await eventually(all_sent, what="the alerts are sent")

    async def fails(self, alert: str, times: int) -> None:
        """Wait until it has failed so often."""

        async def failed() -> bool:
            return self.state(alert)[1] >= times

        await eventually(failed, what=f"it fails {times} times")

    async def counts(self, name: str, value: float) -> None:
        """Wait until the metric has this value; it is counted a moment after its row is written."""

        async def counted() -> bool:
            return self.metrics.registry.get_sample_value(name, {"channel": "alerts"}) == value

        await eventually(counted, what=f"{name} is {value:g}")

    async def rests(self, seconds: float) -> None:
        """Wait until the sink is left alone for longer than that: it is so once the failure is written."""

        async def resting() -> bool:
            return self.kept.rests > seconds

        await eventually(resting, what=f"the sink rests for more than {seconds:g} s")


@asynccontextmanager
async def telling(
    history: History, url: str, destination: Destination, seconds: float = 60.0
) -> AsyncIterator[Telling]:
    """Alerts are sent meanwhile; a sink has so many seconds to answer: one that is given up may have taken it."""
    metrics = Metrics(list)
    kept = Alerting(Outbox(history), lambda: HttpSink.connect(destination, seconds), metrics, lambda: True)
    task = asyncio.create_task(kept.keep())
    try:
        yield Telling(url, metrics, kept)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_datadog_is_told_its_event_with_duration_threshold_and_tags(history: History, history_url: str) -> None:
    async with receiving() as sink, telling(history, history_url, to(sink.url, "datadog")) as alerts:
        [alert] = await breach(history)
        await alerts.counts("forge_outbox_published_total", 1)
        assert alerts.state(alert)[0]
    [event], [headers] = sink.bodies, sink.headers
    assert headers["DD-API-KEY"] == KEY
    assert event["tags"][:2] == ["job:analysis", "sla:breach"]
    assert (event["alert_type"], event["aggregation_key"]) == ("warning", alert)
    assert "SLA of queue analysis is 5m" in event["text"]
    assert event["title"] == "SLA broken in queue analysis: tenant-t/job-0"
    assert isinstance(event["date_happened"], int)


async def test_a_webhook_is_told_plain_json_with_its_key(history: History, history_url: str) -> None:
    async with receiving() as sink, telling(history, history_url, to(sink.url)) as alerts:
        [alert] = await breach(history)
        await alerts.sent(alert)
    [body], [headers] = sink.bodies, sink.headers
    assert (body["id"], body["type"], body["severity"]) == (alert, "sla.breached", "warning")
    assert body["data"]["limitSeconds"] == 300
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Idempotency-Key"] == alert


async def test_a_sink_that_refuses_connections_is_tried_again(history: History, history_url: str) -> None:
    port = free_port()
    async with telling(history, history_url, to(f"http://127.0.0.1:{port}/")) as alerts:
        [alert] = await breach(history)
        await alerts.fails(alert, 1)
        async with receiving(port=port) as sink:
            alerts.hurry()
            await alerts.sent(alert)
            assert sink.taken() == [alert]


async def test_a_sink_that_hangs_is_given_up_in_time_and_tried_again(history: History, history_url: str) -> None:
    async with receiving() as sink, telling(history, history_url, to(sink.url), seconds=1.0) as alerts:
        sink.hangs = True
        [alert] = await breach(history)
        await alerts.fails(alert, 1)
        sink.hangs = False
        alerts.hurry()
        await alerts.sent(alert)
        assert set(sink.taken()) == {alert}


@pytest.mark.parametrize("status", [500, 502, 503, 429, 401, 403, 404, 408])
async def test_a_sink_in_trouble_is_tried_again_with_the_same_id(
    history: History, history_url: str, status: int
) -> None:
    async with receiving() as sink, telling(history, history_url, to(sink.url)) as alerts:
        sink.answers = [(status, {}), (200, {})]
        [alert] = await breach(history)
        await alerts.fails(alert, 1)
        alerts.hurry()
        await alerts.sent(alert)
        assert sink.taken() == [alert, alert]
        await alerts.counts("forge_outbox_failures_total", 1)


async def test_a_sink_that_asks_for_rest_gets_it(history: History, history_url: str) -> None:
    async with receiving() as sink:
        sink.answers = [(429, {"Retry-After": "120"})]
        async with telling(history, history_url, to(sink.url)) as alerts:
            [first] = await breach(history)
            await alerts.fails(first, 1)
            await alerts.rests(60)
            [_, second] = await breach(history)
            alerts.hurry()
            assert alerts.kept.rests > 60
            assert sink.taken() == [first]
            assert alerts.state(second) == (False, 0)
            await Backlogs(Outbox(history), alerts.metrics, lambda: True).look()
            await alerts.counts("forge_outbox_backlog", 2)


async def test_redirects_are_not_followed(history: History, history_url: str) -> None:
    async with receiving() as elsewhere, receiving() as sink:
        sink.answers = [(307, {"Location": elsewhere.url})]
        async with telling(history, history_url, to(sink.url)) as alerts:
            [alert] = await breach(history)
            await alerts.fails(alert, 1)
        assert elsewhere.bodies == []


async def test_an_alert_that_is_refused_for_itself_holds_up_no_other(history: History, history_url: str) -> None:
    async with receiving() as sink:
        poisoned = await breach(history, 8)
        sink.refused = set(poisoned)
        async with telling(history, history_url, to(sink.url)) as alerts:
            for alert in poisoned:
                await alerts.fails(alert, 1)
            [*_, good] = await breach(history)
            await alerts.sent(good)
            assert not any(alerts.state(alert)[0] for alert in poisoned)


async def test_an_alert_that_failed_too_often_is_given_up_and_no_longer_counts_as_waiting(
    history: History, history_url: str
) -> None:
    async with receiving() as sink:
        [alert] = await breach(history)
        sink.refused = {alert}
        with psycopg.connect(history_url, autocommit=True) as connection:
            connection.execute("update outbox set tries = %s", (MAX_TRIES - 1,))
        async with telling(history, history_url, to(sink.url)) as alerts:
            await alerts.fails(alert, MAX_TRIES)
            alerts.hurry()
            [_, good] = await breach(history)
            await alerts.sent(good)
            await Backlogs(Outbox(history), alerts.metrics, lambda: True).look()
        assert sink.taken().count(alert) == 1
        await alerts.counts("forge_outbox_backlog", 0)
        assert alerts.metrics.registry.get_sample_value("forge_alerts_given_up") == 1


async def test_an_endless_answer_is_not_read(history: History, history_url: str) -> None:
    async with receiving() as sink, telling(history, history_url, to(sink.url)) as alerts:
        sink.answers = [(200, {"endless": "yes"})]
        [alert] = await breach(history)
        await alerts.sent(alert)


async def test_a_certificate_that_nobody_vouches_for_is_not_spoken_to(
    history: History, history_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context, vouching = certificate(tmp_path)
    async with receiving(context) as sink:
        async with telling(history, history_url, to(sink.url)) as alerts:
            [alert] = await breach(history)
            await alerts.fails(alert, 1)
        assert sink.bodies == []
        async with telling(history, history_url, to(sink.url, ca_file=str(vouching))) as alerts:
            alerts.hurry()
            await alerts.sent(alert)


async def test_a_dead_senders_alerts_are_sent_by_the_next_once_its_claim_has_ended(history: History) -> None:
    outbox = Outbox(history)
    [alert] = await breach(history)
    assert [str(each.id) for each in await outbox.claim_alerts(4, 60)] == [alert]
    assert await outbox.claim_alerts(4, 60) == []
    async with history.begin() as connection:
        await connection.exec_driver_sql("update outbox set next_try_at = now() - interval '1 second'")
    assert [str(each.id) for each in await outbox.claim_alerts(4, 60)] == [alert]


async def test_two_senders_at_once_send_each_alert_once(history: History, history_url: str) -> None:
    async with receiving() as sink:
        wanted = await breach(history, 40)
        async with telling(history, history_url, to(sink.url)) as one, telling(history, history_url, to(sink.url)):
            await one.sent(*wanted)
        assert sorted(sink.taken()) == sorted(wanted)


async def test_the_log_takes_every_alert(capsys: pytest.CaptureFixture[str]) -> None:
    async with sink_of(Destination("log", False, SecretStr(""), SecretStr(""), "")) as sink:
        assert isinstance(sink, LogSink)
        await sink.send(an_alert())
    assert "SLA broken in queue analysis" in capsys.readouterr().out


SECRET_URL = "/hooks/T0K3N?key=hidden"


@pytest.mark.parametrize("trouble", ["refused", "hangs", "500", "certificate", "redirect", "breaks off"])
async def test_no_failure_tells_the_urls_path_or_the_key(trouble: str, tmp_path: Path) -> None:
    trust = certificate(tmp_path)[0] if trouble == "certificate" else None
    async with receiving(trust) as sink:
        place = f"{sink.scheme}://127.0.0.1:{free_port() if trouble == 'refused' else sink.port}{SECRET_URL}"
        prepare(sink, trouble)
        async with HttpSink.connect(to(place), 0.3) as http:
            with pytest.raises(NotSent) as refused:
                await http.send(an_alert())
    said = str(refused.value)
    assert said
    assert not [word for word in ("T0K3N", "hidden", "hooks", KEY) if word in said], said
    assert refused.value.__cause__ is None


def prepare(sink: Receiver, trouble: str) -> None:
    sink.hangs = trouble == "hangs"
    answers = {"500": (500, {}), "redirect": (302, {"Location": "http://127.0.0.1:1/T0K3N"})}
    sink.answers = [answers.get(trouble, (200, {"X-Too-Long": "x" * 20_000} if trouble == "breaks off" else {}))]


def an_alert() -> Event:
    data = {
        "analysisId": "a", "queue": "analysis", "kind": "analysis", "namespace": "tenant-t", "name": "job",
        "phase": "Running", "clock": "started", "began": "2026-01-02T03:04:05Z", "limitSeconds": 300, "seconds": 302.4,
    }  # fmt: skip
    body = {
        "id": str(UUID(int=1)),
        "type": "sla.breached",
        "time": "2026-01-02T03:09:06Z",
        "tenantid": "t",
        "data": data,
    }
    return Event(UUID(int=1), "sla.breached", json.loads(json.dumps(body)))
