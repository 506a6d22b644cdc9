"""An attempt's folder."""

from pathlib import Path

import pytest


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    """An attempt's own folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder
