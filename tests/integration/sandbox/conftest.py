"""A sandbox of another UID, and a runner's connection to it."""

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from forge_core.sandbox import Answer, Bounds
from forge_runner.sandbox import Sandbox, Tree
from tests.services.sandbox import SandboxServer, python, sandbox_server

SECRET = "hunter2-of-the-runner"
Hostile = Callable[..., Answer]


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """One for all tests of a module: what one of them does must not reach the next."""
    with sandbox_server({"FORGE_LIKE_A_SECRET": SECRET}) as running:
        yield running


@pytest.fixture
def sandbox(server: SandboxServer) -> Iterator[Sandbox]:
    """A new connection."""
    with server.connected() as connection:
        yield connection


@pytest.fixture
def hostile(sandbox: Sandbox) -> Hostile:
    """Runs a Python program in the sandbox."""

    def run(program: str, tree: Tree | None = None, **bounds: Any) -> Answer:
        return sandbox.run([python(), "-c", program], Bounds(**{"seconds": 120.0, **bounds}), tree)

    return run


def a_tree(folder: Path, files: Mapping[str, bytes], changed: Mapping[bytes, bytes] = {}) -> Tree:
    """A tree of these files."""
    archive = folder / "tree.tar"
    with tarfile.open(archive, "w") as tar:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(body), 0o755 if name.endswith(".sh") else 0o644
            tar.addfile(member, io.BytesIO(body))
    return Tree(archive, changed)
