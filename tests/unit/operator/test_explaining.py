"""Why a job stands where it stands: the whole chain, its position and expected start, in the words of its message."""

import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_core.explanation import ADVICE, Explanation, Verdict
from forge_core.phase import Phase
from forge_operator.actions import CreateJob, PatchStatus
from forge_operator.admission.gates import GATES
from forge_operator.decide import decide
from forge_operator.digests import Kind
from forge_operator.explaining.explain import Outlook, explain
from forge_operator.explaining.own_gates import SHOWN
from forge_operator.known import Report
from forge_operator.picture import Picture
from forge_operator.reasons import Reason
from tests.builders.operator import (
    NOW,
    Raw,
    ago,
    condition,
    ended,
    make_child,
    make_event,
    make_job,
    make_namespace,
    make_picture,
    make_pod,
    make_queue,
    with_status,
)

JOB = make_job()
CHILD = make_child(JOB)
UID = JOB["metadata"]["uid"]
PENDING: Raw = {"phase": "Pending", "state": {"waiting": {"reason": "ContainerCreating"}}}


def _of(picture: Picture, uid: str = UID) -> Explanation:
    found = explain(picture, NOW, uid)
    assert found is not None
    return found


def _verdicts(explanation: Explanation) -> dict[str, str]:
    return {step.name: step.verdict for step in explanation.chain}


def _finished(count: int, seconds: float) -> list[tuple[Kind, Raw]]:
    """Jobs that held their slots for so long."""
    times: Raw = {"admittedAt": ago(seconds + 100), "completedAt": ago(100)}
    jobs = (with_status(make_job(f"done-{n}", age=9000), phase="Completed", **times) for n in range(count))
    return [(Kind.ANALYSIS_JOB, job) for job in jobs]


def _running(*names: str, held: float = 0, **spec: Any) -> list[tuple[Kind, Raw]]:
    jobs = [with_status(make_job(name, **spec), phase="Running", admittedAt=ago(held)) for name in names]
    return [*((Kind.ANALYSIS_JOB, job) for job in jobs), *((Kind.JOB, make_child(job, age=held)) for job in jobs)]


def test_every_reason_has_its_advice_and_no_other() -> None:
    assert set(ADVICE) == {str(reason) for reason in Reason}


def test_the_chain_names_our_gates_in_their_order() -> None:
    assert tuple(shown.gate for shown in SHOWN) == GATES


def test_an_unknown_job_is_not_explained() -> None:
    assert explain(make_picture(), NOW, "nobody") is None


def test_a_waiting_job_reads_its_message_all_gates_and_what_comes_later() -> None:
    objects = [
        (Kind.NAMESPACE, make_namespace(version=9, max_running=20, weight=3)),
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=2, rateLimit={"max": 100, "per": "60s"})),
        *_running("r0", "r1", held=10),
        (Kind.ANALYSIS_JOB, JOB),
    ]
    picture = make_picture(objects)
    found = _of(picture)
    (patch,) = [action for action in decide(picture, NOW) if isinstance(action, PatchStatus)]
    assert found.message == patch.status["message"] == "Waiting in queue analysis: 2 of 2 running"
    assert [(step.name, step.verdict, step.detail) for step in found.chain] == [
        ("queue", "passed", "queue analysis is open, serves namespace tenant-a"),
        ("services", "passed", "PostgreSQL and the API answer"),
        ("creation", "passed", "nothing refused its Job"),
        ("concurrency", "holds", "Waiting in queue analysis: 2 of 2 running"),
        ("rate", "passed", "2 of 100 starts in the last 1m"),
        ("tenant cap", "passed", "tenant tenant-a runs 2 of the 20 jobs that it may, over all queues"),
        *((name, "later", "") for name in ("job", "quota", "scheduler", "image", "container", "runner")),
    ]
    assert found.line is not None
    assert (found.line.position, found.line.length, found.line.expected_start) == (1, 1, None)
    assert found.forecast.startswith("unknown: only 0 jobs of queue analysis have ended lately, 5 are needed")
    assert "its tenant runs 2 jobs in this queue and has weight 3" in found.forecast
    assert found.advice.startswith("Nothing: it starts by itself.")


def test_the_words_are_those_of_the_status_while_the_gate_is_the_same() -> None:
    said = {**condition("Admitted", Reason.CONCURRENCY_REACHED), "status": "False"}
    waiting = with_status(JOB, phase="Queued", message="Waiting in queue analysis: 3 of 3 running", conditions=[said])
    queue = make_queue(version=6, concurrency=2)
    picture = make_picture([(Kind.JOB_QUEUE, queue), *_running("a", "b"), (Kind.ANALYSIS_JOB, waiting)])
    assert _of(picture).message == "Waiting in queue analysis: 3 of 3 running"
    picture.observe(Kind.JOB_QUEUE, "MODIFIED", make_queue(version=7, paused=True))
    assert _of(picture).message == "Waiting: queue analysis is paused; it starts once that is resumed"


