"""Tests for one module after the other: found in the sandbox, taken apart here, judged in the sandbox, chosen here."""

from collections.abc import Mapping
from typing import Final

from forge_kinds.test_generation import answers
from forge_kinds.test_generation.asking import Question, Unanswered
from forge_kinds.test_generation.budgeting import RUNS, Budget
from forge_kinds.test_generation.covered import Item, items_of, runs
from forge_kinds.test_generation.judging import objection
from forge_kinds.test_generation.measuring import TEST_SECONDS
from forge_kinds.test_generation.modules import Module
from forge_kinds.test_generation.notes import Note
from forge_kinds.test_generation.selecting import Candidate, select
from forge_kinds.test_generation.splitting import Dropped, Test, split
from forge_kinds.test_generation.stages import GENERATING, Meter
from forge_kinds.test_generation.work import Job, Measured, Standing, files_of, node_id

SEED: Final = 1
MAX_RANGES: Final = 100


def generated(job: Job, before: Measured, in_order: bool) -> Standing:
    """Take the targets in turn while there is time: as they were named, or that first in which most is uncovered."""
    standing = Standing(set(before.before))
    left = list(job.modules)
    meter = Meter(job.log.report, GENERATING, len(left), parts="modules")
    while left:
        if not in_order:
            left.sort(key=lambda module: -before.whole.missing(module.path, standing.covered))
        module = left.pop(0)
        if not before.whole.missing(module.path, standing.covered):
            job.notes.add(Note.COVERED, module.path)
        elif share := job.budget.share(len(left) + 1, before.own_seconds):
            meter.begin(module.name)
            _target(job, before, standing, module, share)
        else:
            meter.begin("no time is left")
            job.notes.add(Note.NO_TIME, module.path)
        meter.done()
    return standing


def _target(job: Job, before: Measured, standing: Standing, module: Module, share: float) -> None:
    try:
        found = job.asker.ask(_search(job, before, standing, module, share), answers.Searched)
    except Unanswered as why:
        job.log.say(f"{module.name}: no tests were found: {why}")
        return
    for line in found.said:
        job.log.say(f"{module.name}: {line}")
    tests, dropped = split(module, found, job.folder)
    standing.dropped += dropped
    if tests:
        _judge(job, standing, module, tests, job.budget.at_most(share, before.own_seconds))


def _search(job: Job, before: Measured, standing: Standing, module: Module, share: float) -> Question:
    """The module's own root comes first; where a part is covered, only the rest is searched for."""
    lines = before.whole.missing_lines(module.path, standing.covered)
    partly = before.whole.missing(module.path, frozenset()) > before.whole.missing(module.path, standing.covered)
    ranges = runs(lines) if partly else []
    options = {
        "module": module.name, "path": module.path, "root": module.root, "seed": SEED, "search": Budget.search(share),
        "lines": ranges if len(ranges) <= MAX_RANGES else [],
    }  # fmt: skip
    return Question("search", options, job.budget.at_most(share, before.own_seconds))


def _judge(job: Job, standing: Standing, module: Module, tests: list[Test], seconds: float) -> None:
    """Each test by itself in three runs; those that pass and add to what is covered by now are kept."""
    files = files_of(job, {module: tests})
    options = {
        "sources": job.sources, "seeds": list(range(RUNS)), "own": False, "new": sorted(files),
        "test_seconds": TEST_SECONDS,
    }  # fmt: skip
    question = Question("measure", options, seconds, {path.encode(): body for path, body in files.items()})
    try:
        judged = job.asker.ask(question, answers.Measured)
    except Unanswered as why:
        job.log.say(f"{module.name}: {len(tests)} tests could not be judged: {why}")
        return
    if not judged.complete:
        how = judged.runs[-1].how if judged.runs else "no run began"
        job.log.say(f"{module.name}: {len(tests)} tests could not be judged: {how}")
        return
    kept = _chosen(job, standing, module, tests, judged)
    if kept:
        standing.kept[module] = kept
    job.log.say(f"{module.name}: {len(kept)} of {len(tests)} tests kept")


def _chosen(job: Job, standing: Standing, module: Module, tests: list[Test], judged: answers.Measured) -> list[Test]:
    known = set(job.sources)
    standing_now = standing.covered | items_of(judged.imported, known)
    candidates, by_id = [], {}
    for test in tests:
        name = node_id(job, module, test)
        if why := objection(name, judged.runs):
            standing.dropped.append(Dropped(module.name, test.kind, test.name, why))
            continue
        by_id[name] = test
        candidates.append(Candidate(name, test.tier, items_of(judged.contexts.get(name, {}), known)))
    kept = {each.name: each.adds for each in select(standing_now, candidates)}
    standing.dropped += [
        Dropped(module.name, test.kind, test.name, "it covers nothing that isn't covered without it")
        for name, test in by_id.items()
        if name not in kept
    ]
    if kept:
        standing.covered |= _united(kept) | items_of(judged.imported, known)
    return [test for name, test in by_id.items() if name in kept]


def _united(adds: Mapping[str, frozenset[Item]]) -> frozenset[Item]:
    return frozenset[Item]().union(*adds.values())
