"""Refactorings of repositories made for a test: real git, from a folder."""

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from forge_core.assignment import Sandbox
from forge_kinds.refactoring import refactor
from forge_runner.kinds import Result
from forge_runner.workspace.checkout import Options
from tests.integration.workspace.reports import Remembered, an_assignment
from tests.integration.workspace.repositories import Content, a_repository, git


@dataclass(frozen=True)
class Refactored:
    """A result, what was reported on the way, and the repository with the patch applied by git itself."""

    result: Result
    report: Remembered
    before: Path
    after: Path

    @property
    def summary(self) -> dict[str, Any]:
        return self.result.summary

    @property
    def patch(self) -> bytes:
        """The patch's bytes, b"" when there is none."""
        return b"".join(each.body for each in self.result.artifacts if each.name == "changes.patch")

    @property
    def listed(self) -> dict[str, Any]:
        """The document of changes."""
        [body] = [each.body for each in self.result.artifacts if each.name == "changes.json"]
        document: dict[str, Any] = json.loads(body)
        return document

    @property
    def notes(self) -> dict[str, list[str]]:
        """Paths by code."""
        return {note["code"]: note["paths"] for note in self.summary["notes"]}

    @property
    def why(self) -> dict[str, str]:
        """Path of what was dropped -> why."""
        return {each["path"]: each["why"] for each in self.listed["dropped"]}

    def now(self, path: str) -> bytes:
        """A file as the patch leaves it."""
        return (self.after / path).read_bytes()

    def rules(self) -> set[str]:
        """Of the changes that were made."""
        return {each["rule"] for each in self.listed["changes"]}


Refactor = Callable[..., Refactored]


@pytest.fixture
def refactored(tmp_path: Path) -> Refactor:
    """Commits these files, refactors them, and applies the patch to a clone."""
    made = iter(range(1000))

    def run(
        files: Mapping[bytes, Content], volume: Path = tmp_path, terms: Sandbox | None = None, **config: Any
    ) -> Refactored:
        number = next(made)
        a_repository(tmp_path, f"{number}.git", files)
        workdir, after = tmp_path / f"work-{number}", tmp_path / f"after-{number}"
        workdir.mkdir()
        report = Remembered()
        url = f"file://{tmp_path}/{number}.git"
        assignment = an_assignment(url, config=config, sandbox=terms, timeout=600.0)
        result = refactor(assignment, workdir, report, Options(allow_file=True), volume)
        git(tmp_path, "-c", "core.symlinks=false", "clone", "--quiet", f"{number}.git", after.name)
        refactored = Refactored(result, report, tmp_path / f"{number}.git", after)
        if refactored.patch:
            for check in (("--check",), ()):
                git(after, "apply", *check, "--whitespace=nowarn", "-", stdin=refactored.patch)
        return refactored

    return run


def parses(body: bytes) -> bool:
    """Whether CPython takes it, in a process of its own."""
    program = "import ast, sys; ast.parse(sys.stdin.buffer.read())"
    return subprocess.run(["python3", "-c", program], input=body, capture_output=True, check=False).returncode == 0
