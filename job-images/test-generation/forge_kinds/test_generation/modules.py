"""Which files of a commit are modules that tests can be made for, and how each is imported: from its tree alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from forge_kinds.test_generation.config import TestGenerationConfig
from forge_kinds.test_generation.notes import Note, Notes
from forge_runner.report import Permanent
from forge_runner.sources.foreign import generated, vendored
from forge_runner.sources.selection import display
from forge_runner.workspace.tree import Entry, EntryKind

MAX_FILE_BYTES: Final = 1024 * 1024
MAX_MODULES: Final = 500
_BESIDE: Final = frozenset(
    {"tests", "test", "testing", "docs", "doc", "examples", "example", "benchmarks", "benchmark", "bench", "scripts",
     "tools", "tasks", "misc", "ci", "build", "dist"}
)  # fmt: skip
"""Folders at the root whose modules nobody imports from elsewhere."""
_PROGRAMS: Final = frozenset(
    {"setup.py", "noxfile.py", "conftest.py", "conf.py", "__main__.py", "tasks.py", "fabfile.py"}
)


@dataclass(frozen=True, slots=True)
class Module:
    """One module: its file, its dotted name, and the folder it is imported from ("" for the root)."""

    path: str
    name: str
    root: str


def plan(entries: Sequence[Entry], config: TestGenerationConfig, notes: Notes) -> tuple[Module, ...]:
    """The modules that may be targets: those that the job names in its order, else all in order of path.

    Raises Permanent when a named one isn't there, or none is left.
    """
    files = {display(entry.path) for entry in entries if entry.kind is EntryKind.FILE}
    found = [module for entry in entries if (module := _module(entry, files, config, notes)) is not None]
    if config.targets:
        by_name = {module.name: module for module in found}
        if missing := [name for name in config.targets if name not in by_name]:
            raise Permanent(
                f"config.targets: there is no module {missing[0]} among those asked for; look at config.paths too."
            )
        found = [by_name[name] for name in dict.fromkeys(config.targets)]
    if not found:
        raise Permanent("No Python module is among those asked for; look at config.paths and config.exclude.")
    for module in found[MAX_MODULES:]:
        notes.add(Note.TOO_MANY, module.path)
    return tuple(found[:MAX_MODULES])


def _module(entry: Entry, files: set[str], config: TestGenerationConfig, notes: Notes) -> Module | None:
    path = display(entry.path)
    if not path.endswith(".py") or not config.takes(path) or not _is_imported(path, bool(config.paths)):
        return None
    if note := _refused(entry, path):
        notes.add(note, path)
        return None
    module = located(path, files)
    if not all(part.isidentifier() for part in module.name.split(".")):
        return None  # a program with a dash in its name, which no import can say
    return module


def _refused(entry: Entry, path: str) -> Note | None:
    if entry.kind is not EntryKind.FILE or path.encode(errors="replace") != entry.path:
        return Note.NOT_PLAIN
    if entry.size > MAX_FILE_BYTES:
        return Note.TOO_LARGE
    if vendored(path):
        return Note.VENDORED
    return Note.GENERATED if generated(path) else None


def _is_imported(path: str, asked_for: bool) -> bool:
    """Whether it is a module that others import, by its place; below a path that is asked for most are."""
    *folders, name = path.split("/")
    if name in _PROGRAMS or name.startswith("test_") or name.endswith("_test.py"):
        return False
    if not {"tests", "test"}.isdisjoint(folders):
        return False
    return asked_for or not folders or folders[0] not in _BESIDE


def located(path: str, files: Iterable[str]) -> Module:
    """Its name and root: the root is the first folder, from the file upwards, that is no package."""
    there = set(files) if not isinstance(files, set) else files
    *folders, name = path.split("/")
    inside = len(folders)
    while inside and "/".join([*folders[:inside], "__init__.py"]) in there:
        inside -= 1
    stem = name.removesuffix(".py")
    parts = folders[inside:] if stem == "__init__" and folders[inside:] else [*folders[inside:], stem]
    return Module(path, ".".join(parts), "/".join(folders[:inside]))


def roots_of(modules: Iterable[Module]) -> tuple[str, ...]:
    """The folders that they are imported from, each once, the root of the repository first."""
    return tuple(sorted({module.root for module in modules} | {""}))
