"""Which tests are kept: as few as cover all that the candidates cover and nothing covered before."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from forge_kinds.test_generation.covered import Item, Items


@dataclass(frozen=True)
class Candidate:
    """A test that passed each time. Of lower `tier` are those that say more when they fail."""

    name: str
    tier: int
    covers: frozenset[Item]


@dataclass(frozen=True)
class Kept:
    """One that stays, and what it covers that neither the base nor the ones kept before it do."""

    name: str
    adds: frozenset[Item]


def select(base: Items, candidates: Sequence[Candidate]) -> tuple[Kept, ...]:
    """By tier, then by gain, then in the given order; then those that later ones made needless go."""
    covered = set(base)
    chosen: list[Candidate] = []
    for tier in sorted({candidate.tier for candidate in candidates}):
        left = [candidate for candidate in candidates if candidate.tier == tier]
        while left and (best := max(left, key=lambda each: len(each.covers - covered))).covers - covered:
            chosen.append(best)
            covered |= best.covers
            left.remove(best)
    needed = _needed(base, chosen)
    return _told(base, [candidate for candidate in candidates if candidate in needed])


def _needed(base: Items, chosen: Sequence[Candidate]) -> list[Candidate]:
    """The last tier's first: what says less when it fails goes first."""
    kept = list(chosen)
    for candidate in reversed(chosen):
        others = set(base).union(*(each.covers for each in kept if each is not candidate))
        if candidate.covers <= others:
            kept.remove(candidate)
    return kept


def _told(base: Items, kept: Iterable[Candidate]) -> tuple[Kept, ...]:
    covered, told = set(base), []
    for candidate in kept:
        told.append(Kept(candidate.name, candidate.covers - covered))
        covered |= candidate.covers
    return tuple(told)
