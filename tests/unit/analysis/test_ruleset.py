"""Whatever changes what is found in a file, besides the file, changes the digest of the rules."""

from collections.abc import Callable
from pathlib import Path

import pytest

from forge_kinds.analysis.ruleset import digest_of, ruleset


def sources(root: Path) -> Path:
    (root / "ours/deeper").mkdir(parents=True)
    (root / "ours/rules.py").write_text("LONG = 100")
    (root / "ours/deeper/more.py").write_text("")
    (root / "site/ruff-0.17.1.dist-info").mkdir(parents=True)
    return root


def digest(root: Path, python: str = "3.11.2") -> str:
    return digest_of([root / "ours"], [root / "site", root / "nowhere"], python)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a line of our own": lambda root: (root / "ours/rules.py").write_text("LONG = 101"),
    "a module's name": lambda root: (root / "ours/rules.py").rename(root / "ours/rule.py"),
    "a module more": lambda root: (root / "ours/empty.py").write_text(""),
    "a tool's version": lambda root: (root / "site/ruff-0.17.1.dist-info").rename(root / "site/ruff-0.17.2.dist-info"),
    "a package more": lambda root: (root / "site/lizard-1.24.dist-info").mkdir(),
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_digest_is_another_one_by(tmp_path: Path, what: str) -> None:
    before = digest(sources(tmp_path))
    CHANGES[what](tmp_path)
    assert digest(tmp_path) != before


def test_the_digest_is_the_same_wherever_the_same_rules_are(tmp_path: Path) -> None:
    (here, there) = (tmp_path / "here", tmp_path / "there")
    assert digest(sources(here)) == digest(sources(there))
    assert digest(here, "3.12.0") != digest(here)
    (here / "ours/__pycache__").mkdir()
    (here / "ours/__pycache__/rules.cpython-311.pyc").write_bytes(b"compiled")
    assert digest(here) == digest(there)


def test_ours_is_of_something() -> None:
    assert len(ruleset()) == 64
    assert ruleset() != digest_of([], [], "")
