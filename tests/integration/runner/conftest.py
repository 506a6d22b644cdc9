"""A stand-in for the internal API, and runner processes that never outlive their test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runner.pods import Pod
from tests.integration.runner.standin import Ledger, serving

PodMaker = Callable[..., Pod]


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """The server; a test may change its behaviour at any time."""
    with serving() as ledger:
        yield ledger


@pytest.fixture
def pod(ledger: Ledger, tmp_path: Path) -> Iterator[PodMaker]:
    """Starts a runner; keywords are Pod's."""
    pods: list[Pod] = []

    def make(**kinds: Any) -> Pod:
        pods.append(Pod(folder=tmp_path / f"pod-{len(pods)}", api_url=ledger.url, **kinds).start())
        return pods[-1]

    yield make
    for each in pods:
        each.kill()
