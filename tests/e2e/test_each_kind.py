"""Each kind of work with its real image: its pod goes in the midst of its work, another follows, it has one good end.

All kinds side by side. Their queues are the installed ones with so little CPU that an attempt lasts some seconds from
its claim on, whatever the machine: in that time its pod is taken away. A new kind takes one row in KINDS.
"""

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from forge_core.cluster import core
from forge_core.phase import Phase
from forge_runner.kinds import KINDS as BUILT
from tests.e2e.forge import Forge, Jobs
from tests.e2e.hooks import Hooks
from tests.services.waiting import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
SYSTEM: Final = "forge-system"
SECONDS: Final = 100
"""For all that is waited for; on an idle machine the whole takes about a minute."""
CODE: Final = {"ours.py": "import os\n\n\ndef good(text):\n    return eval(text)\n", "check.py": "import ours\n"}
REMOVE: Final = {"imports": ["remove-unused"], "paths": ["ours.py"]}
MADE_BY, MADE_HERE = "made-by", "test-each-kind"
KEY: Final = "whsec_" + base64.b64encode(bytes(32)).decode()


@dataclass(frozen=True)
class Stage:
    """What the jobs are made on."""

    forge: Forge
    jobs: Jobs
    hooks: Hooks
    repository: str

    def of(self, namespace: str) -> "Stage":
        """The same in another namespace, whose tenant is the system's."""
        forge = replace(self.forge, tenant_namespace=namespace, tenant="system")
        return replace(self, forge=forge, jobs=Jobs(forge))


@dataclass(frozen=True)
class Work:
    """A job, what it was begun with, and the stage that it was made on."""

    stage: Stage
    name: str
    uid: str
    mark: str

    def result(self) -> dict[str, Any]:
        """What the API shows."""
        with self.stage.forge.api() as api:
            answer = api.get(f"/jobs/{self.uid}/results")
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            return found

    def artifact(self, name: str) -> str:
        """A file of the result."""
        with self.stage.forge.api() as api:
            answer = api.get(f"/jobs/{self.uid}/artifacts/{name}")
            assert answer.status_code == 200, answer.text
            return answer.text

    def attempts(self) -> list[list[str]]:
        """Outcome, class of failure and whether it was refunded, of each."""
        asked = f"select outcome, failure_class, refunded from attempts where job_uid = '{self.uid}' order by number"
        return self.stage.forge.sql(asked)


@dataclass(frozen=True)
class Row:
    """One kind.

    `spec` makes what its job works on, by a mark that is the job's own, and answers the job's spec but for its queue.
    `took` raises AssertionError unless the job has the good end of that kind. An eviction isn't charged, a deletion is.
    """

    queue: str
    cpu: str
    memory: str
    spec: Callable[[Stage, str], dict[str, Any]]
    took: Callable[[Work], None]
    evicted: bool
    namespace: str = ""
    """Left out, the tenant's."""


# --- the kinds -----------------------------------------------------------------------------------------------------
def _analysis(stage: Stage, _mark: str) -> dict[str, Any]:
    return {"repository": {"url": stage.repository, "ref": "main"}}


def _analysed(work: Work) -> None:
    assert any(each["ruleId"] == "S307" for each in json.loads(work.artifact("results.sarif"))["runs"][0]["results"])


def _refactoring(stage: Stage, mark: str) -> dict[str, Any]:
    return {**_analysis(stage, mark), "config": REMOVE}


def _refactored(work: Work) -> None:
    assert "-import os" in work.artifact("changes.patch")


def _verified_refactoring(stage: Stage, mark: str) -> dict[str, Any]:
    return {**_analysis(stage, mark), "config": {**REMOVE, "verify": {"command": ["python", "check.py"]}}}


def _refactored_and_verified(work: Work) -> None:
    _refactored(work)
    assert work.result()["summary"]["tests"]["status"] == "hold"


def _test_generation(stage: Stage, mark: str) -> dict[str, Any]:
    return {**_analysis(stage, mark), "config": {"budget": "1m"}}


def _generated(work: Work) -> None:
    assert work.result()["summary"]["schema"] == "forge.test-generation/1"
    assert work.artifact("coverage.json")


def _delivery(stage: Stage, mark: str) -> dict[str, Any]:
    """The first call is answered after longer than its pod is given."""
    name = f"forge-job-{mark}"
    stage.forge.kubectl.server.apply({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name, "namespace": stage.forge.tenant_namespace, "labels": {MADE_BY: MADE_HERE}},
        "stringData": {"url": stage.hooks.url(_path(mark)), "secret": KEY},
    })  # fmt: skip
    return {"secretRef": {"name": name}, "config": {"messageId": mark, "payload": json.dumps({"mark": mark})}}


