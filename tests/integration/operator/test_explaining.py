"""The operator as a process explains real jobs: a waiting one, one whose image isn't there, one that is over."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from forge_core.cluster import analysis_jobs, job_queues
from tests.conftest import Kubectl
from tests.integration.operator.conftest import analysis_job
from tests.services.operator import OperatorProcess
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster
TOKEN = "for-this-test"


def ask(operator: OperatorProcess, uid: str, token: str = TOKEN) -> tuple[int, dict[str, Any]]:
    """As the API does."""
    url = f"http://127.0.0.1:{operator.port}/explain/{uid}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def told(
    explained: Callable[[str], dict[str, Any]], status_message: Callable[[str], str], name: str, words: str
) -> dict[str, Any]:
    """The explanation once it and the status say `words`; each may be a moment ahead of the other."""

    def agreed() -> dict[str, Any] | None:
        found, said = explained(name), status_message(name)
        return found if words in said and found["message"] == said else None

    return wait_until(agreed, 120, f"{name} is told: {words}")


def test_a_job_is_explained_from_its_gate_to_its_pod_in_the_words_of_its_status(
    operator: OperatorProcess, kubectl: Kubectl, tenant_namespace: str, queue: str
) -> None:
    operator.environment["FORGE_OPERATOR_TOKEN"] = TOKEN
    kubectl.server.patch(job_queues(queue), {"spec": {"paused": True, "image": "none.invalid/x:1"}})
    kubectl.server.apply(*(analysis_job(tenant_namespace, name, queue) for name in ("a", "b", "c")))
    operator.start()
    uids = {
        name: kubectl.server.get(analysis_jobs(tenant_namespace, name))["metadata"]["uid"] for name in ("a", "b", "c")
    }

    def explained(name: str) -> dict[str, Any]:
        status, found = ask(operator, uids[name])
        assert status == 200, found
        return found

    def status_message(name: str) -> str:
        status = kubectl.server.read(analysis_jobs(tenant_namespace, name)).get("status", {})
        return str(status.get("message", ""))

    assert ask(operator, uids["a"], "another")[0] == 401
    assert ask(operator, "nobody")[0] == 404
    told(explained, status_message, "c", "paused")
    assert explained("c")["line"]["length"] == 3

    kubectl.server.patch(job_queues(queue), {"spec": {"paused": False}})
    told(explained, status_message, "c", "2 of 2 running")

    def alone() -> dict[str, Any] | None:
        found = explained("c")
        return found if found["line"]["length"] == 1 else None

    found = wait_until(alone, 60, "the two that run have left the line, by statuses of their own")
    assert (found["line"]["position"], found["line"]["length"], found["line"]["expectedStart"]) == (1, 1, None)
    assert [step["name"] for step in found["chain"] if step["verdict"] == "holds"] == ["concurrency"]

    pulls = "Admitted; the runner's image can't be pulled and is tried again: "
    found = told(explained, status_message, "a", pulls)
    assert [step["name"] for step in found["chain"] if step["verdict"] == "holds"] == ["image"]
    assert found["advice"].startswith("An administrator checks the queue's image")

    kubectl.server.patch(analysis_jobs(tenant_namespace, "a"), {"spec": {"cancel": True}})
    wait_until(lambda: status_message("a") == "Cancelled on request", 90, "it is cancelled")
    wait_until(lambda: explained("a")["message"] == "Cancelled on request", what="the end is explained")
