"""The last word: all new files on the commit, with the repository's own tests, in three orders."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from forge_kinds.test_generation import answers
from forge_kinds.test_generation.asking import Question, Unanswered
from forge_kinds.test_generation.budgeting import RUNS
from forge_kinds.test_generation.covered import Item, Items, items_of
from forge_kinds.test_generation.judging import disturbed, objection
from forge_kinds.test_generation.measuring import TEST_SECONDS
from forge_kinds.test_generation.modules import Module
from forge_kinds.test_generation.selecting import Candidate, select
from forge_kinds.test_generation.splitting import Dropped, Test
from forge_kinds.test_generation.stages import VERIFYING, Meter
from forge_kinds.test_generation.work import Job, Measured, Standing, files_of, node_id

MAX_ROUNDS: Final = 3


@dataclass(frozen=True)
class Verified:
    """What is delivered: tests by module, what each adds by name, and what is covered with all of them."""

    kept: Mapping[Module, list[Test]] = field(default_factory=dict)
    adds: Mapping[Module, Mapping[str, Items]] = field(default_factory=dict)
    covered: Items = frozenset()
    runs: int = 0
    """Of the new tests."""
    together: int = 0
    """Of these, how many with the repository's own."""
    why_nothing: str = ""


def verified(job: Job, before: Measured, standing: Standing) -> Verified:
    """Run until what is left passes each time. What fails is dropped; what then adds nothing too."""
    meter = Meter(job.log.report, VERIFYING, MAX_ROUNDS, parts="rounds")
    kept = {module: list(tests) for module, tests in standing.kept.items()}
    for number in range(MAX_ROUNDS):
        if not any(kept.values()):
            break
        meter.begin("the new tests with the repository's own" if before.own else "the new tests")
        together = job.budget.together(before.own_seconds) if before.own else 0
        ran = _run(job, kept, together)
        meter.done()
        if isinstance(ran, str):
            return Verified(covered=before.before, why_nothing=ran)
        if gone := _failed(job, standing, kept, ran):
            job.log.say(f"Verification, round {number + 1}: {gone} new tests are dropped")
            continue
        if names := disturbed(before.own, ran[0]):
            return Verified(
                covered=before.before,
                why_nothing=f"Beside the new tests {names[0][:200]} fails, which passed before; nothing is delivered.",
            )
        meter.done(MAX_ROUNDS - number - 1)
        return replace(_delivered(job, before, standing, kept, ran[-1]), runs=RUNS, together=together)
    return Verified(
        covered=before.before, why_nothing="" if not any(kept.values()) else "Some new test failed each time."
    )


def _run(job: Job, kept: Mapping[Module, list[Test]], together: int) -> tuple[answers.Measured, ...] | str:
    """Three runs of the new tests, so many of them with the repository's own. What went wrong, if it did."""
    asked = [(list(range(RUNS)), together > 0)] if together in {0, RUNS} else [([0], True), (list(range(RUNS)), False)]
    files = files_of(job, kept)
    found = []
    for seeds, own in asked:
        options = {
            "sources": job.sources, "seeds": seeds, "own": own, "new": sorted(files), "test_seconds": TEST_SECONDS,
        }  # fmt: skip
        seconds = max(10.0, job.budget.left)
        question = Question("measure", options, seconds, {path.encode(): body for path, body in files.items()})
        try:
            ran = job.asker.ask(question, answers.Measured)
        except Unanswered as why:
            return f"The new tests could not be run together: {why}"
        if not ran.complete:
            how = ran.runs[-1].how if ran.runs else "no run began"
            return f"The new tests could not be run together: {how}"
        found.append(ran)
    return tuple(found)


def _failed(job: Job, standing: Standing, kept: dict[Module, list[Test]], ran: tuple[answers.Measured, ...]) -> int:
    """Take out the tests against which a run speaks."""
    gone = 0
    runs = [run for each in ran for run in each.runs]
    for module, tests in kept.items():
        for test in list(tests):
            if why := objection(node_id(job, module, test), runs):
                standing.dropped.append(Dropped(module.name, test.kind, test.name, why))
                tests.remove(test)
                gone += 1
    return gone


def _delivered(
    job: Job, before: Measured, standing: Standing, kept: Mapping[Module, list[Test]], last: answers.Measured
) -> Verified:
    """Those that still add something in the end, each with what it adds to what the repository covers by itself."""
    known = set(job.sources)
    imported = items_of(last.imported, known)
    base = before.before | imported
    by_id = {node_id(job, module, test): (module, test) for module, tests in kept.items() for test in tests}
    candidates = [
        Candidate(name, test.tier, items_of(last.contexts.get(name, {}), known) & before.whole.everything())
        for name, (_module, test) in by_id.items()
    ]
    chosen = {each.name: each.adds for each in select(base, candidates)}
    found: dict[Module, list[Test]] = {}
    adds: dict[Module, dict[str, Items]] = {}
    covered: set[Item] = set(base) if chosen else set(before.before)
    for name, (module, test) in by_id.items():
        if name in chosen:
            found.setdefault(module, []).append(test)
            adds.setdefault(module, {})[test.name] = chosen[name]
            covered |= chosen[name]
        else:
            standing.dropped.append(
                Dropped(module.name, test.kind, test.name, "it covers nothing that isn't covered without it")
            )
    return Verified(found, adds, covered & before.whole.everything())
