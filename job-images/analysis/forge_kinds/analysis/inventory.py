"""Which of a commit's files are analysed, decided from its tree alone, before any of them is written."""

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import Final

from forge_kinds.analysis.config import AnalysisConfig
from forge_kinds.analysis.languages import PYTHON, Language, Nature, language_of
from forge_kinds.analysis.notes import Note, Notes
from forge_runner.sources.selection import display
from forge_runner.workspace.tree import Entry, EntryKind

MAX_FILE_BYTES: Final = 1024 * 1024
MAX_FILES: Final = 100_000

_VENDORED: Final = frozenset(
    {"node_modules", "bower_components", "vendor", "vendored", "_vendor", "third_party", "third-party", "site-packages",
     ".venv", "venv", ".tox", ".eggs"}
)  # fmt: skip
_GENERATED: Final = re.compile(r"(\.min\.(js|css|mjs)|_pb2(_grpc)?\.pyi?|\.pb\.go|\.generated\.\w+|\.bundle\.js)$")
_TESTS: Final = frozenset({"test", "tests", "testing", "__tests__", "spec", "specs", "e2e", "fixtures", "testdata"})
_TEST_NAME: Final = re.compile(r"(^test_.*\.pyi?|_test\.(py|go)|\.(spec|test)\.[cm]?[jt]sx?|^conftest\.py)$")
_OPAQUE: Final = re.compile(
    r"""\.(7z|a|bin|bmp|bz2|class|dll|dmg|docx?|eot|exe|gif|gz|ico|jar|jpe?g|mo|mp[34]|o|otf|pdf|png|psd|pyc|rar|so|svg
    |sum|tar|tgz|tiff?|ttf|wasm|webp|whl|woff2?|xlsx?|xz|zip|lock|map|pot?|inv|snap)$""",
    re.VERBOSE | re.IGNORECASE,
)
_LOCKS: Final = frozenset(
    {"package-lock.json", "npm-shrinkwrap.json", "Pipfile.lock", "composer.lock", "pnpm-lock.yaml"}
)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to analyse; two equal ones have the same findings.

    `raw` is its name on disk, `path` the same as text (bytes that aren't UTF-8 as \\xNN).
    """

    raw: bytes
    path: str
    size: int
    language: Language | None
    test: bool
    analysed: bool
    """Whether its code is measured and linted; its lines are counted and secrets looked for in any case."""
    blob: bytes = b""
    """The content's id in git."""
    packages: int = 0
    """Of a Python file, how many folders above it, one within the other, are packages: ruff resolves names by them."""

    @property
    def python(self) -> bool:
        """Whether ruff and complexipy read it."""
        return self.language is PYTHON and self.analysed

    @property
    def code(self) -> bool:
        """Whether it is source code that is analysed, not markup or configuration."""
        return self.analysed and self.language is not None and self.language.nature is Nature.CODE

    def markers(self) -> Iterator[bytes]:
        """The files that make those folders packages."""
        folder = self.raw
        for _ in range(self.packages):
            folder = folder.rpartition(b"/")[0]
            yield _marker(folder)


def plan(entries: Iterable[Entry], config: AnalysisConfig, notes: Notes) -> tuple[SourceFile, ...]:
    """The files to analyse, in order of path; what is left out is noted."""
    chosen: list[SourceFile] = []
    for entry in entries:
        path = display(entry.path)
        if not config.takes(path):
            continue
        if entry.kind is not EntryKind.FILE:
            notes.add(Note.SYMLINK if entry.kind is EntryKind.SYMLINK else Note.SUBMODULE, path)
        elif entry.size > MAX_FILE_BYTES:
            notes.add(Note.TOO_LARGE, path)
        elif not _VENDORED.isdisjoint(path.split("/")[:-1]):
            notes.add(Note.VENDORED, path)
        elif not _opaque(path):
            chosen.append(_source(entry, path, config, notes))
    if len(chosen) > MAX_FILES:
        notes.count(Note.TOO_MANY, len(chosen) - MAX_FILES)
    return _placed(chosen[:MAX_FILES])


def _placed(files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
    """The same files, each knowing of the packages that it is in."""
    raws = {file.raw for file in files}
    return tuple(replace(file, packages=_packages(file.raw, raws)) if file.python else file for file in files)


def _packages(raw: bytes, raws: Set[bytes]) -> int:
    count, folder = 0, raw.rpartition(b"/")[0]
    while _marker(folder) in raws:
        count += 1
        if not folder:
            break
        folder = folder.rpartition(b"/")[0]
    return count


def _marker(folder: bytes) -> bytes:
    return folder + b"/__init__.py" if folder else b"__init__.py"


def _source(entry: Entry, path: str, config: AnalysisConfig, notes: Notes) -> SourceFile:
    language = language_of(path)
    generated = bool(_GENERATED.search(path))
    if generated:
        notes.add(Note.GENERATED, path)
    asked = not config.languages or (language is not None and language.name in config.languages)
    known = language if asked else None
    return SourceFile(entry.path, path, entry.size, known, is_test(path), asked and not generated, entry.blob)


def _opaque(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name in _LOCKS or bool(_OPAQUE.search(name))


def is_test(path: str) -> bool:
    """Whether a file is of the tests, where findings weigh one step less."""
    *folders, name = path.split("/")
    return not _TESTS.isdisjoint(folders) or bool(_TEST_NAME.search(name))
