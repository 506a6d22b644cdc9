"""Which of ruff's rules an operation takes, and whether ruff knows those that a job asks for."""

from pathlib import Path
from typing import Final

from forge_kinds.refactoring.config import Imports, Operation, RefactoringConfig
from forge_kinds.refactoring.linting import Rules
from forge_runner.report import Permanent
from forge_runner.sources.ruff import CHECK, FILE_CPU_SECONDS, catalogue, ruff

_IMPORTS: Final = {Imports.SORT: "I001", Imports.REMOVE_UNUSED: "F401"}


def rules_of(operation: Operation, config: RefactoringConfig, first_party: tuple[str, ...]) -> Rules:
    """The rules of an operation that ruff does; where unused imports go, they go with each."""
    select: dict[Operation, tuple[str, ...]] = {
        Operation.MODERNIZE: ("UP",),
        Operation.FIX: config.fix,
        Operation.IMPORTS: tuple(_IMPORTS[each] for each in config.imports),
    }
    unused = (_IMPORTS[Imports.REMOVE_UNUSED],) if Imports.REMOVE_UNUSED in config.imports else ()
    return Rules(tuple(dict.fromkeys((*select[operation], *unused))), config.target, first_party)


def check_rules(config: RefactoringConfig, folder: Path) -> None:
    """Raises Permanent for a rule that ruff doesn't know, or that never comes with a change."""
    if not config.fix:
        return
    mendable = [str(each["code"]) for each in catalogue(folder) if each.get("fix_availability") != "None"]
    empty = folder / "empty.py"
    empty.touch()
    for rule in config.fix:
        if ruff((*CHECK, "--select", rule, "--", str(empty)), folder, FILE_CPU_SECONDS) is None:
            raise Permanent(f"config.fix: ruff knows no rule {rule}; see https://docs.astral.sh/ruff/rules.")
        if not any(code.startswith(rule) for code in mendable):
            raise Permanent(f"config.fix: ruff finds {rule} but can't mend it; name rules that come with a fix.")
