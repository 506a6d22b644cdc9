"""`make demo` as a person sees it: its progress and result, and each line that it prints to look further."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from forge_core.cluster import core
from tests.conftest import ROOT, Kubectl
from tests.e2e.forge import Forge

pytestmark = [pytest.mark.cluster]


def demo(repository: str = "", kind: str = "") -> str:
    """What `make demo KIND=... REPO=...` prints once everything is installed."""
    done = subprocess.run(
        [ROOT / "local-cluster" / "demo.sh", kind, repository],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
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
    assert re.search(
        r"^Since 8\.2\.3 \(score \d+\): \d+ new findings, [\d,]+ fixed, [\d,]+ unchanged$", said, re.MULTILINE
    )
    look_further(said, lines=6)


def look_further(said: str, lines: int) -> None:
    """Do what the demo tells to do: each of that many lines answers."""
    setting, *told = said.partition("Look further")[2].splitlines()[1:]
    assert len(told) == lines
    for line in told:
        done = subprocess.run(
            ["bash", "-c", f"{setting.strip()}\n{line.strip()}"],
            cwd=ROOT, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}: {done.stderr}"
        assert done.stdout.strip(), line
        assert '"error":' not in done.stdout, f"{line}: {done.stdout[:500]}"


def fetch_and_apply(said: str, patch: str, folder: Path) -> None:
    """Fetch a patch by the line that the demo prints, and apply it in a folder."""
    [fetch] = [line for line in said.splitlines() if line.endswith(f"/artifacts/{patch}")]
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {fetch.strip()} | git -C '{folder}' apply -"],
        cwd=ROOT, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


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


def test_the_demo_of_a_refactoring_ends_with_its_patch_and_the_lines_fetch_it(
    forge: Forge, serve: Callable[..., str], tmp_path: Path
) -> None:
    del forge
    source = "import sys\nimport os\nfrom typing import List\n\n\ndef f(a: List[int]):\n    return a, os, sys\n"
    said = demo(serve({"a.py": source}), kind="refactoring")
    assert re.search(r"^completed after [\d.]+ s$", said, re.MULTILINE)
    assert re.search(r"^By rule: .*UP", said, re.MULTILINE)
    assert re.search(r"^a\.py +\+\d+ +-\d+$", said, re.MULTILINE)
    assert "--- a/a.py\n+++ b/a.py\n@@ " in said
    look_further(said, lines=7)
    (tmp_path / "a.py").write_text(source)
    fetch_and_apply(said, "changes.patch", tmp_path)
    assert (tmp_path / "a.py").read_text() != source


def test_the_demo_of_a_test_generation_ends_with_its_gain_and_tests_that_pass(
    forge: Forge, serve: Callable[..., str], tmp_path: Path
) -> None:
    del forge
    source = "def sign(number: int) -> str:\n    if number < 0:\n        return 'minus'\n    return 'plus'\n"
    said = demo(serve({"signs.py": source}), kind="test-generation")
    assert re.search(r"^completed after [\d.]+ s$", said, re.MULTILINE)
    assert re.search(r"^ *\d+ %  generating: ", said, re.MULTILINE)
    assert re.search(r"^\d+ tests? raises? line coverage from 0\.0 % to 100\.0 % and branch", said, re.MULTILINE)
    assert re.search(r"^signs\.py +0\.0 % +100\.0 % +0\.0 % +100\.0 %$", said, re.MULTILINE)
    look_further(said, lines=8)
    (tmp_path / "signs.py").write_text(source)
    fetch_and_apply(said, "tests.patch", tmp_path)
    passed = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert passed.returncode == 0, passed.stdout


def test_the_demo_of_a_delivery_ends_with_what_its_receiver_got_and_thinks_of_it(
    forge: Forge, kubectl: Kubectl
) -> None:
    try:
        said = demo(kind="webhooks")
        assert re.search(r"^completed after [\d.]+ s$", said, re.MULTILINE)
        assert re.search(r"^  webhook-signature: v1,\S+$", said, re.MULTILINE)
        assert "Its own check of the signature: genuine (200)" in said
        assert "The same body with a forged signature: refused (401)" in said
        look_further(said, lines=5)
        assert "whsec_" not in said
    finally:
        kubectl.server.delete(core("namespaces", name="demo"), wait=False)
        kubectl.server.delete(core("secrets", forge.tenant_namespace, "forge-job-webhook-demo"))


def test_the_demo_says_why_a_url_can_not_be_analysed(forge: Forge, small_repository: str) -> None:
    del forge
    missing = small_repository.replace("test-", "no-such-")
    done = subprocess.run(
        [ROOT / "local-cluster" / "demo.sh", "analysis", missing],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "failed" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
