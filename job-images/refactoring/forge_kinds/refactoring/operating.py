"""The operations of a job, over batches of files; and anew over one file, without some of the rules that changed it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from forge_kinds.refactoring.changes import Done
from forge_kinds.refactoring.config import Operation, RefactoringConfig
from forge_kinds.refactoring.fixing import Fixer
from forge_kinds.refactoring.inventory import SourceFile, first_party
from forge_kinds.refactoring.linting import Rules
from forge_kinds.refactoring.moving import Extractor
from forge_kinds.refactoring.notes import Notes
from forge_kinds.refactoring.rulings import rules_of
from forge_kinds.refactoring.survey import Surveyor
from forge_runner.workspace import Checkout

Work = Callable[[Sequence[SourceFile]], list[Done]]
"""Changes a batch of files, from any thread."""


@dataclass(frozen=True)
class Operations:
    """All but a renaming, which is one change of many files."""

    checkout: Checkout
    config: RefactoringConfig
    surveyor: Surveyor

    def work(self, operation: Operation, notes: Notes) -> Work:
        """An operation with all that the job asks of it."""
        if operation is Operation.EXTRACT and self.config.extract:
            return self._extractor(self.config.extract.over, notes).batch
        return self._fixer(operation, self._rules(operation), notes).batch

    def remade(self, file: SourceFile, without: Collection[str]) -> list[Done]:
        """Write the file as the commit has it, and change it anew without these rules."""
        self.checkout.write([file.raw])
        return [done for operation in self.config.operations for done in self._again(operation, file, without)]

    def _again(self, operation: Operation, file: SourceFile, without: Collection[str]) -> list[Done]:
        if operation is Operation.RENAME:
            return []
        if operation is Operation.EXTRACT and self.config.extract:
            extractor = self._extractor(self.config.extract.over, Notes())
            return [] if extractor.rule in without else extractor.batch([file])
        rules = replace(self._rules(operation), ignore=tuple(sorted(without)))
        return self._fixer(operation, rules, Notes()).batch([file])

    def _rules(self, operation: Operation) -> Rules:
        return rules_of(operation, self.config, first_party(self.checkout.entries))

    def _extractor(self, limit: int, notes: Notes) -> Extractor:
        return Extractor(limit, self.surveyor.asker, self.surveyor.linter, notes)

    def _fixer(self, operation: Operation, rules: Rules, notes: Notes) -> Fixer:
        return Fixer(operation, rules, self.surveyor.linter, self.surveyor.linter.tree, notes)
