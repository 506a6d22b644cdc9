"""A clone cache, and jobs of two tenants."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.clones import Clones, Tenants, clone_cache


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
