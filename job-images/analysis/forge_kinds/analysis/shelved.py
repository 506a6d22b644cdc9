"""One file's Examined as a line of JSON. What is read back is checked as if a stranger had written it."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Annotated, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from forge_kinds.analysis.deadcode.names import DIGEST, Kind, Names
from forge_kinds.analysis.deadcode.reading import MAX_DEFINED, MAX_NAME
from forge_kinds.analysis.duplication import PRINT_BYTES
from forge_kinds.analysis.examined import Examined
from forge_kinds.analysis.findings import MAX_MESSAGE, Finding, Severity, fingerprinted
from forge_kinds.analysis.imports import MAX_IMPORTS, Import
from forge_kinds.analysis.imports import MAX_NAME as MAX_MODULE
from forge_kinds.analysis.inventory import MAX_FILE_BYTES, SourceFile
from forge_kinds.analysis.lines import Lines
from forge_kinds.analysis.measures import Function, Measured, Secret
from forge_kinds.analysis.notes import Note
from forge_kinds.analysis.rules import BETWEEN_FILES, Rule, own_rules

MAX_ENTRY: Final = 16 * 1024 * 1024
"""Bytes; a megabyte of code in lines of a letter each takes eight times as much."""
MAX_USED: Final = (DIGEST + 1) * MAX_FILE_BYTES // 2
"""Characters; as many as there are words of a letter in a file."""
_Number = Annotated[int, Field(ge=0, le=2**31)]
_Word = Annotated[str, Field(max_length=300)]
_Digest = Annotated[str, Field(max_length=64)]
_Name = Annotated[str, Field(max_length=MAX_NAME)]
_Names = Annotated[list[_Name], Field(max_length=MAX_DEFINED)]


class _Function(NamedTuple):
    name: _Word
    line: _Number
    lines: _Number
    complexity: _Number
    parameters: _Number


class _Secret(NamedTuple):
    kind: _Word
    line: _Number
    content: _Digest


class _Import(NamedTuple):
    name: Annotated[str, Field(max_length=MAX_MODULE)]
    line: _Number
    late: bool


class _Definition(NamedTuple):
    kind: Kind
    name: _Name
    within: _Name
    line: _Number
    end_line: _Number
    bases: _Names
    suppressed: bool


class _Class(NamedTuple):
    name: _Name
    bases: _Names


class _Unreachable(NamedTuple):
    why: _Word
    line: _Number
    end_line: _Number
    content: _Digest
    suppressed: bool


class _NamesOfAFile(NamedTuple):
    defined: Annotated[list[_Definition], Field(max_length=MAX_DEFINED)]
    classes: Annotated[list[_Class], Field(max_length=MAX_DEFINED)]
    used: Annotated[str, Field(max_length=MAX_USED)]
    unreachable: Annotated[list[_Unreachable], Field(max_length=MAX_DEFINED)]


class _Finding(NamedTuple):
    rule: _Word
    severity: Severity
    line: _Number
    message: Annotated[str, Field(max_length=MAX_MESSAGE)]
    column: _Number
    end_line: _Number
    content: _Digest
    suppressed: bool


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    lines: tuple[_Number, _Number, _Number]
    opaque: bool
    notes: Annotated[list[Note], Field(max_length=10)]
    prints: Annotated[str, Field(max_length=16 * MAX_FILE_BYTES)]
    imports: Annotated[list[_Import], Field(max_length=MAX_IMPORTS)]
    names: _NamesOfAFile
    functions: Annotated[list[_Function], Field(max_length=10_000)]
    secrets: Annotated[list[_Secret], Field(max_length=1_000)]
    findings: Annotated[list[_Finding], Field(max_length=100_000)]


def encode(examined: Examined) -> bytes | None:
    """The line; None for what JSON can't carry (names that aren't text) or is too long."""
    measured = examined.measured
    document = {
        "lines": [measured.lines.code, measured.lines.comment, measured.lines.blank],
        "opaque": measured.opaque,
        "notes": examined.notes,
        "prints": base64.b64encode(measured.prints).decode(),
        "imports": measured.imports,
        "names": measured.names.encode(),
        "functions": [
            [each.name, each.line, each.lines, each.complexity, each.parameters] for each in measured.functions
        ],
        "secrets": [[each.kind, each.line, each.content] for each in measured.secrets],
        "findings": [_listed(each) for each in examined.findings],
    }
    try:
        line = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return None
    return line if len(line) <= MAX_ENTRY else None


def _listed(finding: Finding) -> list[object]:
    place = [finding.column, finding.end_line, finding.content]
    return [finding.rule, int(finding.severity), finding.line, finding.message, *place, finding.suppressed]


def decode(line: bytes, file: SourceFile, linted: Mapping[str, Rule]) -> Examined | None:
    """What `encode` was given for this file; None for what isn't one, or has findings that no file has by itself."""
    if len(line) > MAX_ENTRY:
        return None
    try:
        entry = _Entry.model_validate_json(line)
        prints = base64.b64decode(entry.prints, validate=True)
    except (ValidationError, binascii.Error, ValueError):
        return None
    own = own_rules(tuple(sorted({each.kind for each in entry.secrets})))
    known = {**own, **linted}
    rules = [known.get(each.rule) if each.rule not in BETWEEN_FILES else None for each in entry.findings]
    if len(prints) % PRINT_BYTES or not all(rules):
        return None
    findings = [_finding(file, each, rule) for each, rule in zip(entry.findings, rules, strict=True) if rule]
    measured = Measured(
        Lines(*entry.lines),
        tuple(Function(*each) for each in entry.functions),
        tuple(Secret(*each) for each in entry.secrets),
        tuple(entry.notes),
        entry.opaque,
        prints,
        tuple(Import(*each) for each in entry.imports),
        Names.decode(entry.names),
    )
    return Examined(measured, tuple(fingerprinted(findings)), tuple(entry.notes))


def _finding(file: SourceFile, read: _Finding, rule: Rule) -> Finding:
    about = (read.rule, read.severity, rule.dimension, file.path, max(1, read.line), read.message)
    return Finding(*about, read.column, read.end_line, read.content, read.suppressed)
