"""The repository's tests, in the sandbox, before the changes and with them; what makes one fail is put back."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from forge_core.assignment import Sandbox as Terms
from forge_core.sandbox import Answer, Bounds, Ended
from forge_kinds.refactoring.bisecting import Found, Search
from forge_kinds.refactoring.config import Verify
from forge_kinds.refactoring.stages import TESTING, Meter
from forge_kinds.refactoring.suites import Ran, Suite, suite_of
from forge_kinds.refactoring.verdicts import Bodies, Verdicts
from forge_runner.report import Report, Transient
from forge_runner.sandbox import Sandbox, SandboxLost, Tree
from forge_runner.sandboxed.archive import MAX_TREE_BYTES, archive, size_of
from forge_runner.sandboxed.installing import install, path_of
from forge_runner.sandboxed.terms import check_installed, check_sandbox
from forge_runner.workspace import Checkout

MAX_RUNS: Final = 40
_LOG_BYTES: Final = 256 * 1024
_RESERVE: Final = 60.0
"""Seconds of the attempt that are left for the patch."""

Unit = tuple[str, ...]
"""Paths of files that are kept or put back together."""


@dataclass(frozen=True)
class Tested:
    """What the tests said."""

    refused: Mapping[str, str] = field(default_factory=dict)
    """Path -> why it is put back."""
    partly: Mapping[str, Found[str]] = field(default_factory=dict)
    """Path -> which of the rules that changed it hold, and why the others are put back."""
    document: Mapping[str, Any] = field(default_factory=dict)
    """For the summary."""
    log: bytes = b""
    """What they printed."""


@dataclass(frozen=True)
class Question:
    """What is to be tried: the changed files as the runner holds them, and what of them may be left out."""

    verify: Verify
    units: Sequence[Unit]
    bodies: Bodies
    rules: Mapping[str, Sequence[str]]
    """Path -> the rules that changed it, of a file that may be changed without some of them."""
    remade: Callable[[str, Collection[str]], bytes]
    """The content of such a file, changed without these rules."""


@dataclass(frozen=True)
class Trial:
    """A question, and where it is answered."""

    checkout: Checkout
    question: Question
    report: Report
    deadline: float
    """When the attempt is over, on the monotonic clock."""


def check_terms(verify: Verify, terms: Terms | None) -> None:
    """Raises Permanent for what the queue doesn't offer, before anything is done."""
    offered = check_sandbox(terms, "config.verify: ", "a repository's tests", "Leave verify out, or ask")
    check_installed(offered, "config.verify.install", verify.install)


def tested(trial: Trial, terms: Terms, volume: Path, folder: Path) -> Tested:
    """Run the tests as often as it takes. Raises Transient when the sandbox is lost."""
    suite = suite_of(trial.question.verify, trial.checkout.entries)
    if suite is None:
        return _unverified("pytest", "No file of the repository is named as pytest's tests are.")
    if size_of(trial.checkout) > MAX_TREE_BYTES:
        return _unverified(_shown(suite), f"The repository is over {MAX_TREE_BYTES // 1024**2} MiB.")
    tree = archive(trial.checkout, folder)
    try:
        with Sandbox.connected(volume) as sandbox:
            meter = Meter(trial.report, TESTING, len(trial.question.units) + 1, parts="parts")
            return _Trying(trial, suite, sandbox, tree, meter).result(terms.index)
    except SandboxLost as lost:
        raise Transient(f"The repository's tests could not be run: {lost}") from None


