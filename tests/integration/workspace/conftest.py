"""A git server, and a report that remembers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.workspace.reports import Remembered
from tests.integration.workspace.servers import GitServer


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


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    """An attempt's own folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder
