"""Compares runs of the tests with the one before the changes, and knows tests that fail by chance.

A test that is first seen to fail is seen a second time, in the same run repeated: one that passes then is unsteady and
speaks against nothing from then on, one that fails again needn't be repeated any more.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from forge_kinds.refactoring.suites import Ran, shown

Bodies = Mapping[str, tuple[bytes, bytes]]
"""Path as text -> path as git has it, and content."""


@dataclass
class Verdicts:
    """Each changed tree's, one after the other."""

    run: Callable[[Bodies], Ran]
    before: Ran
    spent: Callable[[], str]
    """Why no further run is to be made, "" while one is."""
    last: Ran = field(init=False)
    """The last run that nothing spoke against."""
    unsteady: set[str] = field(default_factory=set)
    """Tests that failed and passed with the same files."""
    _steady: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.last = self.before

    def objection(self, bodies: Bodies) -> str:
        """Try these files; what speaks against them, "" when nothing does."""
        ran = self.run(bodies)
        doubted = ran.failing - self.before.failing - self.unsteady - self._steady
        if doubted and not ran.broken and not self.spent():
            ran = self._again(bodies, ran, doubted)
        why = ran.objection(self.before, self.unsteady)
        self.last = self.last if why else ran
        return why

    def _again(self, bodies: Bodies, first: Ran, doubted: frozenset[str]) -> Ran:
        """The run to go by, once it was repeated."""
        second = self.run(bodies)
        if second.broken:
            return first
        self._steady |= doubted & second.failing
        self.unsteady |= (first.failing ^ second.failing) - self.before.failing
        return second

    def aside(self) -> str:
        """A sentence about them, to be added to another one; "" where all tests are steady."""
        if not self.unsteady:
            return ""
        many = len(self.unsteady)
        return f" {many:,} {'test fails' if many == 1 else 'tests fail'} by chance and spoke against nothing."

    def document(self) -> dict[str, Any]:
        """For the summary: nothing where all tests are steady."""
        if not self.unsteady:
            return {}
        return {"unsteady": {"tests": len(self.unsteady), "shown": shown(self.unsteady)}}
