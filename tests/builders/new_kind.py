"""A copy of the project to which docs/adding-a-kind.md was done to the letter."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT

PAGE = ROOT / "docs/adding-a-kind.md"
COMPOSING = "job-images/config_schema.py"
_FENCE = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NEEDED = ("core", "job-images", "crds", "helm", "pyproject.toml", "uv.lock", ".dockerignore")


@dataclass(frozen=True)
class NewKind:
    """The copy, and the queue that the page shows."""

    root: Path
    queue: dict[str, Any]

    @property
    def folder(self) -> Path:
        """The one that was added."""
        return self.root / "job-images/line-count"

    def compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`make crds`, or with --check its check."""
        command = [sys.executable, COMPOSING, *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)


def new_kind(folder: Path) -> NewKind:
    """Copy what the images and the definitions are made from, write the page's files and run its commands."""
    for name in _NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    queue: dict[str, Any] = {}
    for language, place, text in _FENCE.findall(PAGE.read_text()):
        if place == "queue":
            queue = yaml.safe_load(text)
        elif place:
            file = folder / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        elif language == "sh":
            subprocess.run(text, shell=True, check=True, cwd=folder)
    return NewKind(folder, queue)
