"""Which changes hold: those of whole files, and those of files that had to be put back in part."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from forge_kinds.refactoring.changes import Change, Dropped
from forge_kinds.refactoring.config import Operation
from forge_kinds.refactoring.fixing import FOLLOW_UP
from forge_kinds.refactoring.survey import Survey
from forge_kinds.refactoring.trying import Unit
from forge_runner.sources.patching import Patch


@dataclass(frozen=True)
class Remade:
    """A file that was changed anew, by a part of what it had been changed by."""

    changes: tuple[Change, ...]
    left_out: Mapping[str, str]
    """Rule -> why it is left out."""


@dataclass(frozen=True)
class Held:
    """How the files stand once something was put back."""

    after: Survey
    refused: Mapping[str, str]
    """Path -> why it is as it was."""
    remade: Mapping[str, Remade] = field(default_factory=dict)

    def sorted_out(self, changes: Iterable[Change], patch: Patch) -> tuple[list[Change], list[Dropped]]:
        """The changes that are in the patch, and those that were put back, each with the reason."""
        inside = {path.decode(errors="backslashreplace") for path in patch.files}
        made = [change for path, remade in self.remade.items() if path in inside for change in remade.changes]
        kept, undone = sorted(made), []
        for change in changes:
            remade = self.remade.get(change.path)
            if remade is None and change.path in inside:
                kept.append(change)
            elif remade is None:
                undone.append(Dropped(change, self.refused.get(change.path, "Another operation of this job undid it.")))
            elif why := remade.left_out.get(change.rule):
                undone.append(Dropped(change, why))
        return sorted(kept), undone


def units_of(paths: Iterable[str], changes: Iterable[Change]) -> list[Unit]:
    """Files that are kept or put back together: those of a renaming, and each other one by itself."""
    renamed = _renamed(changes)
    listed = list(paths)
    together = tuple(path for path in listed if path in renamed)
    return [*([together] if together else []), *((path,) for path in listed if path not in renamed)]


def rules_in(changes: Sequence[Change]) -> dict[str, list[str]]:
    """Path -> the rules that changed it, of each file that may be changed without some of them: by no renaming."""
    renamed = _renamed(changes)
    found: dict[str, set[str]] = defaultdict(set)
    for change in changes:
        if change.path not in renamed and change.rule != FOLLOW_UP:
            found[change.path].add(change.rule)
    return {path: sorted(rules) for path, rules in found.items()}


def _renamed(changes: Iterable[Change]) -> set[str]:
    return {change.path for change in changes if change.operation == Operation.RENAME}
