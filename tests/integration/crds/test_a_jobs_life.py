"""What may change in an AnalysisJob once it is there, and that an end is an end: on the real API server."""

from collections.abc import Callable
from typing import Any

import pytest

from forge_core.cluster import analysis_jobs
from forge_core.phase import Phase
from tests.builders.manifests import analysis_job
from tests.conftest import Kubectl
from tests.services.api_server import refused

pytestmark = pytest.mark.cluster

Made = Callable[..., dict[str, Any]]
IMMUTABLE = "only cancel (to true, and never back) and priority can be changed once a job is created"
FINAL = "a job that has ended keeps its phase: apply a new AnalysisJob under another name"
STOPPING = "a job that is being cancelled can only become Cancelled"


@pytest.fixture
def made(kubectl: Kubectl, place: str) -> Made:
    """A job of a queue that nobody serves."""

    def make(**changes: Any) -> dict[str, Any]:
        manifest = analysis_job(place, **{"queue": "nobodys", **changes})
        kubectl.server.create(manifest)
        return manifest

    return make


def patch(kubectl: Kubectl, job: dict[str, Any], spec: dict[str, Any] | None) -> None:
    """Change the spec. Raises Refused."""
    kubectl.server.patch(analysis_jobs(job["metadata"]["namespace"], job["metadata"]["name"]), {"spec": spec})


def set_status(kubectl: Kubectl, job: dict[str, Any], status: dict[str, Any] | None) -> None:
    """Change the status as the operator does, None takes it away. Raises Refused."""
    path = analysis_jobs(job["metadata"]["namespace"], job["metadata"]["name"])
    kubectl.server.patch(f"{path}/status", {"status": status})


