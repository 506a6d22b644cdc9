"""Findings that depend on more than one file: names that nothing uses, imports of higher layers. Pure.

They are made anew for each commit from what its files said alone, so that a commit's findings are the same whether its
files were read now or taken from another survey. They never cost anything (docs/adr/0025).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from forge_kinds.analysis import rules as known
from forge_kinds.analysis.collecting import Place, finding_of
from forge_kinds.analysis.config import AnalysisConfig
from forge_kinds.analysis.deadcode.joining import unused
from forge_kinds.analysis.deadcode.names import Definition, Kind
from forge_kinds.analysis.findings import Finding, content_digest, fingerprinted
from forge_kinds.analysis.inventory import SourceFile
from forge_kinds.analysis.layers import Layering, layering
from forge_kinds.analysis.measures import Measured
from forge_kinds.analysis.notes import Note, Notes
from forge_kinds.analysis.rules import Rule

_UNUSED: Final = {
    Kind.FUNCTION: known.UNUSED_FUNCTION, Kind.CLASS: known.UNUSED_CLASS, Kind.METHOD: known.UNUSED_METHOD,
}  # fmt: skip


class Between:
    """Looks at one commit as a whole."""

    def __init__(self, files: Sequence[SourceFile], measured: Mapping[str, Measured], config: AnalysisConfig) -> None:
        self._measured = measured
        self._python = {file.path: file for file in files if file.python and not file.test}
        self._part = bool(config.paths)
        self.layering = self._layering(config)

    def _layering(self, config: AnalysisConfig) -> Layering | None:
        if not config.layers:
            return None
        return layering({path: self._measured[path].imports for path in self._python}, config.layers)

    def findings(self, rules: Mapping[str, Rule]) -> Mapping[str, list[Finding]]:
        """By path, fingerprinted: no rule is both here and in a file's own findings."""
        found: dict[str, list[Finding]] = defaultdict(list)
        for finding in (*self._unused(rules), *self._breaches(rules)):
            found[finding.path].append(finding)
        return {path: fingerprinted(each) for path, each in found.items()}

    def note(self, notes: Notes) -> None:
        """Say what wasn't looked for."""
        if self._part and any(self._measured[path].names.defined for path in self._python):
            notes.count(Note.PART_ONLY, 1)
        for name in self.layering.unknown if self.layering else ():
            notes.add(Note.UNKNOWN_MODULES, name)

    def _unused(self, rules: Mapping[str, Rule]) -> Iterator[Finding]:
        if self._part:
            return
        names = {path: each.names for path, each in self._measured.items()}
        for path, definitions in unused(names, self._python).items():
            for each in definitions:
                rule = rules[_UNUSED[each.kind]]
                place = Place(each.line, _content(each), end_line=each.end_line, suppressed=each.suppressed)
                message = (
                    f"Maybe unused: no file names the {each.kind} {_name(each)} "
                    f"(by vulture, {rule.confidence} % confidence)."
                )
                yield finding_of(self._python[path], rule, place, message)

    def _breaches(self, rules: Mapping[str, Rule]) -> Iterator[Finding]:
        for each in self.layering.breaches if self.layering else ():
            place = Place(each.line, content_digest(f"import {each.name}"))
            module = each.name.replace(":", ".")
            message = f"{each.layer} imports {module}: config.layers has {each.above} above it."
            yield finding_of(self._python[each.path], rules[known.LAYER], place, message)


def _name(definition: Definition) -> str:
    return f"{definition.within}.{definition.name}" if definition.within else definition.name


def _content(definition: Definition) -> str:
    """By its name and not by its line: a parameter more doesn't make it another one."""
    return content_digest(f"{definition.kind} {_name(definition)}")
