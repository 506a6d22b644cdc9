"""One holder at a time, on the real API server; time passes as the test says."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from forge_core.cluster import Cluster, leases
from forge_core.names import LEASE
from forge_operator.lease import DURATION, MARGIN, Lease

pytestmark = [pytest.mark.anyio, pytest.mark.cluster]


@dataclass
class Clock:
    """Monotonic seconds that stand still until they are moved."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def cluster(kubeconfig: Path) -> AsyncIterator[Cluster]:
    async with Cluster.connect(str(kubeconfig)) as connected:
        yield connected


async def test_the_first_takes_it_and_the_second_stands_by(cluster: Cluster, namespace: str) -> None:
    first, second = Lease(cluster, namespace, "first"), Lease(cluster, namespace, "second")
    await first.renew()
    await second.renew()
    assert first.held
    assert not second.held
    assert second.holder == "first"


async def test_it_is_held_no_longer_than_it_was_renewed_for(cluster: Cluster, namespace: str) -> None:
    clock = Clock()
    lease = Lease(cluster, namespace, "first", clock)
    await lease.renew()
    clock.now += DURATION - MARGIN - 0.1
    assert lease.held
    clock.now += 0.2
    assert not lease.held


async def test_a_silent_holder_is_followed_only_after_its_whole_duration(cluster: Cluster, namespace: str) -> None:
    clock = Clock()
    first, second = Lease(cluster, namespace, "first"), Lease(cluster, namespace, "second", clock)
    await first.renew()
    await second.renew()
    clock.now += DURATION
    await second.renew()
    assert not second.held
    clock.now += 0.1
    await second.renew()
    assert second.held


async def test_a_holder_that_renews_is_never_followed(cluster: Cluster, namespace: str) -> None:
    clock = Clock()
    first, second = Lease(cluster, namespace, "first"), Lease(cluster, namespace, "second", clock)
    for _ in range(4):
        await first.renew()
        await second.renew()
        clock.now += DURATION * 0.9
        assert not second.held


async def test_a_holder_that_was_followed_knows_it_at_its_next_renewal(cluster: Cluster, namespace: str) -> None:
    first, second = Lease(cluster, namespace, "first"), Lease(cluster, namespace, "second")
    await first.renew()
    path = leases(namespace, LEASE)
    await cluster.patch(path, {"spec": {"holderIdentity": ""}})
    await second.renew()
    await first.renew()
    assert second.held
    assert not first.held


async def test_a_released_lease_is_free_at_once(cluster: Cluster, namespace: str) -> None:
    first, second = Lease(cluster, namespace, "first"), Lease(cluster, namespace, "second")
    await first.renew()
    await first.release()
    await second.renew()
    assert second.held
    assert not first.held
    assert (await cluster.get(leases(namespace, LEASE)))["spec"]["leaseTransitions"] == 2


async def test_releasing_what_another_holds_takes_nothing_from_it(cluster: Cluster, namespace: str) -> None:
    first, second = Lease(cluster, namespace, "first"), Lease(cluster, namespace, "second")
    await first.renew()
    await second.release()
    assert (await cluster.get(leases(namespace, LEASE)))["spec"]["holderIdentity"] == "first"
