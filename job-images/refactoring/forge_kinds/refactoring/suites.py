"""A repository's tests as a command, and what its output says: which tests fail, and whether they all ran."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from forge_core.sandbox import Answer, Ended
from forge_kinds.refactoring.config import Verify
from forge_runner.sandboxed.telling import HOW, MAX_LINE, has_tests, last_line
from forge_runner.workspace.tree import Entry

SHOWN: Final = 3
_PYTEST: Final = (
    "python", "-m", "pytest", "-q", "-rfE", "--tb=short", "--color=no", "-p", "no:cacheprovider",
    "--continue-on-collection-errors",
)  # fmt: skip
_SUMMARY: Final = re.compile(r"^=+ short test summary info =+$", re.MULTILINE)
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (.{1,1000}?)(?: - .*)?$", re.MULTILINE)
_COUNT: Final = re.compile(r"\b([0-9]{1,9}) (passed|failed|errors?|skipped|xfailed|xpassed)\b")


@dataclass(frozen=True)
class Ran:
    """One run. `broken` says why it tells nothing, "" when it does; `counts` by pytest's own words."""

    failing: frozenset[str] = frozenset()
    counts: dict[str, int] = field(default_factory=dict)
    broken: str = ""

    @property
    def total(self) -> int:
        """Tests that were looked at."""
        return sum(self.counts.values())

    def objection(self, before: "Ran", unsteady: Collection[str] = ()) -> str:
        """What speaks against the changes that this run had and `before` hadn't; "" when nothing does.

        Tests that are `unsteady` don't.
        """
        if self.broken:
            return f"With it, {self.broken}"
        if new := sorted(self.failing - before.failing - set(unsteady)):
            more = f" and {len(new) - SHOWN} more" if len(new) > SHOWN else ""
            named = ", ".join(name[:MAX_LINE] for name in new[:SHOWN])
            return f"With it fails what passed before: {named}{more}."
        if self.total < before.total:
            return f"With it, {self.total} instead of {before.total} tests are found."
        return ""

    def document(self) -> dict[str, object]:
        """For the summary."""
        told = {"failing": len(self.failing), "shown": shown(self.failing), "counts": dict(sorted(self.counts.items()))}
        return {**told, "broken": self.broken} if self.broken else told


def shown(tests: Collection[str]) -> list[str]:
    """The first of their names, each cut to a line: what the repository calls its tests may be of any length."""
    return [name[:MAX_LINE] for name in sorted(tests)[:20]]


class Suite(Protocol):
    """How the tests are run, and read."""

    @property
    def argv(self) -> tuple[str, ...]:
        """The command."""
        ...

    def read(self, answer: Answer) -> Ran:
        """What a run says."""
        ...


@dataclass(frozen=True)
class Command:
    """Any command: it fails as a whole, and nobody knows of what it tests."""

    argv: tuple[str, ...]

    def read(self, answer: Answer) -> Ran:
        """Fails by its exit code."""
        if answer.ended is not Ended.EXITED:
            return Ran(broken=_broken("the command", answer))
        if answer.code in {126, 127}:  # what a shell or env says of a program that isn't there
            return Ran(broken=f"the command ended with code {answer.code}: {last_line(answer)}")
        name = f"the command, with code {answer.code}: {last_line(answer)}"
        return Ran(frozenset({name}) if answer.code else frozenset())


@dataclass(frozen=True)
class Pytest:
    """pytest, which names each test that fails."""

    argv: tuple[str, ...] = _PYTEST

    def read(self, answer: Answer) -> Ran:
        """Failures by node id; a module that can't be collected counts as one."""
        if answer.ended is not Ended.EXITED:
            return Ran(broken=_broken("pytest", answer))
        if answer.code == 5:
            return Ran(broken="pytest finds no tests.")
        listed = _SUMMARY.split(answer.output)[-1] if _SUMMARY.search(answer.output) else ""
        if answer.code not in {0, 1} or bool(listed) != bool(answer.code):
            return Ran(broken=f"pytest ended with code {answer.code}: {last_line(answer)}")
        last = answer.output.strip().rpartition("\n")[2]
        counts = {word.removesuffix("s"): int(count) for count, word in _COUNT.findall(last)}
        return Ran(frozenset(_FAILED.findall(listed)), counts)


def suite_of(verify: Verify, entries: Iterable[Entry]) -> Suite | None:
    """How a job wants its tests run; None when pytest would find none."""
    if verify.command:
        return Command(verify.command)
    return Pytest() if has_tests(entries) else None


def _broken(what: str, answer: Answer) -> str:
    return f"{what} {HOW[answer.ended]}: {last_line(answer)}"