@dataclass
class _Trying:
    """One connection to the sandbox, and what was seen by it."""

    trial: Trial
    suite: Suite
    sandbox: Sandbox
    archive: Path
    meter: Meter
    environment: dict[str, str] = field(default_factory=lambda: {"PYTHONHASHSEED": "0"})
    runs: int = 0
    longest: float = 0.0
    log: bytearray = field(default_factory=bytearray)

    def result(self, index: str) -> Tested:
        """Install, run before, run with everything, find what holds."""
        verify = self.trial.question.verify
        if verify.install:
            self.meter.begin("installing dependencies")
            wanted = [*verify.install, *(["pytest"] if verify.pytest else [])]
            answer = install(self.sandbox, Tree(self.archive), wanted, index, self._bounds())
            if answer.ended is not Ended.EXITED or answer.code:
                self._note("installing", answer)
                return self._unverified("The dependencies could not be installed; see tests.log.")
            self.environment["PATH"] = path_of(self.sandbox)
        self.meter.begin("tests before the changes")
        before = self._run({})
        self.meter.done()
        if before.broken:
            return self._unverified(f"Without any change, {before.broken}", before)
        if verify.command and before.failing:
            return self._unverified(f"Without any change fails {min(before.failing)}", before)
        if self._spent():
            return self._unverified(f"There was no time for a second run: {self._spent()}", before)
        return self._searched(before)

    def _searched(self, before: Ran) -> Tested:
        self.meter.begin("tests with the changes")
        verdicts = Verdicts(self._run, before, self._spent)
        bodies = self.trial.question.bodies

        def objection(units: Sequence[Unit]) -> str:
            return verdicts.objection({path: bodies[path] for unit in units for path in unit})

        found = Search(objection, self._spent, self.meter.done).run(self.trial.question.units)
        held = {path: bodies[path] for unit in found.kept for path in unit}
        refused: dict[str, str] = {}
        partly: dict[str, Found[str]] = {}
        for unit, why in found.dropped:
            part = self._in_parts(unit, why, held, verdicts)
            if part.kept:
                partly[unit[0]] = part
            else:
                refused |= dict.fromkeys(unit, why)
        status = "some-dropped" if refused or partly else "hold"
        sentence = _sentence(len(held), len(partly), len(refused)) + verdicts.aside()
        document = {
            **_told(_shown(self.suite), status, sentence),
            "before": before.document(), "after": verdicts.last.document(), "runs": self.runs,
            **verdicts.document(),
            "files": {"kept": len(held) - len(partly), "partly": len(partly), "dropped": len(refused)},
        }  # fmt: skip
        return Tested(refused, partly, document, bytes(self.log))

    def _in_parts(self, unit: Unit, why: str, held: dict[str, tuple[bytes, bytes]], verdicts: Verdicts) -> Found[str]:
        """Which of the rules that changed a file hold together; `why` speaks against all of them.

        The file as it holds is added to `held`.
        """
        path = unit[0]
        rules = self.trial.question.rules.get(path, ()) if len(unit) == 1 else ()
        if len(rules) < 2:
            return Found()
        self.meter.begin(f"tests with a part of {path[:100]}")

        def body(chosen: Sequence[str]) -> tuple[bytes, bytes]:
            return self.trial.question.bodies[path][0], self.trial.question.remade(path, set(rules).difference(chosen))

        def objection(chosen: Sequence[str]) -> str:
            return verdicts.objection({**held, path: body(chosen)})

        found = Search(objection, self._spent).run(rules, known=why)
        if found.kept:
            held[path] = body(found.kept)
        return found

    def _run(self, bodies: Bodies) -> Ran:
        began = time.monotonic()
        tree = Tree(self.archive, dict(bodies.values()))
        answer = self.sandbox.run(self.suite.argv, self._bounds(), tree, self.environment)
        self.runs += 1
        self.longest = max(self.longest, time.monotonic() - began)
        ran = self.suite.read(answer)
        self._note(f"run {self.runs}, with {len(bodies)} changed files", answer)
        outcome = ran.broken or f"{len(ran.failing)} failing"
        self.trial.report.log(f"tests, run {self.runs} with {len(bodies)} changed files: {outcome}")
        return ran

    def _bounds(self) -> Bounds:
        left = self.trial.deadline - time.monotonic() - _RESERVE
        return Bounds(seconds=max(1.0, min(self.trial.question.verify.timeout, left)))

    def _spent(self) -> str:
        if self.runs >= MAX_RUNS:
            return f"It was not tried: {MAX_RUNS} runs of the tests are what one job takes."
        if time.monotonic() + self.longest > self.trial.deadline - _RESERVE:
            return "It was not tried: the job's timeout leaves no time for another run of the tests."
        return ""

    def _note(self, what: str, answer: Answer) -> None:
        head = f"=== {what}: {answer.ended}, code {answer.code}\n"
        text = f"{head}{answer.output.rstrip()}\n\n".encode(errors="replace")
        if len(self.log) + len(text) <= 8 * _LOG_BYTES:
            self.log += text

    def _unverified(self, why: str, before: Ran | None = None) -> Tested:
        told = _unverified(_shown(self.suite), why)
        more = {"before": before.document()} if before else {}
        return Tested(document={**told.document, **more, "runs": self.runs}, log=bytes(self.log))


def _sentence(held: int, partly: int, refused: int) -> str:
    if not held:
        return f"The tests hold with none of the changes; {refused:,} were put back."
    back = [f"{partly:,} were put back in part"] * bool(partly) + [f"{refused:,} were put back"] * bool(refused)
    return f"The tests hold with {held:,} changed files{'; ' * bool(back)}{' and '.join(back)}."


def _unverified(ran: str, why: str) -> Tested:
    return Tested(document=_told(ran, "unverified", f"Not verified by tests. {why}"))


def _told(ran: str, status: str, message: str) -> dict[str, Any]:
    return {"ran": ran, "status": status, "message": message[:1000]}


def _shown(suite: Suite) -> str:
    return " ".join(suite.argv)[:300]
