"""A running API: real servers, PostgreSQL and Redis; the Kubernetes API in memory holds tenants acme and other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from forge_api.settings import Settings
from tests.builders.api import Api, MemoryCluster, Signer, make_settings, running_api


@pytest.fixture(scope="session")
def signer() -> Signer:
    return Signer.make()


@pytest.fixture
def cluster() -> MemoryCluster:
    cluster = MemoryCluster()
    cluster.tenant("acme", "tenant-acme")
    cluster.tenant("other", "tenant-other")
    return cluster


@pytest.fixture
def settings(tmp_path: Path, signer: Signer, history_url: str, redis_url: str) -> Settings:
    return make_settings(tmp_path, signer, history_url, redis_url)


@pytest.fixture
async def api(settings: Settings, cluster: MemoryCluster, signer: Signer) -> AsyncIterator[Api]:
    async with running_api(settings, cluster, signer) as api:
        yield api
