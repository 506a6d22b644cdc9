"""What the benchmarks compare must be the same on both sides, and counted by its own word."""

from bench.place import bare_twin
from bench.sides import bare, ours
from forge_core.assignment import Assignment
from forge_core.cluster import Raw
from forge_core.names import JOB_UID_LABEL, QUEUE_LABEL


def child() -> Raw:
    """A Job as the operator makes it and the server completes it."""
    labels = {QUEUE_LABEL: "bench-alone", JOB_UID_LABEL: "0a4f"}
    assignment = Assignment(
        uid="0a4f", name="a", tenant="bench", queue="bench-alone", kind="analysis", attempts=3, timeout=60
    )
    container = {"name": "runner", "image": "runner:1", "env": [{"name": "A", "value": assignment.encode()}]}
    return {
        "metadata": {
            "name": "a-1",
            "namespace": "tenant-bench",
            "labels": labels,
            "uid": "77",
            "ownerReferences": [{}],
        },
        "spec": {
            "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "77"}},
            "backoffLimit": 2,
            "template": {
                "metadata": {"labels": {**labels, "batch.kubernetes.io/controller-uid": "77"}},
                "spec": {"containers": [container], "priorityClassName": "forge-analysis"},
            },
        },
    }


def test_a_twin_has_the_same_pod_and_retry_rule() -> None:
    twin = bare_twin(child(), "twin")
    assert twin["spec"]["template"]["spec"] == child()["spec"]["template"]["spec"]
    assert twin["spec"]["backoffLimit"] == 2


def test_a_twin_is_nobodys_and_is_not_seen_by_the_operator() -> None:
    twin = bare_twin(child(), "twin", keep=(QUEUE_LABEL,))
    for metadata in (twin["metadata"], twin["spec"]["template"]["metadata"]):
        assert metadata["labels"] == {QUEUE_LABEL: "bench-alone", "bench/twin": "twin"}
    assert "ownerReferences" not in twin["metadata"]
    assert "selector" not in twin["spec"]


def test_an_end_is_counted_when_the_object_itself_says_so() -> None:
    twins, jobs = bare(child(), "run"), ours("bench-alone", "run")

    def job(kind: str, status: str) -> Raw:
        return {"status": {"conditions": [{"type": kind, "status": status}]}}

    assert [twins.verdict(each) for each in ({}, job("SuccessCriteriaMet", "True"), job("Complete", "False"))] == [
        None,
        None,
        None,
    ]
    assert (twins.verdict(job("Complete", "True")), twins.verdict(job("Failed", "True"))) == (True, False)
    phases = ("Queued", "Running", "Completed", "Failed", "Cancelled")
    assert [jobs.verdict({"status": {"phase": phase}}) for phase in phases] == [None, None, True, False, False]
    assert jobs.verdict({}) is None
