"""Test generations for repositories made for a test: real git, a real sandbox, the patch applied and run by pytest."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from forge_core.assignment import Sandbox
from forge_kinds.test_generation import generate
from forge_runner.kinds import Result
from forge_runner.workspace.checkout import Options
from tests.integration.workspace.reports import Remembered, an_assignment
from tests.integration.workspace.repositories import Content, a_repository, git
from tests.services.sandbox import SandboxServer, sandbox_server


@dataclass(frozen=True)
class Generated:
    """A result, what was reported on the way, and the repository with the patch applied by git itself."""

    result: Result
    report: Remembered
    after: Path

    @property
    def summary(self) -> dict[str, Any]:
        return self.result.summary

    def artifact(self, name: str) -> bytes:
        """Its bytes, b"" when there is none."""
        return b"".join(each.body for each in self.result.artifacts if each.name == name)

    @property
    def tests(self) -> list[dict[str, Any]]:
        """Those that are kept."""
        found: list[dict[str, Any]] = json.loads(self.artifact("tests.json"))["tests"]
        return found

    @property
    def why(self) -> list[str]:
        """Why others were dropped."""
        return [each["why"] for each in json.loads(self.artifact("tests.json"))["dropped"]]

    @property
    def log(self) -> str:
        return self.artifact("generation.log").decode()

    def source(self) -> str:
        """All new files, one after the other."""
        return "".join((self.after / path).read_text() for path in self.summary["tests"]["files"])

    def passes(self, *arguments: str) -> bool:
        """Whether pytest passes on the repository with the patch, in an order and a time zone of its own."""
        environment = {**os.environ, "PYTHONHASHSEED": "77", "TZ": "UTC-3", "PYTHONPATH": str(self.after)}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.", *arguments]
        done = subprocess.run(command, cwd=self.after, env=environment, capture_output=True, text=True, check=False)
        return done.returncode == 0


Generate = Callable[..., Generated]
NO_INDEX = Sandbox()


@pytest.fixture(scope="session")
def server() -> Iterator[SandboxServer]:
    """One sandbox for all: what one of them does must not reach the next."""
    with sandbox_server() as running:
        yield running


@pytest.fixture
def generated(tmp_path: Path, server: SandboxServer) -> Generate:
    """Commits these files, has tests made for them, and applies the patch to a clone."""
    made = iter(range(1000))

    def run(
        files: Mapping[bytes, Content], terms: Sandbox | None = NO_INDEX, volume: Path = server.volume, **config: Any
    ) -> Generated:
        number = next(made)
        a_repository(tmp_path, f"{number}.git", files)
        workdir, after = tmp_path / f"work-{number}", tmp_path / f"after-{number}"
        workdir.mkdir()
        report = Remembered()
        url = f"file://{tmp_path}/{number}.git"
        about: dict[str, Any] = {
            "queue": "test-generation",
            "kind": "test-generation",
            "timeout": 1800.0,
            "sandbox": terms,
        }
        assignment = an_assignment(url, config={"budget": "5m", **config}, **about)
        result = generate(assignment, workdir, report, Options(allow_file=True), volume)
        git(tmp_path, "-c", "core.symlinks=false", "clone", "--quiet", f"{number}.git", after.name)
        done = Generated(result, report, after)
        if patch := done.artifact("tests.patch"):
            for check in (("--check",), ()):
                git(after, "apply", *check, "--whitespace=nowarn", "-", stdin=patch)
        return done

    return run