CHANGES: dict[str, dict[str, Any]] = {
    "another queue": {"queue": "other"},
    "another URL": {"repository": {"url": "https://example.com/other.git"}},
    "another ref": {"repository": {"ref": "other"}},
    "no ref any more": {"repository": {"ref": None}},
    "no repository any more": {"repository": None},
    "a repository id": {"repositoryId": "new"},
    "another requester": {"requestedBy": "other"},
    "a configuration": {"config": {"paths": ["src"]}},
    "a class": {"resourceClass": "large"},
    "a timeout": {"timeout": "5m"},
    "an origin": {"retryOf": "0b4bb5a5-7a42-4f0e-9b39-0fd2b3f5c1de"},
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_job_can_not_become_another(kubectl: Kubectl, made: Made, case: str) -> None:
    job = made()
    with refused(IMMUTABLE):
        patch(kubectl, job, CHANGES[case])


def test_kubectl_says_what_can_be_changed(kubectl: Kubectl, made: Made, place: str) -> None:
    change = ("--type=merge", "-p", '{"spec": {"queue": "other"}}')
    done = kubectl.run("-n", place, "patch", "aj", made()["metadata"]["name"], *change, check=False)
    assert done.returncode != 0
    assert IMMUTABLE in done.stderr


def test_a_spec_can_not_be_taken_away(kubectl: Kubectl, made: Made) -> None:
    job = made()
    with refused("spec: Required value"):
        patch(kubectl, job, None)


def test_a_waiting_job_may_become_more_urgent(kubectl: Kubectl, made: Made) -> None:
    patch(kubectl, made(), {"priority": 1})


def test_a_job_may_be_cancelled_but_not_uncancelled(kubectl: Kubectl, made: Made) -> None:
    job = made()
    patch(kubectl, job, {"cancel": False})
    patch(kubectl, job, {"cancel": True})
    for back in (False, None):
        with refused(IMMUTABLE):
            patch(kubectl, job, {"cancel": back})


@pytest.mark.parametrize("end", [phase for phase in Phase if phase.terminal])
def test_an_end_is_an_end(kubectl: Kubectl, made: Made, end: Phase) -> None:
    job = made()
    set_status(kubectl, job, {"phase": end, "message": "over"})
    others: list[dict[str, Any] | None] = [{"phase": phase} for phase in set(Phase) - {end}]
    for other in (*others, {"phase": None}, None):
        with refused(FINAL):
            set_status(kubectl, job, other)
    set_status(kubectl, job, {"message": "explained better"})


def test_a_job_that_is_being_cancelled_ends_only_as_cancelled(kubectl: Kubectl, made: Made) -> None:
    job = made()
    set_status(kubectl, job, {"phase": "Cancelling"})
    others = [{"phase": phase} for phase in (Phase.QUEUED, Phase.RUNNING, Phase.COMPLETED, Phase.FAILED)]
    for other in (*others, None):
        with refused(STOPPING):
            set_status(kubectl, job, other)
    set_status(kubectl, job, {"phase": "Cancelled"})


BAD_STATUS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown phase": ({"phase": "Done"}, "Unsupported value"),
    "over 100 percent": ({"progress": 101}, "should be less than or equal to 100"),
    "a time without a zone": ({"startedAt": "2026-01-01"}, "must be of type date-time"),
    "a summary of 33 numbers": ({"summary": {f"n{n}": n for n in range(33)}}, "must have at most 32 items"),
    "a condition without a reason": (
        {
            "conditions": [
                {"type": "Failed", "status": "True", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"}
            ]
        },
        "reason: Required value",
    ),
}


@pytest.mark.parametrize("case", BAD_STATUS)
def test_a_bad_status_is_refused(kubectl: Kubectl, made: Made, case: str) -> None:
    status, said = BAD_STATUS[case]
    job = made()
    with refused(said):
        set_status(kubectl, job, status)


def test_a_new_job_is_queued_before_anybody_writes_its_status(kubectl: Kubectl, made: Made, place: str) -> None:
    name = made()["metadata"]["name"]
    assert kubectl.server.get(analysis_jobs(place, name))["status"] == {"phase": "Queued"}
    listed = kubectl.server.items(analysis_jobs(place), fieldSelector="status.phase=Queued")
    assert name in [job["metadata"]["name"] for job in listed]


def test_status_is_written_by_itself_and_spec_by_itself(kubectl: Kubectl, made: Made, place: str) -> None:
    job = made()
    kubectl.server.apply(job | {"status": {"phase": "Completed"}})
    stored = kubectl.server.get(analysis_jobs(place, job["metadata"]["name"]))
    assert stored["status"] == {"phase": "Queued"}


def test_kubectl_shows_what_a_person_wants_to_know(kubectl: Kubectl, made: Made, place: str) -> None:
    job = made()
    set_status(kubectl, job, {"phase": "Running", "progress": 40, "attempts": 2, "message": "Analysing"})
    name = job["metadata"]["name"]
    lines = kubectl.run("-n", place, "get", "aj", name, "-o", "wide").stdout.splitlines()
    assert lines[0].split() == ["NAME", "QUEUE", "PHASE", "PROGRESS", "ATTEMPTS", "AGE", "PRIORITY", "MESSAGE"]
    assert lines[1].split()[:5] == [name, "nobodys", "Running", "40", "2"]
    found = kubectl.run("-n", place, "get", "aj", "--field-selector=status.phase=Running", "-o", "name").stdout
    assert name in found


@pytest.mark.parametrize("kind", ["aj", "jq"])
def test_kubectl_explain_reads_as_documentation(kubectl: Kubectl, definitions: None, kind: str) -> None:
    told = kubectl.run("explain", f"{kind}.spec").stdout
    assert "<no description>" not in told
    assert len(told.split()) > 150


def test_a_finished_job_can_be_waited_for(kubectl: Kubectl, made: Made, place: str) -> None:
    job = made()
    condition = {
        "type": "Complete",
        "status": "True",
        "reason": "Done",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    set_status(kubectl, job, {"phase": "Completed", "conditions": [condition]})
    kubectl.run("-n", place, "wait", "--for=condition=Complete", f"aj/{job['metadata']['name']}", "--timeout=60s")
