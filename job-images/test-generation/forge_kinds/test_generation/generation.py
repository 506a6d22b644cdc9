"""The test generation of one commit, from its URL to its patch."""

import shutil
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

from forge_core.assignment import Assignment
from forge_core.assignment import Sandbox as Terms
from forge_core.sandbox import Bounds, Ended
from forge_kinds.test_generation.asking import Asker
from forge_kinds.test_generation.budgeting import Budget
from forge_kinds.test_generation.config import TestGenerationConfig
from forge_kinds.test_generation.measuring import importable, measured
from forge_kinds.test_generation.modules import plan, roots_of
from forge_kinds.test_generation.notes import Notes
from forge_kinds.test_generation.stages import MEASURING, Meter
from forge_kinds.test_generation.summary import COVERAGE, LOG, PATCH, TESTS, Outcome, coverage_list, summary, test_list
from forge_kinds.test_generation.targeting import generated
from forge_kinds.test_generation.verifying import verified
from forge_kinds.test_generation.work import Job, Log, files_of
from forge_runner.kinds import Artifact, Result
from forge_runner.report import Permanent, Report, Transient
from forge_runner.sandbox import Sandbox, SandboxLost, Tree, shared_volume
from forge_runner.sandboxed.archive import MAX_TREE_BYTES, archive, size_of
from forge_runner.sandboxed.installing import check_requirements, install, packages_of
from forge_runner.sandboxed.terms import check_installed, check_sandbox
from forge_runner.sources.patching import Patch, patch_of
from forge_runner.workspace import Checkout, fetch
from forge_runner.workspace.checkout import Options

TOOLS: Final = ("pynguin", "hypothesis", "coverage", "pytest")


def generate(
    assignment: Assignment,
    workdir: Path,
    report: Report,
    options: Options | None = None,
    volume: Path | None = None,
) -> Result:
    """Do the whole work of one attempt. Raises Permanent or Transient.

    `volume` is what the sandbox shares, if not where a pod has it.
    """
    began = time.monotonic()
    config = TestGenerationConfig.read(assignment.config)
    terms = check_sandbox(assignment.sandbox, "", "a repository's code", "Ask")
    check_installed(terms, "config.install", config.install)
    folder = Path(tempfile.mkdtemp(prefix="tools-", dir=workdir))
    try:
        checkout = fetch(assignment, workdir, report, options or Options())
        report.log(f"Fetched commit {checkout.commit}: {len(checkout.entries):,} entries")
        check_requirements(checkout, "config.install", config.install)
        if size_of(checkout) > MAX_TREE_BYTES:
            raise Permanent(
                f"The repository is over {MAX_TREE_BYTES // 1024**2} MiB, which is more than a sandbox takes."
            )
        budget = Budget.of(config.budget, assignment.timeout, began)
        tree = archive(checkout, folder)
        with Sandbox.connected(volume or shared_volume()) as sandbox:
            return _Generation(checkout, config, budget, Log(report), folder).result(sandbox, tree, terms)
    except SandboxLost as lost:
        raise Transient(f"The repository's code could not be run: {lost}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Generation:
    """The steps of one job, in order."""

    def __init__(
        self, checkout: Checkout, config: TestGenerationConfig, budget: Budget, log: Log, folder: Path
    ) -> None:
        self._checkout, self._config, self._budget = checkout, config, budget
        self._log, self._folder = log, folder

    def result(self, sandbox: Sandbox, tree: Path, terms: Terms) -> Result:
        """Measure, generate, verify, make the patch."""
        notes = Notes()
        planned = plan(self._checkout.entries, self._config, notes)
        meter = Meter(self._log.report, MEASURING, 2, parts="steps")
        asker = Asker(sandbox, tree, roots_of(planned), self._installed(sandbox, tree, terms))
        modules = importable(asker, planned, notes, self._log, self._budget)
        meter.begin("modules are imported")
        meter.done()
        job = Job(self._checkout, asker, self._budget, modules, notes, self._log, self._folder)
        before = measured(job)
        meter.begin("the repository's own tests")
        meter.done()
        standing = generated(job, before, in_order=bool(self._config.targets))
        found = verified(job, before, standing)
        patch = self._patch(files_of(job, found.kept, found.adds))
        return self._told(Outcome(job, before, found, standing.dropped, patch, {tool: version(tool) for tool in TOOLS}))

    def _installed(self, sandbox: Sandbox, tree: Path, terms: Terms) -> str:
        if not self._config.install:
            return ""
        bounds = Bounds(seconds=self._budget.measuring())
        answer = install(sandbox, Tree(tree), self._config.install, terms.index, bounds)
        for line in answer.output.splitlines()[-20:]:
            self._log.say(f"installing: {line}")
        if answer.ended is not Ended.EXITED or answer.code:
            lines = [line.strip() for line in answer.output.splitlines() if line.strip()]
            raise Permanent(f"config.install: it can't be installed: {lines[-1] if lines else answer.ended}"[:900])
        return packages_of(sandbox)

    def _patch(self, files: Mapping[str, bytes]) -> Patch:
        """All of them are new: nothing of the commit was written here."""
        for path, body in files.items():
            where = self._checkout.root / path
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_bytes(body)
        return patch_of(self._checkout, [path.encode() for path in sorted(files)])

    def _told(self, outcome: Outcome) -> Result:
        document = summary(outcome)
        self._log.say(document["message"])
        artifacts = [
            Artifact(TESTS, "application/json", test_list(outcome)),
            Artifact(COVERAGE, "application/json", coverage_list(outcome)),
            Artifact(LOG, "text/plain; charset=utf-8", bytes(self._log.body)),
        ]
        if outcome.patch.files:
            artifacts.insert(0, Artifact(PATCH, "text/x-diff", outcome.patch.body))
        return Result(document, tuple(artifacts))
