"""A git server, and analyses of what it serves."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from forge_kinds.analysis import analyse
from forge_runner.kinds import Result
from tests.integration.workspace.reports import Remembered, an_assignment
from tests.integration.workspace.repositories import Content, a_repository
from tests.integration.workspace.servers import GitServer


@dataclass(frozen=True)
class Analysed:
    """A result, and what was reported on the way."""

    result: Result
    report: Remembered

    @property
    def summary(self) -> dict[str, Any]:
        return self.result.summary

    def artifact(self, name: str) -> Any:
        """The document in an artefact."""
        [body] = [artifact.body for artifact in self.result.artifacts if artifact.name == name]
        return json.loads(body)

    @property
    def findings(self) -> list[dict[str, Any]]:
        """All listed findings."""
        listed: list[dict[str, Any]] = self.artifact("report.json")["results"]
        return listed

    @property
    def notes(self) -> dict[str, list[str]]:
        """Paths by code."""
        return {note["code"]: note["paths"] for note in self.summary["notes"]}


Analyse = Callable[..., Analysed]


@pytest.fixture
def analysed(server: GitServer, tmp_path: Path) -> Analyse:
    """Commits these files, serves them, analyses them."""
    made = iter(range(100))

    def run(files: Mapping[bytes, Content] | Iterable[tuple[bytes, Content]], **config: Any) -> Analysed:
        number = next(made)
        a_repository(server.root, f"{number}.git", files)
        workdir = tmp_path / f"work-{number}"
        workdir.mkdir()
        report = Remembered()
        return Analysed(analyse(an_assignment(server.url(f"{number}.git"), config=config), workdir, report), report)

    return run
