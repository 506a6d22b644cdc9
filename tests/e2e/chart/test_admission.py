"""What crosses a job and its queue: refused at `kubectl apply` where it can be, told in the status where it can't."""

from typing import Any

import pytest

from forge_core.cluster import analysis_jobs, job_queues
from forge_core.phase import Phase
from tests.builders.manifests import analysis_job
from tests.conftest import Kubectl
from tests.e2e.forge import TENANT_NAMESPACE, Forge, Jobs
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a timeout above the queue's": (
        {"timeout": "16m"},
        "spec.timeout 16m is above the 15m that queue analysis allows: ask for less, or leave timeout out",
    ),
    "a class that the queue lacks": (
        {"resourceClass": "huge"},
        "queue analysis has no resource class huge: choose one of",
    ),
    "no repository": ({"repository": None}, "jobs of queue analysis work on a repository: add spec.repository.url"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_queue_does_not_allow_is_refused(kubectl: Kubectl, forge: Forge, case: str) -> None:
    changes, sentence = REFUSED[case]
    done = kubectl.apply(analysis_job(TENANT_NAMESPACE, **changes), check=False)
    assert done.returncode != 0
    assert sentence in done.stderr


def test_the_refusal_names_the_classes_that_there_are(kubectl: Kubectl, forge: Forge) -> None:
    done = kubectl.apply(analysis_job(TENANT_NAMESPACE, resourceClass="huge"), check=False)
    assert all(name in done.stderr for name in ("small", "medium", "large"))


def test_a_namespace_that_the_queue_does_not_serve_is_refused(kubectl: Kubectl, jobs: Jobs) -> None:
    queue = jobs.queue(namespaceSelector={"matchLabels": {"team": "platform"}})

    def refusal() -> str:  # the API server takes a moment to see a new queue as the policy's parameter
        job = analysis_job(TENANT_NAMESPACE, queue=queue)
        done = kubectl.apply(job, check=False)
        if done.returncode == 0:
            kubectl.server.delete(analysis_jobs(TENANT_NAMESPACE, job["metadata"]["name"]))
            return ""
        return done.stderr

    said = wait_until(refusal, 30, "the new queue is heeded")
    assert f"queue {queue} does not serve namespace {TENANT_NAMESPACE}" in said


def test_a_delivery_that_names_no_endpoint_is_refused(kubectl: Kubectl) -> None:
    job = analysis_job(TENANT_NAMESPACE, queue="webhooks")
    done = kubectl.apply(job, check=False)
    assert "name its Secret in spec.secretRef.name" in done.stderr


def test_another_queues_limits_do_not_matter(kubectl: Kubectl, forge: Forge, jobs: Jobs, small_repository: str) -> None:
    name = jobs.submit(small_repository, jobs.queue(paused=True, timeout="1h"), timeout="45m")
    assert wait_until(lambda: forge.phase(name)) == Phase.QUEUED


def test_a_job_may_come_before_its_queue(forge: Forge, jobs: Jobs, small_repository: str) -> None:
    queue = jobs.queue()
    manifest = forge.kubectl.server.get(job_queues(queue))
    forge.kubectl.server.delete(job_queues(queue))
    name = jobs.submit(small_repository, queue)
    said = wait_until(lambda: forge.message(name))
    assert queue in said
    forge.kubectl.server.apply({**manifest, "metadata": {"name": queue}, "status": {}})
    forge.wait_for(name, Phase.COMPLETED)


def test_a_class_that_was_removed_later_keeps_the_job_waiting(forge: Forge, jobs: Jobs, small_repository: str) -> None:
    queue = jobs.queue(paused=True)
    name = jobs.submit(small_repository, queue, resourceClass="large")
    wait_until(lambda: forge.message(name))
    forge.kubectl.server.patch(job_queues(queue), {"spec": {"paused": False, "resourceClasses": {"large": None}}})
    wait_until(lambda: "large" in forge.message(name), what="it says which class is missing")
    assert forge.phase(name) == Phase.QUEUED


def test_what_slips_through_fails_alone(forge: Forge, jobs: Jobs, small_repository: str) -> None:
    patterns = [f"{number:02}{'x' * 253}" for number in range(50)]
    bad = jobs.submit(small_repository, config={"paths": patterns, "exclude": patterns})
    good = jobs.submit(small_repository)
    job = forge.wait_for(bad, Phase.FAILED)
    failed = next(condition for condition in job["status"]["conditions"] if condition["type"] == "Failed")
    assert (failed["status"], failed["reason"]) == ("True", "Invalid")
    assert "config" in job["status"]["message"]
    assert forge.batch_jobs(bad) == []
    forge.wait_for(good, Phase.COMPLETED)
