"""Texts of tests from the sandbox as tests, each under a name of its own; those that can't be one are told with why."""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from forge_core.sandbox import TREE
from forge_kinds.test_generation.answers import Searched
from forge_kinds.test_generation.modules import Module
from forge_runner.sources.bounded import output

CPU_SECONDS: Final = 20
_BETWEEN: Final = "\n# ---\n"
_SEEDING: Final = "_pynguin_"
"""What pynguin puts above its tests so that chance is the same each time. Without it, tests that hang on chance are
dropped like all others that pass only sometimes."""
_ODD: Final = re.compile(
    r"[^\t\n\x20-\x7e\xa0-\u2027\u202f-\u2065\u2070-\ud7ff\ue000-\ufefe\uff00-\ufff8\U00010000-\U0010ffff]"
)
"""What no line of source shows as it is: control characters, and those that turn the direction of writing."""


class TestKind(StrEnum):
    """What a test holds the code to."""

    __test__ = False

    CHARACTERISATION = "characterisation"
    """What it does today, right or not."""
    PROPERTY = "property"
    """What must hold for every argument."""


@dataclass(frozen=True)
class Statement:
    """One that stands above the tests."""

    source: str
    binds: frozenset[str]
    only_names: bool


@dataclass(frozen=True)
class Test:
    """One test: `source` without a comment, under its final name; `header` is what its text had above it."""

    __test__ = False

    name: str
    kind: TestKind
    source: str
    names: frozenset[str]
    header: tuple[Statement, ...]

    @property
    def tier(self) -> int:
        """A property of its own says most when it fails, a result that is always the same least."""
        if self.kind is TestKind.CHARACTERISATION:
            return 1
        return 2 if "_same_result" in self.name else 0


@dataclass(frozen=True)
class Dropped:
    """A test that isn't delivered, and why."""

    module: str
    kind: TestKind
    name: str
    why: str


def split(module: Module, found: Searched, folder: Path) -> tuple[list[Test], list[Dropped]]:
    """The tests of all texts. Whatever a text holds, it is parsed elsewhere and never run here."""
    texts = [(TestKind.PROPERTY, text, module.name) for text in found.properties.split(_BETWEEN) if text.strip()]
    alias = module.name.rpartition(".")[2] + "_"
    texts.append((TestKind.CHARACTERISATION, found.characterisations, alias))
    names = _Names()
    tests: list[Test] = []
    dropped: list[Dropped] = []
    for (kind, _text, _stem), part in zip(texts, _parts(texts, folder), strict=True):
        header = tuple(
            Statement(each["source"], frozenset(each["binds"]), each["only_names"])
            for each in part["header"]
            if _SEEDING not in each["source"]
        )
        if part["broken"]:
            dropped.append(Dropped(module.name, kind, "all of a text", f"it is no Python ({part['broken']})"))
        for each in part["tests"]:
            why = each["why"] or _objection(each["source"])
            if why:
                dropped.append(Dropped(module.name, kind, each["name"][:100], why))
                continue
            name = names.new(each["about"] if kind is TestKind.CHARACTERISATION else each["name"])
            source = re.sub(r"^def test_\w+\(", f"def {name}(", each["source"], count=1, flags=re.MULTILINE)
            tests.append(Test(name, kind, source, frozenset(each["names"]), header))
    return tests, dropped


def _objection(source: str) -> str:
    if _ODD.search(source):
        return "it holds characters that can't be seen"
    return "it depends on where the tree lies" if TREE in source else ""


class _Names:
    """Names of tests, each once."""

    def __init__(self) -> None:
        self._given: dict[str, int] = {}

    def new(self, about: str) -> str:
        """For a test that is about this."""
        stem = re.sub(r"\W", "_", about.removeprefix("test_"))[:80].strip("_").lower() or "module"
        count = self._given[stem] = self._given.get(stem, 0) + 1
        return f"test_{stem}" if count == 1 else f"test_{stem}_{count}"


def _parts(texts: Sequence[tuple[TestKind, str, str]], folder: Path) -> Iterator[dict[str, Any]]:
    """Of each text; one by itself when all together end the process that reads them."""
    asked = [{"text": text, "stem": stem} for _kind, text, stem in texts]
    found = _read(asked, folder)
    if found is not None:
        yield from found
        return
    for each in asked:
        alone = _read([each], folder)
        yield alone[0] if alone else {"header": [], "tests": [], "broken": "it ended the process that reads it"}


def _read(asked: Sequence[dict[str, str]], folder: Path) -> list[dict[str, Any]] | None:
    command = (sys.executable, "-P", "-m", "forge_kinds.test_generation.reading")
    printed = output(command, folder, CPU_SECONDS, stdin=json.dumps(asked).encode())
    if printed is None or printed[1] != 0:
        return None
    found: list[dict[str, Any]] = json.loads(printed[0])
    return found
