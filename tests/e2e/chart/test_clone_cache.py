"""An installation with a clone cache: it serves jobs, clones are direct ones without it, a clean-up empties it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from forge_core.cluster import core
from forge_core.names import TENANT_LABEL
from forge_core.phase import Phase
from tests.conftest import ROOT, Kubectl
from tests.e2e.forge import Forge, Jobs
from tests.e2e.release import Release, second_release
from tests.services.waiting import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

CACHE = "statefulset/forge-clones"
SERVED = "The clone cache served commit "
DIRECT = "The clone cache could not serve this clone, which is now a direct one"


@pytest.fixture(scope="module")
def release(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """Installed, with a cache that keeps its mirrors in its pod."""
    cache = {
        "enabled": True,
        "persistence": {"enabled": False, "size": "1Gi"},
        "maxSize": "500Mi",
        "mirrorSize": "200Mi",
    }
    folder = tmp_path_factory.mktemp("release")
    with second_release(kubectl, "cached", folder, crds={"apply": False}, cloneCache=cache) as made:
        made.upgrade()
        yield made


@pytest.fixture(scope="module")
def cached(release: Release) -> Forge:
    """Its API."""
    return release.forge()


@pytest.fixture
def its_jobs(cached: Forge) -> Iterator[Jobs]:
    """AnalysisJobs of one test, gone after it."""
    made = Jobs(cached)
    yield made
    made.clear()


def log_of(forge: Forge, name: str) -> str:
    """The whole log of an ended job."""
    uid = forge.wait_for(name, Phase.COMPLETED, seconds=180)["metadata"]["uid"]
    with forge.api() as api:
        answer = api.get(f"/analyses/{uid}/logs")
    assert answer.status_code == 200, answer.text
    return answer.text


def test_two_jobs_of_a_repository_are_served_by_one_mirror(
    release: Release, cached: Forge, its_jobs: Jobs, small_repository: str
) -> None:
    for _ in range(2):
        assert SERVED in log_of(cached, its_jobs.submit(small_repository))
    found = release.kubectl.run("-n", release.namespace, "exec", CACHE, "--", "ls", "/clones/mirrors").stdout.split()
    assert len(found) == 1


def test_a_private_repository_is_served_to_those_whom_its_host_lets_in(
    release: Release, cached: Forge, its_jobs: Jobs, serve: Callable[..., str]
) -> None:
    url = serve({"app.py": "x = 1\n"}, credentials="ann:hunter2hunter2")
    secret = {"host": "git-server.git.svc", "username": "ann", "password": "hunter2hunter2"}
    metadata = {"name": "forge-job-credentials", "namespace": release.tenant_namespace}
    release.kubectl.server.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": secret})
    reference = {"credentialsSecretRef": {"name": "forge-job-credentials"}}
    assert SERVED in log_of(cached, its_jobs.submit(url, repository=reference))
    stranger = its_jobs.submit(url)
    failed = cached.wait_for(stranger, Phase.FAILED, seconds=180)
    assert "refused access" in failed["status"]["message"]
    logs = release.kubectl.run("-n", release.namespace, "logs", CACHE).stdout
    assert "hunter2" not in logs


def clean_up(release: Release, **config: Any) -> dict[str, Any]:
    """The summary of a clean-up by the chart's example, in this installation's system tenant."""
    manifest = yaml.safe_load((ROOT / "job-images/cleanup/examples/clones.yaml").read_text())
    manifest["metadata"]["namespace"] = f"forge-system-{release.name}"
    manifest["metadata"]["name"] += f"-{len(config)}"
    manifest["spec"]["config"] |= config
    forge = release.forge()
    system = Forge(forge.kubectl, forge.url, forge.key, release.namespace, manifest["metadata"]["namespace"], "system")
    labels = release.kubectl.server.get(core("namespaces", name=system.tenant_namespace))["metadata"]["labels"]
    assert labels[TENANT_LABEL] == "system"
    release.kubectl.server.apply(manifest)
    uid = system.wait_for(manifest["metadata"]["name"], Phase.COMPLETED, seconds=180)["metadata"]["uid"]
    with system.api() as api:
        answer = api.get(f"/jobs/{uid}/results")
    assert answer.status_code == 200, answer.text
    summary: dict[str, Any] = answer.json()["summary"]
    return summary


def test_a_clean_up_reports_and_then_removes(
    release: Release, cached: Forge, its_jobs: Jobs, small_repository: str
) -> None:
    assert SERVED in log_of(cached, its_jobs.submit(small_repository))
    reported = clean_up(release, maxSize="0")
    assert reported["dryRun"] is True
    held = reported["wouldChange"].get("clones", 0) + reported["clones"]["inUse"]
    assert held >= 1, json.dumps(reported)
    done = clean_up(release, maxSize="0", dryRun=False)
    assert done["changed"].get("clones", 0) + done["clones"]["kept"] >= 1, json.dumps(done)


def test_without_the_cache_clones_are_direct_ones(
    release: Release, cached: Forge, its_jobs: Jobs, small_repository: str
) -> None:
    place = ("-n", release.namespace)
    release.kubectl.run(*place, "scale", CACHE, "--replicas=0")
    release.kubectl.run(*place, "wait", "pod/forge-clones-0", "--for=delete", "--timeout=300s")
    assert DIRECT in log_of(cached, its_jobs.submit(small_repository))
    release.kubectl.run(*place, "scale", CACHE, "--replicas=1")
    release.kubectl.run(*place, "rollout", "status", CACHE, "--timeout=300s")

    def served() -> bool:
        return SERVED in log_of(cached, its_jobs.submit(small_repository))

    wait_until(served, what="a job is served: its Service may lead nowhere for a moment after the pod is ready")