def test_a_job_whose_turn_it_is_starts_now() -> None:
    found = _of(make_picture([(Kind.ANALYSIS_JOB, JOB), *_finished(5, 60)]))
    assert found.message == "Queued: it is its turn, and its Job is made now"
    assert found.line is not None
    assert found.line.expected_start == NOW


def test_expected_starts_follow_from_what_the_last_jobs_took_and_how_far_the_running_ones_are() -> None:
    queue = make_queue(version=6, concurrency=2)
    waiting = [(Kind.ANALYSIS_JOB, make_job(f"w{n}", age=100 - n)) for n in range(5)]
    running = [*_running("r0", held=200), *_running("r1", held=100)]
    picture = make_picture([(Kind.JOB_QUEUE, queue), *running, *_finished(5, 300), *waiting])
    outlook = Outlook(picture, NOW)
    starts = []
    for number in range(5):
        found = outlook.explain(f"uid-tenant-a-w{number}")
        assert found is not None
        assert found.line is not None
        assert found.line.position == number + 1
        assert found.line.expected_start is not None
        starts.append((found.line.expected_start - NOW).total_seconds())
        assert "the last 5 jobs of queue analysis held a slot for 5m (median)" in found.forecast
    assert starts == [100, 200, 400, 500, 700]


def test_a_rate_puts_starts_off_until_the_window_allows_them() -> None:
    queue = make_queue(version=6, concurrency=10, rateLimit={"max": 2, "per": "60s"})
    waiting = [(Kind.ANALYSIS_JOB, make_job(f"w{n}", age=100 - n)) for n in range(3)]
    picture = make_picture([(Kind.JOB_QUEUE, queue), *_finished(5, 600), *waiting])
    picture.remember_starts("analysis", [("before", NOW - timedelta(seconds=21))])
    starts = [_of(picture, f"uid-tenant-a-w{n}").line.expected_start for n in range(3)]  # type: ignore[union-attr]
    assert starts == [NOW, NOW + timedelta(seconds=40), NOW + timedelta(seconds=61)]


def test_a_job_that_waits_for_its_own_reason_stands_in_no_line() -> None:
    objects = [
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=0, resourceClasses={"small": {}})),
        (Kind.ANALYSIS_JOB, make_job(resourceClass="gone")),
        (Kind.ANALYSIS_JOB, make_job("other", resourceClass="small")),
    ]
    picture = make_picture(objects)
    found = _of(picture)
    assert found.line is None
    assert found.forecast == "unknown: it waits for a reason of its own and stands in no line"
    assert _of(picture, "uid-tenant-a-other").line.length == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("spec", [{"paused": True}, {"image": ""}, {"concurrency": -1}])
def test_in_a_queue_that_takes_nobody_the_order_is_known_and_the_start_is_not(spec: Raw) -> None:
    first = make_job("first", age=100)
    objects = [(Kind.JOB_QUEUE, make_queue(version=6, **spec)), (Kind.ANALYSIS_JOB, first), (Kind.ANALYSIS_JOB, JOB)]
    found = _of(make_picture([*objects, *_finished(5, 60)]))
    assert found.line is not None
    assert (found.line.position, found.line.expected_start) == (2, None)
    assert found.forecast.startswith("unknown while nothing of queue analysis starts")


def test_a_cap_that_is_used_up_in_another_queue_leaves_the_start_unknown() -> None:
    objects = [
        (Kind.NAMESPACE, make_namespace(version=9, max_running=1)),
        (Kind.JOB_QUEUE, make_queue("other")),
        *_running("elsewhere", queue="other"),
        *_finished(5, 60),
        (Kind.ANALYSIS_JOB, JOB),
    ]
    found = _of(make_picture(objects))
    assert _verdicts(found)["tenant cap"] == "holds"
    assert found.line is not None
    assert found.line.expected_start is None
    assert found.forecast.startswith("unknown: with the present limits it does not start")


