"""Which kinds an image knows."""

from pathlib import Path

import pytest

from forge_runner import kinds
from forge_runner.kinds import KINDS


def test_a_kind_is_known_by_its_folder_s_name() -> None:
    from forge_runner.kinds.analysis.analysis import analyse

    assert "analysis" in set(KINDS)
    assert KINDS["analysis"] is analyse


def test_a_new_kind_is_one_folder_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sixth_kind").mkdir()
    (tmp_path / "sixth_kind/__init__.py").write_text("def work(assignment, workdir, report): return workdir\n")
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(tmp_path)])
    assert "sixth-kind" in set(KINDS)
    assert KINDS["sixth-kind"].__module__ == "forge_runner.kinds.sixth_kind"


@pytest.mark.parametrize("name", ["poetry", "", "..", "os.path", "analysis.analysis", "Analysis", "a" * 64])
def test_what_is_no_folder_is_no_kind(name: str) -> None:
    assert KINDS.get(name) is None


def test_a_kind_whose_library_is_missing_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_built.py").write_text("import no_such_library\n")
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(tmp_path)])
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        KINDS["half-built"]
