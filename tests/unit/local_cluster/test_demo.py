"""What `make demo` tells of each kind's result; which kinds there are is known by their folders alone."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from forge_core.maintenance import Task
from tests.unit.local_cluster.test_clone import ROOT, _load

demo = _load(ROOT / "local-cluster" / "demo.py")
PARTS = sorted(path.parent.name for path in (ROOT / "job-images").glob("*/demo.py"))


def told(kind: str, summary: dict[str, Any]) -> str:
    """What the kind's part prints of a summary."""
    console = Console(file=io.StringIO(), width=120)
    demo.part_of(kind).show(console, summary)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("kind", PARTS)
def test_a_kinds_part_has_all_that_the_demo_asks_for(kind: str) -> None:
    part = demo.part_of(kind)
    assert part.TENANT
    assert part.NAMESPACE
    assert isinstance(part.WANTS_REPOSITORY, bool)
    assert not any("/" in place for place in part.LOOK_AT)
    spec = part.spec("https://git.example.com/a.git" if part.WANTS_REPOSITORY else "")
    assert spec["queue"]
    assert ("repository" in spec) is part.WANTS_REPOSITORY


@pytest.mark.parametrize("kind", ["", "nothing", "../local-cluster", "forge_runner", "cleanup/../cleanup", "*"])
def test_a_kind_without_a_part_is_refused_with_those_that_have_one(kind: str) -> None:
    with pytest.raises(SystemExit) as refused:
        demo.part_of(kind)
    assert all(name in str(refused.value) for name in ("analysis", "cleanup"))


def test_a_new_kind_brings_its_part_and_nothing_else_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "line-count").mkdir()
    (tmp_path / "line-count" / "demo.py").write_text("TENANT = 'demo'\n")
    monkeypatch.setattr(demo, "KINDS", tmp_path)
    assert demo.part_of("line-count").TENANT == "demo"


def test_an_analysis_ends_with_its_score_and_what_to_do() -> None:
    each = {
        "title": "Split it", "rule": "C901", "count": 1, "severity": "medium", "pointsGained": 1.5, "effortMinutes": 30,
        "firstStep": "Begin with a.py.",
    }  # fmt: skip
    dimensions = {"complexity": {"grade": "C", "value": 61.2, "findings": 1234}}
    score = {"grade": "B", "value": 81.4, "dimensions": dimensions}
    said = told("analysis", {"score": score, "codeLines": 118000, "recommendations": [each] * 9})
    assert "Score B (81 of 100), 118,000 lines of code" in said
    assert "1,234" in said
    assert "5. Split it (C901, once, medium): +1.50 points for about 30 min\n   Begin with a.py." in said
    assert "6. " not in said


def test_a_clean_up_ends_with_what_was_done_and_what_was_freed() -> None:
    said = told("cleanup", {"changed": {"hours": 3, "jobs": 1200, "artifacts": 4, "kept": 2}})
    done, freed = said.split("Freed:")
    assert "3  hours summed up" in done
    assert "2  jobs past their time kept" in done
    assert "1,200  rows of jobs" in freed
    assert "4  rows of artifacts" in freed


def test_a_clean_up_that_found_nothing_says_so() -> None:
    said = told("cleanup", {"changed": {}})
    assert "summed up before" in said
    assert "nothing is past its time yet" in said


def test_a_clean_up_asks_for_a_task_that_there_is() -> None:
    assert demo.part_of("cleanup").spec("")["config"]["task"] in set(Task)
