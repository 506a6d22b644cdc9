"""Jobs whose AnalysisJob is gone, on the real API server; time passes as the test says."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from forge_core.cluster import Cluster, Raw, analysis_jobs, jobs
from forge_core.maintenance import Ask, Done, Step
from forge_core.names import JOB_UID_LABEL
from forge_core.progress import Progress
from forge_operator.digests import Kind
from forge_operator.picture import Picture
from forge_operator.strays import Strays
from tests.builders.operator import make_namespace, make_picture
from tests.conftest import Kubectl
from tests.integration.operator.conftest import analysis_job

pytestmark = [pytest.mark.anyio, pytest.mark.cluster]
NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=2)


@pytest.fixture
async def cluster(kubeconfig: Path) -> AsyncIterator[Cluster]:
    async with Cluster.connect(str(kubeconfig)) as connected:
        yield connected


@pytest.fixture
def picture(tenant_namespace: str, kubectl: Kubectl, queue: str) -> Picture:
    """Of a tenant whose AnalysisJob `owner` is there."""
    kubectl.server.apply(analysis_job(tenant_namespace, "owner", queue))
    owner = kubectl.server.get(analysis_jobs(tenant_namespace, "owner"))
    namespace = make_namespace(tenant_namespace, tenant="acme")
    return make_picture([(Kind.NAMESPACE, namespace), (Kind.ANALYSIS_JOB, owner)])


async def job(cluster: Cluster, namespace: str, name: str, **labels: str) -> None:
    """One that never has a pod."""
    container = {"name": "runner", "image": "none.invalid/x:1"}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    body: Raw = {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"suspend": True, "template": template}
    }  # fmt: skip
    await cluster.create(jobs(namespace), body)


async def swept(cluster: Cluster, picture: Picture, now: datetime, *, dry: bool = False) -> list[Done]:
    """The answers of a whole step."""
    strays = Strays(cluster, cast("Progress", None), picture, redis_is_ours=True)
    answers = [await strays.do(Step.JOBS, Ask(dry_run=dry), now)]
    while answers[-1].after:
        answers.append(await strays.do(Step.JOBS, Ask(after=answers[-1].after, dry_run=dry), now))
    return answers


async def test_a_job_whose_analysisjob_is_gone_goes_a_day_later_and_no_other(
    cluster: Cluster, picture: Picture, tenant_namespace: str
) -> None:
    (owner,) = picture.analysis_jobs
    await job(cluster, tenant_namespace, "owned", **{JOB_UID_LABEL: owner})
    await job(cluster, tenant_namespace, "orphaned", **{JOB_UID_LABEL: "0b0e1b1c-1111-4222-8333-123456789abc"})
    await job(cluster, tenant_namespace, "of-somebody-else")

    async def there() -> set[str]:
        return {each["metadata"]["name"] for each in (await cluster.get(jobs(tenant_namespace)))["items"]}

    for now, dry, removed in ((NOW, False, 0), (LATER, True, 1)):
        answers = await swept(cluster, picture, now, dry=dry)
        assert sum(done.counts.get("strayJobs", 0) for done in answers) == removed
        assert await there() == {"owned", "orphaned", "of-somebody-else"}
    answers = await swept(cluster, picture, LATER)
    assert [done.share for done in answers] == [0.5, 1.0], "the picture has another namespace"
    assert sum(done.counts.get("strayJobs", 0) for done in answers) == 1
    assert await there() == {"owned", "of-somebody-else"}
    assert [done.counts for done in await swept(cluster, picture, LATER)] == [{}, {}]


async def test_what_is_not_the_operators_is_not_done(cluster: Cluster, picture: Picture) -> None:
    strays = Strays(cluster, cast("Progress", None), picture, redis_is_ours=True)
    with pytest.raises(ValueError, match="rows is not the operator's"):
        await strays.do(Step.ROWS, Ask(), NOW)
