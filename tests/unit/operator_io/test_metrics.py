"""What /metrics answers: the ADR's names to the letter, right after a restart, and never more than a few labels."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families

from forge_core.cluster import Call, Conflict, analysis_jobs, core, job_queues, jobs, leases
from forge_core.history.records import End, Tried
from forge_core.phase import Phase
from forge_operator.actions import CreateJob
from forge_operator.apply.creation import Creation
from forge_operator.digests import Kind
from forge_operator.metrics import Metrics
from forge_operator.parts import Parts
from forge_operator.reasons import Reason
from tests.builders.exposed import Exposed, exposed, operator_parts
from tests.builders.operator import NOW, make_child, make_job, make_namespace, make_queue, with_status
from tests.services.apiserver import answer, refusal, scripted

pytestmark = pytest.mark.anyio
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(text: bytes) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def labelled(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, tuple(sorted(labels.items()))))


def end(phase: Phase = Phase.COMPLETED, seconds: float = 7, **changes: Any) -> End:
    uid = uuid4()
    return End(
        **{
            "id": uid, "uid": uid, "tenant": "a", "queue": "analysis", "phase": phase, "repository_id": "",
            "message": "", "started_at": NOW, "completed_at": NOW + timedelta(seconds=seconds), **changes,
        }
    )  # fmt: skip


@pytest.fixture
async def parts() -> AsyncIterator[Parts]:
    async with operator_parts() as parts:
        yield parts


def see(parts: Parts, *objects: tuple[Kind, dict[str, Any]], leads: bool = True) -> Samples:
    """The exposition once these and a queue and a tenant have been listed."""
    standing = ((Kind.NAMESPACE, make_namespace()), (Kind.JOB_QUEUE, make_queue()))
    for kind, raw in (*standing, *objects):
        parts.sink.seen(kind, "ADDED", raw, "list")
    for kind in Kind:
        parts.sink.listed(kind, {digest.uid for digest in parts.picture.held(kind)}, 99)
    parts.lease._until = parts.lease._clock() + 60 if leads else 0.0
    return read(parts.exposition())


# --- the ADR's three ---


async def test_the_three_metrics_of_the_adr_have_its_names_labels_and_buckets() -> None:
    by_name = {metric.name: metric for metric in await exposed()}
    assert (by_name["jobs_processed"].kind, by_name["jobs_processed"].labels) == ("counter", ("queue", "status"))
    assert (by_name["job_duration_seconds"].kind, by_name["job_duration_seconds"].labels) == ("histogram", ("queue",))
    assert (by_name["queue_size"].kind, by_name["queue_size"].labels) == ("gauge", ("queue", "status"))
    metrics = Metrics(list)
    metrics.ended([end()])
    bounds = [dict(labels)["le"] for name, labels in read(metrics.text()) if name == "job_duration_seconds_bucket"]
    assert bounds == ["1.0", "5.0", "10.0", "30.0", "60.0", "120.0", "300.0", "+Inf"]


async def test_an_end_is_counted_by_status_and_takes_the_time_of_all_its_attempts() -> None:
    metrics = Metrics(list)
    metrics.ended(
        [end(seconds=7), end(Phase.FAILED, 200, failure_class="timeout"), end(Phase.CANCELLED, started_at=None)]
    )
    samples = read(metrics.text())
    for status in ("completed", "failed", "cancelled"):
        assert labelled(samples, "jobs_processed_total", queue="analysis", status=status) == 1
    assert labelled(samples, "job_duration_seconds_bucket", queue="analysis", le="5.0") == 0
    assert labelled(samples, "job_duration_seconds_bucket", queue="analysis", le="10.0") == 1
    assert labelled(samples, "job_duration_seconds_count", queue="analysis") == 2
    assert labelled(samples, "job_duration_seconds_sum", queue="analysis") == 207


async def test_sizes_are_right_at_once_after_a_restart(parts: Parts) -> None:
    waiting, active = make_job("waits"), with_status(make_job("runs"), phase="Running")
    done = with_status(make_job("done"), phase="Completed")
    samples = see(parts, *((Kind.ANALYSIS_JOB, job) for job in (waiting, active, done)))
    found = {status: labelled(samples, "queue_size", queue="analysis", status=status) for status in
             ("waiting", "active", "cancelling", "completed", "failed", "cancelled")}  # fmt: skip
    assert found == {"waiting": 1, "active": 1, "cancelling": 0, "completed": 1, "failed": 0, "cancelled": 0}


async def test_no_size_is_told_before_everything_is_listed(parts: Parts) -> None:
    parts.sink.seen(Kind.JOB_QUEUE, "ADDED", make_queue(), "list")
    parts.sink.seen(Kind.ANALYSIS_JOB, "ADDED", make_job(), "list")
    parts.lease._until = parts.lease._clock() + 60
    assert not [name for name, _ in read(parts.exposition()) if name in {"queue_size", "forge_jobs_waiting"}]


async def test_a_standby_tells_no_sizes_and_no_lag_so_that_sums_are_right(parts: Parts) -> None:
    samples = see(parts, (Kind.ANALYSIS_JOB, make_job()), leads=False)
    assert not [name for name, _ in samples if name in {"queue_size", "forge_jobs_waiting", "forge_queue_concurrency"}]
    assert labelled(samples, "forge_operator_holds_lease") == 0
    assert parts.recorder.backlog == 1
    assert labelled(samples, "forge_operator_unrecorded") == 0
    assert labelled(samples, "forge_operator_record_lag_seconds") == 0


# --- waiting and admission ---


async def test_waiting_jobs_are_counted_by_the_gate_that_holds_them(parts: Parts) -> None:
    full = make_queue(concurrency=1, version=6)
    running = with_status(make_job("runs"), phase="Running")
    samples = see(
        parts, (Kind.JOB_QUEUE, full), (Kind.ANALYSIS_JOB, running), (Kind.JOB, make_child(running)),
        *((Kind.ANALYSIS_JOB, make_job(f"waits-{number}")) for number in range(3)),
        (Kind.ANALYSIS_JOB, make_job("lost", queue="no-such-queue")),
    )  # fmt: skip
    assert labelled(samples, "forge_jobs_waiting", queue="analysis", reason="ConcurrencyReached") == 3
    assert labelled(samples, "forge_jobs_waiting", queue="analysis", reason="QueuePaused") == 0
    assert labelled(samples, "forge_jobs_waiting", queue="(unknown)", reason="QueueMissing") == 1
    assert labelled(samples, "queue_size", queue="(unknown)", status="waiting") == 1
    assert labelled(samples, "forge_queue_concurrency", queue="analysis") == 1


async def test_every_gates_reason_is_shown_from_the_beginning(parts: Parts) -> None:
    shown = {dict(labels)["reason"] for name, labels in see(parts) if name == "forge_jobs_waiting"}
    assert shown == {reason.value for reason in list(Reason)[: list(Reason).index(Reason.ADMITTED)]}


async def test_a_made_job_is_timed_from_its_creation_and_from_what_let_it_start(parts: Parts) -> None:
    job = make_job("one", age=40)
    uid = job["metadata"]["uid"]
    see(parts, (Kind.ANALYSIS_JOB, job))
    async with scripted() as (cluster, script):
        script.on("POST /apis/batch/v1/namespaces/tenant-a/jobs", answer(make_child(job, age=10), 201))
        parts.metrics.latency.decided([uid], 0.0, ())
        await Creation(cluster, parts.sink, lambda: True).create(
            CreateJob(uid, "tenant-a", "analysis", make_child(job))
        )
    samples = read(parts.exposition())
    assert labelled(samples, "forge_job_wait_seconds_sum", queue="analysis") == 30
    assert labelled(samples, "forge_job_wait_seconds_bucket", queue="analysis", le="15.0") == 0
    assert labelled(samples, "forge_admission_seconds_count", queue="analysis") == 1


async def test_a_refused_job_was_not_admitted(parts: Parts) -> None:
    job = make_job("one")
    uid = job["metadata"]["uid"]
    see(parts, (Kind.ANALYSIS_JOB, job))
    async with scripted() as (cluster, script):
        script.on("POST /apis/batch/v1/namespaces/tenant-a/jobs", refusal(403, "Forbidden", "exceeded quota"))
        await Creation(cluster, parts.sink, lambda: True).create(
            CreateJob(uid, "tenant-a", "analysis", make_child(job))
        )
    samples = read(parts.exposition())
    assert labelled(samples, "forge_job_wait_seconds_count", queue="analysis") == 0
    assert labelled(samples, "forge_jobs_waiting", queue="analysis", reason="CreationRefused") is not None


async def test_a_change_is_unheeded_from_its_first_event_until_a_decision(parts: Parts) -> None:
    parts.sink.heed()
    before = parts.lease._clock()
    parts.sink.seen(Kind.ANALYSIS_JOB, "ADDED", make_job("one"), "kopf")
    first = parts.lease._clock()
    parts.sink.seen(Kind.ANALYSIS_JOB, "ADDED", make_job("two"), "kopf")
    assert before <= parts.sink.heed() <= first
    assert parts.sink.heed() >= first


# --- attempts, dead letters, writes ---


async def test_attempts_are_counted_with_the_end_that_they_led_to() -> None:
    metrics = Metrics(list)
    tried = (Tried("failed", "transient", 2), Tried("succeeded", "", 1), Tried("failed", "made-up", 1))
    metrics.ended([end(attempts=tried)])
    samples = read(metrics.text())
    name, queue = "forge_attempts_total", "analysis"
    assert labelled(samples, name, queue=queue, outcome="failed", **{"class": "transient"}) == 2
    assert labelled(samples, name, queue=queue, outcome="succeeded", **{"class": ""}) == 1
    assert labelled(samples, name, queue=queue, outcome="failed", **{"class": "other"}) == 1


async def test_only_a_failed_job_is_a_dead_letter() -> None:
    metrics = Metrics(list)
    metrics.ended([end(), end(Phase.CANCELLED, failure_class="cancelled"), end(Phase.FAILED, failure_class="stalled")])
    dead = {labels: value for (name, labels), value in read(metrics.text()).items() if name.startswith("forge_dead")}
    assert dead == {(("class", "stalled"), ("queue", "analysis")): 1}


async def test_a_breach_is_counted_by_queue_from_zero_on(parts: Parts) -> None:
    assert labelled(see(parts), "forge_sla_breaches_total", queue="analysis") == 0
    for queue in ("analysis", "made-up"):
        parts.metrics.breached(queue)
    samples = read(parts.exposition())
    assert labelled(samples, "forge_sla_breaches_total", queue="analysis") == 1
    assert labelled(samples, "forge_sla_breaches_total", queue="(unknown)") == 1


async def test_writes_are_counted_by_verb_resource_and_outcome_and_reads_are_not() -> None:
    async with scripted() as (cluster, script):
        metrics = Metrics(list)
        cluster.heard = metrics.asked
        script.on("PATCH /apis/forge-factory.dev/v1alpha1/namespaces/a/analysisjobs/b/status", refusal(409, "Conflict"))
        script.on("POST /apis/batch/v1/namespaces/a/jobs", answer({}, 201))
        await cluster.create(jobs("a"), {})
        with pytest.raises(Conflict):
            await cluster.patch(analysis_jobs("a", "b") + "/status", {})
        script.on("GET /api/v1/nodes", answer({}))
        await cluster.get(core("nodes"))
    written = {tuple(value for _, value in labels): count for (name, labels), count in read(metrics.text()).items()
               if name == "forge_kubernetes_writes_total"}  # fmt: skip
    assert written == {("ok", "jobs", "create"): 1, ("conflict", "analysisjobs/status", "patch"): 1}


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        (analysis_jobs(), "analysisjobs"),
        (analysis_jobs("namespaces", "namespaces"), "analysisjobs"),
        (analysis_jobs("a", "b") + "/status", "analysisjobs/status"),
        (job_queues("a") + "/status", "jobqueues/status"),
        (core("pods", "a", "b") + "/status", "pods/status"),
        (core("namespaces", None, "a"), "namespaces"),
        (core("namespaces"), "namespaces"),
        (leases("a", "b"), "leases"),
        (jobs("a/b", "c/d"), "jobs"),
    ],
)
async def test_a_path_names_its_resource(path: str, resource: str) -> None:
    assert Call("GET", path, {}).resource == resource


# --- few labels ---

ALLOWED = {
    "queue", "status", "reason", "outcome", "class", "action", "verb", "resource", "kind", "source", "dependency",
    "channel", "port", "method", "route", "transport", "answer", "end", "cause",
}  # fmt: skip
"""Each of a set that a program or an administrator bounds. Never a job, a tenant, a namespace or a message."""


async def test_every_metric_has_a_sentence_as_help_and_only_bounded_labels() -> None:
    found = await exposed()
    for metric in found:
        assert metric.says.endswith("."), metric
        assert set(metric.labels) <= ALLOWED, metric
    names = [name for metric in found for name in metric.series]
    assert len(names) == len(set(names)), "two programs would expose one name"
    assert all(name.startswith(("forge_", "jobs_processed_", "job_duration_", "queue_size")) for name in names)


async def test_the_number_of_series_follows_the_queues_and_nothing_else(parts: Parts) -> None:
    def grown(jobs_each: int, tenants: int, queues: int) -> int:
        for tenant in range(tenants):
            namespace = f"tenant-{tenant}"
            parts.sink.seen(Kind.NAMESPACE, "ADDED", make_namespace(namespace, version=50), "list")
            for number in range(jobs_each):
                name = f"job-{tenant}-{number}"
                job = make_job(name, namespace=namespace, queue=f"made-up-{tenant}-{number}", version=60)
                parts.sink.seen(Kind.ANALYSIS_JOB, "ADDED", job, "list")
                uid = job["metadata"]["uid"]
                parts.metrics.ended([
                    end(Phase.FAILED, queue=f"made-up-{name}", tenant=namespace, message=name, failure_class=name,
                        attempts=(Tried("failed", name, 1), Tried(name, name, 1)))
                ])  # fmt: skip
                parts.metrics.admitted(f"made-up-{name}", uid, 1.0)
                parts.metrics.asked(Call("PATCH", analysis_jobs(namespace, name) + "/status", {}), "ok")
        for number in range(queues):
            parts.sink.seen(Kind.JOB_QUEUE, "ADDED", make_queue(f"queue-{number}", version=70), "list")
        return len(see(parts))

    few = grown(1, 1, 0)
    assert grown(5, 20, 0) == few
    assert grown(0, 0, 4) <= few + 4 * 90


async def test_all_programs_expose_what_they_are_built_with() -> None:
    found = await exposed()
    assert {metric.program for metric in found} == {"operator", "api", "clones"}
    assert (
        Exposed("forge_api_requests", "api", "counter", "Requests answered.", ("port", "method", "route", "status"))
        in found
    )


def test_a_process_is_measured_too() -> None:
    assert "process_resident_memory_bytes" in Metrics(list).text().decode()


async def test_a_redis_whose_users_somebody_else_keeps_is_only_asked_whether_it_is_there(parts: Parts) -> None:
    see(parts)
    assert list(parts.users._tenants()) == [("tenant-a", "tenant-a")]
    async with operator_parts(managed_redis=True) as managed:
        see(managed)
        assert list(managed.users._tenants()) == []
        names = [(name, work.close()) for name, work in managed.lasting()]
        assert "redis users" in dict(names), "else nobody would see that it is away"


async def test_what_is_away_is_told(parts: Parts) -> None:
    samples = see(parts)
    assert {dict(labels)["dependency"]: value for (name, labels), value in samples.items()
            if name == "forge_dependency_up"} == {"redis": 0, "postgresql": 0, "api": 0}  # fmt: skip
    parts.users.available = parts.dependencies.history = parts.dependencies.api = True
    assert {value for (name, _), value in read(parts.exposition()).items() if name == "forge_dependency_up"} == {1}
