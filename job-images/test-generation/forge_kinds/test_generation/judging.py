"""Whether a test may stay: from what its runs told. Pure decisions, in the order in which they are made."""

from collections.abc import Mapping, Sequence

from forge_kinds.test_generation.answers import Measured, Run


def objection(test: str, runs: Sequence[Run]) -> str:
    """What speaks against a test, by its node id, "" when nothing does."""
    outcomes = [run.outcomes.get(test, "") for run in runs]
    passed = [outcome == "passed" for outcome in outcomes]
    if not outcomes or not any(outcomes):
        return "it was not run"
    if not any(passed):
        return _told("it fails", test, runs)
    if not all(passed):
        return _told("it passes only sometimes", test, runs)
    return next((effect for run in runs if (effect := run.effects.get(test, ""))), "")


def _told(what: str, test: str, runs: Sequence[Run]) -> str:
    why = next((run.why[test] for run in runs if run.why.get(test)), "")
    return f"{what}: {why}"[:400] if why else what


def disturbed(before: Run | None, measured: Measured) -> tuple[str, ...]:
    """The repository's own tests that passed before and fail in each run beside the new ones."""
    if before is None or not measured.runs:
        return ()
    always = frozenset.intersection(*(run.failing for run in measured.runs))
    return tuple(sorted(name for name in always if before.outcomes.get(name) == "passed"))


def counts(run: Run | None) -> Mapping[str, int]:
    """Tests by outcome."""
    found: dict[str, int] = {}
    for outcome in run.outcomes.values() if run else ():
        found[outcome] = found.get(outcome, 0) + 1
    return dict(sorted(found.items()))
