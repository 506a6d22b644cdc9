"""Real services for the integration tests: PostgreSQL, Redis, a Redis Cluster, a git server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from forge_core.history.migrations.__main__ import upgrade
from tests.integration.workspace.reports import Remembered
from tests.integration.workspace.servers import GitServer
from tests.services.postgres import PostgresServer, postgres_server
from tests.services.redis import RedisServer, redis_cluster, redis_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for the whole session."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def _migrated(postgres: PostgresServer) -> str:
    """A database with the newest schema, to be copied."""
    url = postgres.create()
    upgrade(url)
    return url.rsplit("/", 1)[1]


@pytest.fixture
def history_url(postgres: PostgresServer, _migrated: str) -> Iterator[str]:
    """A fresh database with the newest schema."""
    url = postgres.create(_migrated)
    yield url
    postgres.drop(url)


@pytest.fixture
def redis_one(tmp_path: Path) -> Iterator[RedisServer]:
    """A fresh Redis that the test may stop and start."""
    with redis_server(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def redis_url(redis_one: RedisServer) -> str:
    """The URL of a fresh Redis."""
    return redis_one.url


@pytest.fixture(scope="session")
def redis_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RedisServer]]:
    """The three servers of a Redis Cluster, for the whole session."""
    with redis_cluster(tmp_path_factory.mktemp("redis-cluster")) as servers:
        yield servers


@pytest.fixture
def redis_cluster_url(redis_nodes: list[RedisServer]) -> str:
    """The URL of the Redis Cluster, as FORGE_REDIS_URL takes it."""
    return f"redis+cluster://127.0.0.1:{redis_nodes[0].port}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    """A git server over an empty folder."""
    root = tmp_path / "served"
    root.mkdir()
    with GitServer.serving(root) as serving:
        yield serving


@pytest.fixture
def report() -> Remembered:
    """A report that remembers what it was told."""
    return Remembered()