def _path(mark: str) -> str:
    return f"/{mark}?seconds=20,0"


def _delivered(work: Work) -> None:
    calls = work.stage.hooks.received(_path(work.mark))
    assert {(each["status"], each["headers"]["webhook-id"]) for each in calls} == {(200, work.mark)}
    assert work.result()["summary"]["response"]["status"] == 200


def _clean_up(stage: Stage, mark: str) -> dict[str, Any]:
    """An artefact that belongs to no job."""
    stage.forge.sql(
        "insert into artifacts (job_uid, attempt, name, content_type, size, sha256, gzipped, body, stored_at)"
        f" values ('{uuid.uuid4()}', 1, '{mark}', 'text/plain', 1, 'x', true, 'x', now() - interval '2 days')"
    )
    return {"config": {"task": "retire-orphans"}}


def _cleaned(work: Work) -> None:
    assert work.stage.forge.sql(f"select count(*) from artifacts where name = '{work.mark}'") == [["0"]]
    assert set(work.result()["summary"]) == {"changed"}


KINDS: Final = (
    Row("analysis", "100m", "512Mi", _analysis, _analysed, evicted=False),
    Row("refactoring", "100m", "512Mi", _refactoring, _refactored, evicted=True),
    Row("refactoring", "100m", "512Mi", _verified_refactoring, _refactored_and_verified, evicted=False),
    Row("test-generation", "200m", "512Mi", _test_generation, _generated, evicted=False),
    Row("webhooks", "100m", "256Mi", _delivery, _delivered, evicted=True),
    Row("cleanup", "50m", "256Mi", _clean_up, _cleaned, evicted=True, namespace=SYSTEM),
)


# --- the test ------------------------------------------------------------------------------------------------------
@pytest.fixture
def stage(forge: Forge, jobs: Jobs, hooks: Hooks, serve: Callable[..., str]) -> Iterator[Stage]:
    """For tenants' jobs; the Secrets that they name are gone after the test."""
    hooks.expect(KEY)
    yield Stage(forge, jobs, hooks, serve(CODE))
    hooks.expect("")
    forge.kubectl.run("-n", forge.tenant_namespace, "delete", "secret", "-l", f"{MADE_BY}={MADE_HERE}")


def test_a_pod_that_goes_in_the_midst_of_its_work_is_followed_by_one_good_end(stage: Stage) -> None:
    system = stage.of(SYSTEM)
    try:
        begun = [(row, _begun(row, system if row.namespace else stage, stage.jobs)) for row in KINDS]
        waiting = list(begun)

        def all_taken_away() -> bool:
            claimed = _claimed(stage.forge, [work.uid for _row, work in waiting])
            for row, work in [each for each in waiting if each[1].uid in claimed]:
                _take_away(work, claimed[work.uid], evicted=row.evicted)
                waiting.remove((row, work))
            return not waiting

        wait_until(all_taken_away, SECONDS, "each has a pod that claimed, and lost it")
        for row, work in begun:
            work.stage.forge.wait_for(work.name, Phase.COMPLETED, seconds=SECONDS)
            first, *others = work.attempts()
            assert (first[0], first[2]) == ("failed", "t" if row.evicted else "f"), (row.queue, first)
            assert first[1] == "disruption", row.queue
            assert others == [["succeeded", "", "f"]], row.queue
            assert work.result()["attempt"] == 2
            row.took(work)
    finally:
        system.jobs.clear()


def test_each_kind_has_a_row() -> None:
    assert {row.queue for row in KINDS} == set(BUILT)


def _begun(row: Row, stage: Stage, queues: Jobs) -> Work:
    mark = f"e2e-{uuid.uuid4().hex[:8]}"
    queue = queues.sized_queue(row.cpu, row.memory, like=row.queue, timeout="10m")
    name = stage.jobs.apply(queue, mark, **row.spec(stage, mark))
    job = wait_until(lambda: stage.forge.job(name), what=f"{name} is there")
    return Work(stage, name, job["metadata"]["uid"], mark)


def _claimed(forge: Forge, uids: list[str]) -> dict[str, str]:
    """UID of each job whose first attempt is at work -> its pod's name."""
    listed = ", ".join(f"'{uid}'" for uid in uids)
    rows = forge.sql(f"select job_uid, pod_name from attempts where job_uid in ({listed})")
    return {row[0]: row[1] for row in rows}


def _take_away(work: Work, pod: str, *, evicted: bool) -> None:
    kubectl, namespace = work.stage.forge.kubectl, work.stage.forge.tenant_namespace
    if not evicted:
        kubectl.server.delete(core("pods", namespace, pod), wait=False, gracePeriodSeconds=0)
        return
    metadata = {"name": pod, "namespace": namespace}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    kubectl.server.post(path, eviction)