COURSE: dict[str, tuple[list[tuple[Kind, Raw]], tuple[str, str], str]] = {
    "its Job was just made": ([(Kind.JOB, make_child(JOB, active=0))], ("quota", "now"), "no pod is there yet"),
    "a quota refuses its pod": (
        [(Kind.JOB, make_child(JOB, active=0)), (Kind.EVENT, make_event(CHILD, "exceeded quota: pods"))],
        ("quota", "holds"),
        "exceeded quota: pods",
    ),
    "no node has room": (
        [
            (Kind.JOB, CHILD),
            (
                Kind.POD,
                make_pod(
                    CHILD,
                    node="",
                    phase="Pending",
                    requests={"cpu": "4"},
                    conditions=[
                        {
                            "type": "PodScheduled",
                            "status": "False",
                            "message": "0/1 nodes are available: 1 Insufficient cpu.",
                        }
                    ],
                ),
            ),
        ],
        ("scheduler", "holds"),
        "needs 4 CPU, at most 2 CPU free on any",
    ),
    "the scheduler has not come to it": (
        [(Kind.JOB, CHILD), (Kind.POD, make_pod(CHILD, node="", **PENDING))],
        ("scheduler", "now"),
        "pod pod-1 waits for its turn",
    ),
    "the image is pulled": ([(Kind.JOB, CHILD), (Kind.POD, make_pod(CHILD, **PENDING))], ("image", "now"), "pulled"),
    "the image isn't there": (
        [
            (Kind.JOB, CHILD),
            (
                Kind.POD,
                make_pod(CHILD, phase="Pending", state={"waiting": {"reason": "ErrImagePull", "message": "x:1"}}),
            ),
        ],
        ("image", "holds"),
        "x:1",
    ),
    "a Secret isn't there": (
        [
            (Kind.JOB, CHILD),
            (Kind.POD, make_pod(CHILD, phase="Pending", state={"waiting": {"reason": "CreateContainerConfigError"}})),
        ],
        ("container", "holds"),
        "CreateContainerConfigError",
    ),
    "its runner runs": ([(Kind.JOB, CHILD), (Kind.POD, make_pod(CHILD))], ("runner", "now"), "runs, for 20s"),
    "its pod failed and another follows": (
        [
            (Kind.JOB, make_child(JOB, active=0, failed=1)),
            (Kind.POD, make_pod(CHILD, phase="Failed", state=ended(1, message="connection reset", attempt=1))),
        ],
        ("runner", "now"),
        "connection reset; another pod follows",
    ),
}


@pytest.mark.parametrize("case", COURSE)
def test_the_chain_tells_where_an_admitted_job_is(case: str) -> None:
    objects, (name, verdict), words = COURSE[case]
    picture = make_picture([(Kind.ANALYSIS_JOB, JOB), *objects])
    found = _of(picture)
    here = next(step for step in found.chain if step.verdict is not Verdict.PASSED)
    assert (here.name, here.verdict) == (name, verdict)
    assert words in here.detail
    assert {step.verdict for step in found.chain[found.chain.index(here) + 1 :]} <= {Verdict.LATER}
    patches = [action for action in decide(picture, NOW) if isinstance(action, PatchStatus)]
    if patches and patches[0].status.get("message"):
        assert found.message == patches[0].status["message"]
    assert found.message
    assert found.advice


def test_a_job_whose_creation_is_under_way_or_whose_job_was_deleted_says_so() -> None:
    picture = make_picture([(Kind.ANALYSIS_JOB, JOB)])
    picture.hold(UID, "analysis", "tenant-a")
    assert _of(picture).message == "Queued: job is being made"
    picture.release(UID)
    picture.observe(Kind.ANALYSIS_JOB, "MODIFIED", with_status(JOB, phase="Running"))
    assert _of(picture).message == "Running: job is not there; it is made again"


def test_a_runner_tells_how_far_it_is() -> None:
    runs = with_status(JOB, phase="Running", conditions=[condition("Admitted", "Admitted")])
    picture = make_picture([(Kind.ANALYSIS_JOB, runs), (Kind.JOB, CHILD), (Kind.POD, make_pod(CHILD))])
    picture.report(UID, Report(45, "analysing", 2))
    assert _of(picture).message == "Running: runner attempt 2, analysing, 45 %, for 20s"


@pytest.mark.parametrize(
    ("status", "message", "advice"),
    [
        ({"phase": "Completed", "attempts": 1, "startedAt": ago(60), "completedAt": ago(1),
          "conditions": [condition("Complete", "Succeeded")]}, "Completed", "Read its results."),
        ({"phase": "Failed", "message": "no such ref: v9", "attempts": 1, "startedAt": ago(60), "completedAt": ago(1),
          "conditions": [condition("Failed", "PermanentFailure")]}, "no such ref: v9", ADVICE["PermanentFailure"]),
        ({"phase": "Cancelled", "message": "Cancelled on request before it began",
          "conditions": [{**condition("Complete", "Cancelled"), "status": "False"}]},
         "Cancelled on request before it began", ADVICE["Cancelled"]),
    ],
    ids=["completed", "failed", "cancelled"],
)  # fmt: skip
def test_a_job_that_is_over_is_explained_in_the_words_of_its_message(status: Raw, message: str, advice: str) -> None:
    found = _of(make_picture([(Kind.ANALYSIS_JOB, with_status(JOB, **status))]))
    assert (found.message, found.advice) == (message, advice)
    assert found.chain[-1].verdict is (Verdict.FAILED if status["phase"] == "Failed" else Verdict.PASSED)
    assert found.line is None


