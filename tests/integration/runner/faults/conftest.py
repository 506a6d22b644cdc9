"""One platform for all of these tests, and jobs of whichever kind a test is run for."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from tests.integration.runner.faults.jobs import Job
from tests.integration.runner.faults.kinds import KINDS, Row
from tests.integration.runner.faults.whole_platform import Platform, a_platform
from tests.services.postgres import PostgresServer

JobMaker = Callable[..., Awaitable[Job]]


@pytest.fixture(scope="session")
async def platform(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, _migrated: str
) -> AsyncIterator[Platform]:
    """Jobs on it don't meet, but for a gate that holds one at a time."""
    url = postgres.create(_migrated)
    async with a_platform(tmp_path_factory.mktemp("platform"), postgres, url) as platform:
        yield platform
    postgres.drop(url)


@pytest.fixture(params=KINDS)
def row(request: pytest.FixtureRequest) -> Row:
    """Each kind in turn."""
    return KINDS[request.param]


@pytest.fixture
def a_job(platform: Platform, row: Row) -> Iterator[JobMaker]:
    """Makes one of the kind; nothing of it lives on."""
    with ExitStack() as ending:
        yield partial(Job.of, row, platform, ending)
        platform.gate.open()
