"""Measures one file: its lines, its functions, its secrets. Runs in a worker process, which a file may kill."""

import re
from pathlib import Path
from typing import Final

import complexipy
import lizard

from forge_kinds.analysis.deadcode.names import Names
from forge_kinds.analysis.deadcode.reading import MAX_PARSED, mentioned, read_python
from forge_kinds.analysis.duplication import prints_of
from forge_kinds.analysis.imports import imports_of
from forge_kinds.analysis.languages import PYTHON, Language, Nature, language_of
from forge_kinds.analysis.leaks import find_secrets
from forge_kinds.analysis.lines import Lines, counted, natures
from forge_kinds.analysis.lines import Nature as LineNature
from forge_kinds.analysis.measures import Function, Measured
from forge_kinds.analysis.notes import Note

LONGEST_LINE: Final = 20_000
_MINIFIED_MEAN: Final = 300
MAX_FUNCTIONS: Final = 5_000
MAX_NAME: Final = 200
_HEAD: Final = 10
_GENERATED: Final = re.compile(r"@generated|(?:auto)?-?generated (?:automatically|by|from)|do not edit", re.IGNORECASE)
_LFS: Final = b"version https://git-lfs.github.com/spec/"


def measure(file: Path, shown: str, language: Language | None, *, analysed: bool) -> Measured:
    """Everything about the file at `file`, which is shown as `shown`."""
    body = file.read_bytes()
    if body.startswith(_LFS) and len(body) < 1024:
        return Measured(notes=(Note.LFS_POINTER,), opaque=True)
    if b"\0" in body:
        return Measured(notes=(Note.BINARY,) if language else (), opaque=True)
    notes: list[str] = []
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = body.decode(errors="surrogateescape")
        notes.append(Note.NOT_UTF8)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    if max(map(len, lines)) > LONGEST_LINE:
        return Measured(notes=(*notes, Note.TOO_LARGE), opaque=True)
    found = natures(lines, language) if language else []
    secrets = tuple(find_secrets(shown, text))
    known = language_of(shown) is PYTHON
    if language is None or not analysed:
        return Measured(counted(found), (), secrets, tuple(notes), names=mentioned(text, whole=known))
    if language.nature is Nature.CODE and _made_by_a_program(lines):
        names = mentioned(text, whole=known)
        return Measured(Lines(), (), secrets, (*notes, Note.GENERATED), opaque=True, names=names)
    functions = _functions(file, text, language, notes)
    coded = language.nature is Nature.CODE
    code = ((number, line) for number, line in enumerate(lines, 1) if coded and found[number - 1] is LineNature.CODE)
    imports = imports_of(lines, found) if language is PYTHON else ()
    names = _names(text, shown, lines, language)
    if language is PYTHON and len(text) > MAX_PARSED:
        notes.append(Note.NOT_PARSED)
    kept = functions[:MAX_FUNCTIONS]
    return Measured(counted(found), kept, secrets, tuple(notes), prints=prints_of(code), imports=imports, names=names)


def _names(text: str, shown: str, lines: list[str], language: Language) -> Names:
    """Code in other languages has names of its own, but Cython and shell scripts use those of Python."""
    if language is PYTHON:
        return read_python(text, shown, lines)
    if language.nature is Nature.CODE and language.name not in {"Cython", "Shell"}:
        return Names()
    return mentioned(text, whole=language.name == "Cython")


def _made_by_a_program(lines: list[str]) -> bool:
    filled = [len(text) for line in lines if (text := line.strip())]
    minified = len(filled) > 0 and sum(filled) / len(filled) > _MINIFIED_MEAN
    return minified or bool(_GENERATED.search("\n".join(lines[:_HEAD])))


def _functions(file: Path, text: str, language: Language, notes: list[str]) -> tuple[Function, ...]:
    if language is PYTHON:
        return _python_functions(file, notes)
    if not language.measured:
        return ()
    try:
        found = lizard.analyze_file.analyze_source_code(
            f"file.{_LIZARD_NAME.get(language.name, file.suffix.lstrip('.'))}", text
        )
    except (RecursionError, ValueError, IndexError, AttributeError, TypeError, KeyError, StopIteration):
        notes.append(Note.UNPARSABLE)
        return ()
    return tuple(
        Function(
            each.name[:MAX_NAME] or "(anonymous)",
            each.start_line,
            each.length,
            each.cyclomatic_complexity,
            each.parameter_count,
        )
        for each in found.function_list
    )


_LIZARD_NAME: Final = {"C": "c", "C++": "cpp"}


def _python_functions(file: Path, notes: list[str]) -> tuple[Function, ...]:
    try:
        found = complexipy.file_complexity(str(file), no_ignore=True, with_plans=False)
    except ValueError:
        if Note.NOT_UTF8 not in notes:
            notes.append(Note.UNPARSABLE)
        return ()
    return tuple(
        Function(each.name[:MAX_NAME], each.line_start, each.line_end - each.line_start + 1, each.complexity)
        for each in found.functions
    )