@pytest.mark.parametrize(
    ("spec", "message"),
    [({"cancel": True}, "Cancelled on request"), ({"queue": "analysis", "priority": 0}, "Invalid: spec.priority")],
)
def test_a_job_that_needs_one_last_write_says_what_it_will_be(spec: Raw, message: str) -> None:
    assert message in _of(make_picture([(Kind.ANALYSIS_JOB, make_job(**spec))])).message


def test_a_cancelling_job_keeps_to_its_message() -> None:
    said = condition("Admitted", "Cancelling")
    job = with_status(JOB, phase="Cancelling", message="Cancelling: its pods are being stopped", conditions=[said])
    found = _of(make_picture([(Kind.ANALYSIS_JOB, job), (Kind.JOB, CHILD), (Kind.POD, make_pod(CHILD))]))
    assert found.message == "Cancelling: its pods are being stopped"
    assert found.advice == ADVICE["Cancelling"]


def test_the_text_can_be_read_in_a_terminal_and_holds_no_control_characters() -> None:
    pod = make_pod(CHILD, phase="Pending", state={"waiting": {"reason": "ErrImagePull", "message": "x\x1b[31m\ny"}})
    text = _of(make_picture([(Kind.ANALYSIS_JOB, JOB), (Kind.JOB, CHILD), (Kind.POD, pod)])).text()
    lines = text.splitlines()
    assert lines[0].startswith("Admitted; the runner's image can't be pulled and is tried again: x [31m y")
    assert "  holds    image        x [31m y" in lines
    assert lines[-1].startswith("What to do: An administrator checks the queue's image")
    assert all(line.isprintable() for line in lines)


@settings(max_examples=40, deadline=None)
@given(
    weights=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    jobs=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(0, 300)), min_size=1, max_size=14),
    concurrency=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_jobs_start_in_the_order_of_their_positions(
    weights: list[int], jobs: list[tuple[int, int, int]], concurrency: int, seed: int
) -> None:
    """Whichever order: the queue is run to its end, jobs ending in the order in which they began."""
    tenants = [f"tenant-{number}" for number in range(len(weights))]
    objects = [(Kind.JOB_QUEUE, make_queue(version=6, concurrency=concurrency))]
    objects += [
        (Kind.NAMESPACE, make_namespace(name, weight=weight)) for name, weight in zip(tenants, weights, strict=True)
    ]
    objects += [
        (
            Kind.ANALYSIS_JOB,
            make_job(f"job-{number}", namespace=tenants[whose % len(tenants)], priority=priority, age=age),
        )
        for number, (whose, priority, age) in enumerate(jobs)
    ]
    random.Random(seed).shuffle(objects)
    picture = make_picture(objects)
    outlook = Outlook(picture, NOW)
    told = {uid: outlook.explain(uid).line.position for uid in picture.analysis_jobs}  # type: ignore[union-attr]
    begun: list[str] = []
    held: list[CreateJob] = []
    while len(begun) < len(jobs):
        for action in decide(picture, NOW):
            if isinstance(action, CreateJob):
                picture.hold(action.uid, action.queue, action.namespace)
                held.append(action)
                begun.append(action.uid)
        first = held.pop(0)
        raw = next(raw for kind, raw in objects if raw["metadata"].get("uid") == first.uid)
        picture.observe(Kind.ANALYSIS_JOB, "DELETED", with_status(raw, version=90))
        picture.release(first.uid)
    assert [told[uid] for uid in begun] == list(range(1, len(jobs) + 1))


def test_ten_thousand_waiting_jobs_are_explained_at_a_bounded_cost() -> None:
    namespaces = [make_namespace(f"tenant-{n}", weight=n + 1) for n in range(20)]
    objects = [*((Kind.NAMESPACE, namespace) for namespace in namespaces), *_finished(30, 60)]
    objects += [(Kind.ANALYSIS_JOB, make_job(f"job-{n:05}", namespace=f"tenant-{n % 20}")) for n in range(10_000)]
    outlook = Outlook(make_picture(objects), NOW)
    positions = set()
    for number in range(0, 10_000, 500):
        found = outlook.explain(f"uid-tenant-{number % 20}-job-{number:05}")
        assert found is not None
        assert found.line is not None
        assert found.line.length == 10_000
        assert found.line.expected_start is not None
        positions.add(found.line.position)
    assert len(positions) == 20


def test_phases_are_all_explained() -> None:
    for phase in Phase:
        assert _of(make_picture([(Kind.ANALYSIS_JOB, with_status(JOB, phase=phase.value))])).message
