"""How the repository stands: which modules can be imported, and what its own tests cover."""

from collections.abc import Sequence
from typing import Final

from forge_kinds.test_generation import answers
from forge_kinds.test_generation.asking import Asker, Question, Unanswered
from forge_kinds.test_generation.budgeting import Budget
from forge_kinds.test_generation.covered import Whole, items_of
from forge_kinds.test_generation.judging import counts
from forge_kinds.test_generation.modules import Module
from forge_kinds.test_generation.notes import Note, Notes
from forge_kinds.test_generation.work import Job, Log, Measured
from forge_runner.report import Permanent, Transient
from forge_runner.sandboxed.telling import has_tests

IMPORTING_SECONDS: Final = 90.0
IMPORT_SECONDS: Final = 20.0
"""In which one module must be imported."""
TEST_SECONDS: Final = 20.0
"""Of one new test."""
MAX_REASONS: Final = 5


def importable(asker: Asker, modules: Sequence[Module], notes: Notes, log: Log, budget: Budget) -> list[Module]:
    """Those that can be imported. Raises Permanent, with reasons, when none can."""
    question = Question(
        "import", {"modules": {module.path: module.name for module in modules}},
        min(IMPORTING_SECONDS, budget.measuring()), quiet=IMPORT_SECONDS,
    )  # fmt: skip
    try:
        found = asker.ask(question, answers.Imported).modules
    except Unanswered as why:
        raise Permanent(f"No module can be imported in the sandbox: {why}"[:900]) from None
    refused = {module: found.get(module.path, "nothing was said of it") for module in modules}
    for module, reason in refused.items():
        if reason:
            notes.add(Note.NOT_IMPORTABLE, module.path)
            log.say(f"{module.path} can't be imported: {reason}")
    good = [module for module, reason in refused.items() if not reason]
    if not good:
        reasons = [f"{module.name}: {reason}" for module, reason in refused.items()][:MAX_REASONS]
        raise Permanent(
            f"None of {len(modules)} modules can be imported; if something has to be installed, name it in "
            f"config.install. {'; '.join(reasons)}"[:900]
        )
    return good


def measured(job: Job) -> Measured:
    """Run the repository's own tests, if it has any, and see what they cover."""
    own = has_tests(job.checkout.entries)
    run: answers.Run | None = None
    try:
        answer: answers.Measured | None = job.asker.ask(_question(job, own, job.budget.measuring()), answers.Measured)
    except Unanswered as why:
        job.log.say(f"The repository's own tests told nothing, and count as none: {why}")
        answer = None
    seconds = job.asker.seconds
    if answer is not None and answer.complete:
        run = answer.runs[0]
        for note in run.notes:
            job.log.say(f"The repository's own tests were run {note}")
        job.log.say(f"The repository's own tests: {dict(counts(run)) or 'none'}")
        for name in sorted(run.failing)[:20]:
            job.log.say(f"Fails before anything is added: {name}: {run.why.get(name, '')}")
    elif answer is not None:
        job.log.say(f"The repository's own tests told nothing, and count as none: {answer.runs[0].how}")
        answer = None
    if answer is None:  # what there is to cover is known without them
        answer, seconds = _without_tests(job), 0.0
    known = set(job.sources)
    whole = Whole.of(answer.coverage, known)
    before = items_of(answer.coverage, known)
    return Measured(whole, before & whole.everything(), run if own else None, seconds if own else 0.0)


def _without_tests(job: Job) -> answers.Measured:
    try:
        answer = job.asker.ask(_question(job, False, job.budget.left / 2), answers.Measured)
    except Unanswered as why:
        raise Transient(f"What there is to cover can't be measured in the sandbox: {why}"[:900]) from None
    if not answer.complete or not answer.coverage:
        how = answer.runs[-1].how if answer.runs else "there was no time"
        raise Transient(f"What there is to cover can't be measured in the sandbox: {how}"[:900])
    return answer


def _question(job: Job, own: bool, seconds: float) -> Question:
    options = {
        "sources": job.sources, "seeds": [0], "own": own, "new": [], "test_seconds": TEST_SECONDS,
    }  # fmt: skip
    return Question("measure", options, seconds)
