"""Changes that ruff makes: modernize, fix and imports. A file that comes out worse is done again rule by rule."""

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

from forge_kinds.refactoring.changes import Change, Done, Dropped
from forge_kinds.refactoring.inventory import SourceFile
from forge_kinds.refactoring.judging import disfigured, objection
from forge_kinds.refactoring.linting import Finding, Linter, Rules, Standing
from forge_kinds.refactoring.notes import Note, Notes
from forge_kinds.refactoring.tree import Tree

FOLLOW_UP: Final = "follow-up"
UNUSED_IMPORT: Final = "F401"
MAX_COMPARED: Final = 20_000
"""Lines of a file whose differences are looked at one by one."""


_After = dict[str, tuple[Standing, list[Finding]]]
"""path -> how a changed file stands, and what the rules still find in it."""


@dataclass(frozen=True)
class _Trial:
    """A file's bytes before, and what was found in it."""

    file: SourceFile
    body: bytes
    standing: Standing
    candidates: tuple[Finding, ...]


@dataclass(frozen=True)
class Fixer:
    """One operation over batches of files, from any thread."""

    operation: str
    rules: Rules
    linter: Linter
    tree: Tree
    notes: Notes

    def batch(self, files: Sequence[SourceFile]) -> list[Done]:
        """Change these files together; when ruff breaks on them, each alone."""
        trials = self._looked_at(files)
        if trials is None:
            if len(files) > 1:
                return [done for file in files for done in self.batch([file])]
            self.notes.add(Note.BROKE_TOOL, files[0].path)
            return []
        return self._mended(trials, self.rules) if trials else []

    def _looked_at(self, files: Sequence[SourceFile]) -> list[_Trial] | None:
        found, standings = self.linter.findings(files, self.rules), self.linter.standings(files)
        if found is None or standings is None:
            return None
        trials = []
        for file in files:
            candidates = tuple(each for each in found[file.path] if each.mendable)
            body = self.tree.read(file) if candidates else None
            if body is not None:
                trials.append(_Trial(file, body, standings[file.path], candidates))
        return trials

    def _mended(self, trials: Sequence[_Trial], rules: Rules) -> list[Done]:
        files = [trial.file for trial in trials]
        well = self.linter.mend(files, rules)
        changed = [trial for trial in trials if self.tree.read(trial.file) != trial.body]
        after = self._tidied(changed, rules) if well else None
        if after is None:
            return self._withdrawn(trials, rules, "ruff crashed or took too long on the change.")
        done: list[Done] = []
        for trial in changed:
            standing, left = after[trial.file.path]
            body = self.tree.read(trial.file) or b""
            if why := objection(trial.standing, standing) or disfigured(trial.body, body):
                done += self._withdrawn([trial], rules, why)
            else:
                done.append(Done(trial.file.path, self._changes(trial, left, body)))
        return done

    def _tidied(self, trials: Sequence[_Trial], rules: Rules) -> "_After | None":
        """How changed files stand, without the imports that the change left unused."""
        after = self._after(trials, rules)
        littered = [trial for trial in trials if after and self._is_littered(trial, after[trial.file.path][0])]
        if not after or not littered:
            return after
        unused = replace(rules, select=(UNUSED_IMPORT,))
        if not self.linter.mend([trial.file for trial in littered], unused):
            return None
        again = self._after(littered, rules)
        return None if again is None else {**after, **again}

    def _is_littered(self, trial: _Trial, standing: Standing) -> bool:
        """Not of a file that had some before: whether those go as well isn't ours to say."""
        return standing.findings[UNUSED_IMPORT] > 0 == trial.standing.findings[UNUSED_IMPORT]

    def _after(self, trials: Sequence[_Trial], rules: Rules) -> "_After | None":
        if not trials:
            return {}
        files = [trial.file for trial in trials]
        standings, left = self.linter.standings(files), self.linter.findings(files, rules)
        if standings is None or left is None:
            return None
        return {file.path: (standings[file.path], left[file.path]) for file in files}

    def _withdrawn(self, trials: Sequence[_Trial], rules: Rules, why: str) -> list[Done]:
        """Put the files back; then try each rule by itself, and drop the one that does it."""
        done: list[Done] = []
        for trial in trials:
            self.tree.write(trial.file, trial.body)
            codes = sorted({each.code for each in trial.candidates})
            if len(codes) > 1:
                done += self._one_by_one(trial, codes)
            else:
                dropped = [Dropped(self._change(trial, each), why) for each in trial.candidates]
                done.append(Done(trial.file.path, dropped=tuple(dropped)))
        return done

    def _one_by_one(self, trial: _Trial, codes: Sequence[str]) -> Iterator[Done]:
        for code in codes:
            alone = replace(self.rules, select=(code,))
            again = replace(self, rules=alone)._looked_at([trial.file])  # noqa: SLF001 - of our own kind
            if again:
                yield from self._mended(again, alone)

    def _changes(self, trial: _Trial, left: Sequence[Finding], body: bytes) -> tuple[Change, ...]:
        remaining = Counter(each.same for each in left)
        made: list[Finding] = []
        for each in trial.candidates:
            if remaining[each.same]:
                remaining[each.same] -= 1
            else:
                made.append(each)
        changes = {self._change(trial, each) for each in made}
        for first, last in _hunks(trial.body, body):
            if not any(each.line <= last and first <= each.end_line for each in made):
                codes = ", ".join(sorted({each.code for each in made})) or ", ".join(self.rules.select)
                reason = f"Follows from changes of {codes} in this file"
                changes.add(Change(trial.file.path, first, self.operation, FOLLOW_UP, reason))
        return tuple(sorted(changes))

    def _change(self, trial: _Trial, finding: Finding) -> Change:
        return Change(trial.file.path, finding.line, self.operation, finding.code, finding.message[:500])


def _hunks(before: bytes, after: bytes) -> Iterator[tuple[int, int]]:
    """First and last line, in the old file, of each difference."""
    old, new = before.splitlines(), after.splitlines()
    head = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    rest = zip(reversed(old[head:]), reversed(new[head:]), strict=False)
    tail = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], rest))
    old, new = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(old) > MAX_COMPARED or len(new) > MAX_COMPARED:
        return
    for tag, first, last, _, _ in difflib.SequenceMatcher(None, old, new).get_opcodes():
        if tag != "equal":
            yield head + first + 1, head + max(last, first + 1)
