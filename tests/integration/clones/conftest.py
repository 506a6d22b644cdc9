"""A git server of a stranger's, a clone cache, and jobs of two tenants."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.workspace.reports import Remembered
from tests.integration.workspace.servers import GitServer
from tests.services.clones import Clones, Tenants, clone_cache


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    """The repositories' own host."""
    root = tmp_path / "served"
    root.mkdir()
    with GitServer.serving(root) as serving:
        yield serving


@pytest.fixture
def tenants(tmp_path: Path) -> Tenants:
    """Who may have jobs."""
    folder = tmp_path / "tokens"
    folder.mkdir()
    return Tenants(folder)


@pytest.fixture
def clones(tmp_path: Path, tenants: Tenants) -> Iterator[Clones]:
    """The cache, with limits that no test reaches by chance."""
    with clone_cache(tmp_path / "clones", tenants) as running:
        yield running


@pytest.fixture
def report() -> Remembered:
    """A report that remembers what it was told."""
    return Remembered()
