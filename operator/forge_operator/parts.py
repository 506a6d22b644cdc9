"""The operator's parts, put together once: which knows which, and how each looks from outside."""

from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp.web import RouteDef
from prometheus_client.core import Metric

from forge_core.cluster import Cluster
from forge_core.history.database import History
from forge_core.history.outbox import Outbox
from forge_core.history.records import Records
from forge_core.progress import Progress
from forge_operator.apply.applier import Applier
from forge_operator.apply.writes import Writes
from forge_operator.dependencies import Dependencies
from forge_operator.door import Door
from forge_operator.explaining.answering import Answering
from forge_operator.health import Health
from forge_operator.known import Surroundings
from forge_operator.lease import Lease
from forge_operator.loop import Loop
from forge_operator.metrics import Metrics
from forge_operator.observe.by_kopf import KopfWatches
from forge_operator.observe.kinds import PLAIN
from forge_operator.observe.plain import Watch
from forge_operator.observe.relist import Relisting
from forge_operator.observe.sink import Sink
from forge_operator.outbox.alerting import Alerting
from forge_operator.outbox.backlog import Backlogs
from forge_operator.outbox.publishing import EventPublisher
from forge_operator.outbox.sinks import sink_of
from forge_operator.picture import Picture
from forge_operator.progress_copy import Ends, ProgressCopy
from forge_operator.queue_status import QueueStatus
from forge_operator.record.flight import Flight
from forge_operator.record.recorder import Recorder
from forge_operator.redis_users import RedisUsers
from forge_operator.scraped import families
from forge_operator.settings import Settings
from forge_operator.strays import Strays
from forge_operator.sweeping import Sweeping


@dataclass(frozen=True)
class Connections:
    """What the operator speaks to."""

    cluster: Cluster
    history: History
    progress: Progress


class Parts:
    """Everything that lives as long as the process."""

    def __init__(self, settings: Settings, to: Connections) -> None:
        self._settings = settings
        self.cluster = to.cluster
        surroundings = Surroundings(
            settings.api_url,
            settings.redis_url,
            settings.hosts,
            settings.webhook_hosts,
            settings.tenant_max_running,
            settings.clones_url,
            settings.writes_at_once,
        )
        self.picture = Picture(datetime.now(UTC), surroundings)
        self.metrics = Metrics(self._families, lambda queue: queue in self.picture.queues)
        to.cluster.heard = self.metrics.asked
        self.lease = Lease(to.cluster, settings.namespace, settings.identity)
        records = Records(to.history)
        self.flight = Flight(self.picture, self._leads)
        self.recorder = Recorder(records, self.picture, self.metrics, self._leads, self.flight)
        self.sink = Sink(self.picture, self.metrics, self.recorder.heard, settings.installation)
        self.ends = Ends(to.progress, self.sink)
        writes = Writes(to.cluster, self.sink, records, self.ends, self._leads)
        self.applier = Applier(writes, self.metrics, self._leads, settings.writes_at_once)
        self.loop = Loop(self.sink, self.applier, self.lease, self.metrics, self.flight.saw)
        self.watches = {source.kind: Watch(to.cluster, source, self.sink) for source in PLAIN}
        self.kopf = KopfWatches(self.sink)
        self.relisting = Relisting(to.cluster, self.sink, self.recorder, settings.relist_seconds)
        self.dependencies = Dependencies(self.sink, to.history, settings.api_url)
        # Of a Redis whose users somebody else keeps it is only asked whether it is there.
        users = (lambda: ()) if settings.managed_redis else self.picture.served
        self.users = RedisUsers(to.cluster, to.progress, users)
        self.copy = ProgressCopy(to.progress, self.sink)
        outbox = Outbox(to.history)
        self.publisher = EventPublisher(outbox, to.progress, self.metrics, self._leads, settings.events_length)
        alerts = settings.alerts
        self.alerting = Alerting(outbox, lambda: sink_of(alerts), self.metrics, self._leads)
        self.backlogs = Backlogs(outbox, self.metrics, self._leads)
        self._door = Door(self.picture, self._leads, settings.operator_token.get_secret_value())
        self._answering = Answering(self.picture)
        strays = Strays(to.cluster, to.progress, self.picture, redis_is_ours=not settings.managed_redis)
        self._sweeping = Sweeping(strays)
        self.queue_status = QueueStatus(to.cluster, self.sink, self._leads)

    def _leads(self) -> bool:
        return self.lease.held

    def routes(self) -> list[RouteDef]:
        """What the API asks over the operator's port."""
        return self._door.routes(self._answering.route(), self._sweeping.route())

    def lasting(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What runs for ever, by name, once everything has been listed."""
        yield "loop", self.loop.keep()
        yield "recorder", self.recorder.keep()
        yield "relisting", self.relisting.keep()
        yield "dependencies", self.dependencies.keep()
        yield "progress", self.copy.keep()
        yield "ends", self.ends.keep()
        yield "events", self.publisher.keep()
        yield "alerts", self.alerting.keep()
        yield "outbox backlog", self.backlogs.keep()
        if not self._settings.installation:
            yield "queue status", self.queue_status.keep()
        yield "redis users", self.users.keep()

    def health(self) -> Health:
        """How all of it is now."""
        watches = {str(kind): watch.connected for kind, watch in self.watches.items()}
        return Health(
            watches={**watches, "kopf": self.kopf.connected, "listed": not self.picture.missing},
            last_decide_age=round(self.loop.age, 3),
            waiting_writes=self.applier.in_hand,
            unrecorded=self.recorder.backlog,
            lease_holder=self.lease.holder,
            leading=self.lease.held,
            redis=self.users.available,
            history=self.dependencies.history,
            api=self.dependencies.api,
        )

    def exposition(self) -> bytes:
        """What /metrics answers."""
        metrics, leads = self.metrics, self._leads()
        metrics.begin(self.picture.queues)
        metrics.holds_lease.set(leads)
        # What a standby keeps is no backlog: somebody else records it.
        metrics.unrecorded.set(self.recorder.backlog if leads else 0)
        metrics.record_lag.set(self.recorder.lag if leads else 0)
        metrics.unwritten_notes.set(self.flight.waiting if leads else 0)
        metrics.dropped_notes.set(self.flight.dropped)
        metrics.waiting_writes.set(self.applier.in_hand)
        there = {"redis": self.users.available, "postgresql": self.dependencies.history, "api": self.dependencies.api}
        for name, up in there.items():
            metrics.dependencies.labels(name).set(up)
        return metrics.text()

    def _families(self) -> Iterator[Metric]:
        return families(self.picture, self._leads(), datetime.now(UTC))
