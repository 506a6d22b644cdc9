"""`make demo` as a person sees it: its progress and result, and each line that it prints to look further."""

import re
import subprocess

import pytest

from tests.conftest import ROOT
from tests.e2e.forge import Forge

pytestmark = [pytest.mark.cluster]


def demo(repository: str = "", kind: str = "") -> str:
    """What `make demo KIND=... REPO=...` prints once everything is installed."""
    done = subprocess.run(
        [ROOT / "local-cluster" / "demo.sh", kind, repository],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_ends_with_a_score_five_recommendations_and_lines_that_work(forge: Forge) -> None:
    del forge  # installed
    said = demo()
    assert re.search(r"^ *\d+ %  analysing: ", said, re.MULTILINE)
    assert re.search(r"^completed after [\d.]+ s$", said, re.MULTILINE)
    assert re.search(r"^Score [A-E] \(\d+ of 100\), 11\d,\d{3} lines of code$", said, re.MULTILINE)
    assert len(re.findall(r"^[1-5]\. .*: \+[\d.]+ points", said, re.MULTILINE)) == 5
    look_further(said, lines=6)


def look_further(said: str, lines: int) -> None:
    """Do what the demo tells to do: each of that many lines answers."""
    setting, *told = said.partition("Look further")[2].splitlines()[1:]
    assert len(told) == lines
    for line in told:
        done = subprocess.run(
            ["bash", "-c", f"{setting.strip()}\n{line.strip()}"],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}: {done.stderr}"
        assert done.stdout.strip(), line
        assert '"error":' not in done.stdout, f"{line}: {done.stdout[:500]}"


def test_the_demo_takes_any_url(forge: Forge, small_repository: str) -> None:
    del forge
    said = demo(small_repository)
    assert f"applied: {small_repository}" in said
    assert "completed after" in said


def test_the_demo_of_a_clean_up_ends_with_what_was_done_and_freed(forge: Forge) -> None:
    del forge
    said = demo(kind="cleanup")
    assert re.search(r"^completed after [\d.]+ s$", said, re.MULTILINE)
    assert re.search(r"^Done:", said, re.MULTILINE)
    assert re.search(r"^Freed:", said, re.MULTILINE)
    look_further(said, lines=5)


def test_the_demo_says_why_a_url_can_not_be_analysed(forge: Forge, small_repository: str) -> None:
    del forge
    missing = small_repository.replace("test-", "no-such-")
    done = subprocess.run(
        [ROOT / "local-cluster" / "demo.sh", "analysis", missing],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "failed" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
