"""Turns what the tools said of one file into findings."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from forge_kinds.analysis import rules as known
from forge_kinds.analysis.findings import MAX_MESSAGE, Finding, Severity, content_digest, fingerprinted
from forge_kinds.analysis.inventory import SourceFile
from forge_kinds.analysis.languages import PYTHON
from forge_kinds.analysis.linting import Raw
from forge_kinds.analysis.measures import Measured
from forge_kinds.analysis.rules import Rule
from forge_kinds.analysis.suppressing import commented_line, is_suppressed, without_literals

Step = tuple[int, Severity]
COMPLEX: Final[tuple[Step, ...]] = ((50, Severity.HIGH), (25, Severity.MEDIUM), (15, Severity.LOW))
LONG_FUNCTION: Final[tuple[Step, ...]] = ((400, Severity.HIGH), (200, Severity.MEDIUM), (100, Severity.LOW))
LONG_FILE: Final[tuple[Step, ...]] = ((3000, Severity.HIGH), (1500, Severity.MEDIUM), (750, Severity.LOW))
SYNTAX_CODES: Final = frozenset({"invalid-syntax", "E902", "E999"})


@dataclass(frozen=True)
class Place:
    """Where a finding stands, what that line says (a digest), and how grave it is when the rule alone doesn't tell."""

    line: int
    content: str
    severity: Severity | None = None
    column: int = 1
    end_line: int = 0
    suppressed: bool = False


@dataclass(frozen=True)
class Collector:
    """Knows the rules and where the files are."""

    root: Path
    rules: Mapping[str, Rule]

    def findings(self, file: SourceFile, measured: Measured, raws: Sequence[Raw]) -> list[Finding]:
        """All findings of a file, fingerprinted, in order."""
        lines = self._lines(file) if raws or measured.functions else []
        found = [*self._linted(file, raws, lines), *self._sizes(file, measured, lines), *self._secrets(file, measured)]
        return fingerprinted([*found, *self._unreachable(file, measured)])

    def _lines(self, file: SourceFile) -> list[str]:
        try:
            descriptor = os.open(os.fsencode(self.root) + b"/" + file.raw, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return []
        with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor that follows no link
            text = stream.read().decode(errors="replace")
        return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")

    def _finding(self, file: SourceFile, rule: str, place: Place, message: str) -> Finding:
        return finding_of(file, self.rules[rule], place, message)

    def _linted(self, file: SourceFile, raws: Sequence[Raw], lines: Sequence[str]) -> Iterator[Finding]:
        for raw in raws:
            if raw.code in self.rules:
                place = Place(raw.line, content_digest(_line(lines, raw.line)), None, raw.column, raw.end_line)
                finding = self._finding(file, raw.code, place, without_literals(raw.message))
                hushed = is_suppressed(raw.code, finding.dimension, commented_line(raw.code, raw.noqa_line, lines))
                yield replace(finding, suppressed=True) if hushed else finding

    def _sizes(self, file: SourceFile, measured: Measured, lines: Sequence[str]) -> Iterator[Finding]:
        rule, word = (known.COGNITIVE, "cognitive") if file.language is PYTHON else (known.CYCLOMATIC, "cyclomatic")
        for function in measured.functions:
            content, name = content_digest(_line(lines, function.line)), function.name
            if grave := _step(COMPLEX, function.complexity):
                message = f"{name} has a {word} complexity of {function.complexity}; over 15 is hard to follow."
                yield self._finding(file, rule, Place(function.line, content, grave), message)
            if grave := _step(LONG_FUNCTION, function.lines):
                message = f"{name} is {function.lines} lines long; over 100 don't fit on a screen."
                yield self._finding(file, known.LONG_FUNCTION, Place(function.line, content, grave), message)
        if file.code and (grave := _step(LONG_FILE, measured.lines.code)):
            message = f"The file has {measured.lines.code} lines of code; over 750 is large."
            yield self._finding(file, known.LONG_FILE, Place(1, "", grave), message)

    def _secrets(self, file: SourceFile, measured: Measured) -> Iterator[Finding]:
        for secret in measured.secrets:
            rule = known.secret_rule_id(secret.kind)
            message = f"This looks like a secret ({secret.kind}); only its fingerprint is kept."
            yield self._finding(file, rule, Place(secret.line, secret.content), message)

    def _unreachable(self, file: SourceFile, measured: Measured) -> Iterator[Finding]:
        for each in measured.names.unreachable:
            place = Place(each.line, each.content, end_line=each.end_line, suppressed=each.suppressed)
            message = f"{each.why[:1].upper()}{each.why[1:]} (by vulture, 100 % confidence)."
            yield self._finding(file, known.UNREACHABLE, place, message)


def finding_of(file: SourceFile, rule: Rule, place: Place, message: str) -> Finding:
    """Not fingerprinted yet; what stands in tests weighs less."""
    severity = place.severity or rule.severity
    return Finding(
        rule=rule.id,
        severity=severity.lowered() if file.test else severity,
        dimension=rule.dimension,
        path=file.path,
        line=max(1, place.line),
        message=message[:MAX_MESSAGE],
        column=place.column,
        end_line=place.end_line,
        content=place.content,
        suppressed=place.suppressed,
    )


def _line(lines: Sequence[str], number: int) -> str:
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _step(steps: Sequence[Step], value: int) -> Severity | None:
    return next((severity for least, severity in steps if value > least), None)
