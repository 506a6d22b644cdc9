"""Which tests are kept: each adds, none is needless, and together they cover all that the candidates cover."""

from hypothesis import given
from hypothesis import strategies as st

from forge_kinds.test_generation.covered import Item
from forge_kinds.test_generation.selecting import Candidate, select


def a_candidate(name: str, *lines: int, tier: int = 1) -> Candidate:
    return Candidate(name, tier, frozenset(("a.py", line) for line in lines))


def lines(items: frozenset[Item]) -> list[int]:
    return sorted(item[1] for item in items)


def test_the_one_that_covers_most_makes_the_others_needless() -> None:
    kept = select(set(), [a_candidate("small", 1), a_candidate("large", 1, 2, 3), a_candidate("middle", 2, 3)])
    assert [(each.name, lines(each.adds)) for each in kept] == [("large", [1, 2, 3])]


def test_what_was_covered_before_counts_for_nothing() -> None:
    base = frozenset({("a.py", 1), ("a.py", 2)})
    kept = select(base, [a_candidate("old", 1, 2), a_candidate("new", 1, 2, 3)])
    assert [(each.name, lines(each.adds)) for each in kept] == [("new", [3])]


def test_a_branch_alone_is_a_gain() -> None:
    branch = Candidate("branch", 1, frozenset({("a.py", 1), ("a.py", 1, 5)}))
    assert [each.name for each in select({("a.py", 1)}, [branch])] == ["branch"]


def test_of_two_that_cover_the_same_the_one_that_says_more_is_kept() -> None:
    same = [a_candidate("weak", 1, 2, 3, tier=2), a_candidate("strong", 1, 2, 3, tier=0)]
    assert [each.name for each in select(set(), same)] == ["strong"]


def test_one_that_later_ones_make_needless_goes() -> None:
    chosen = [a_candidate("first", 1, 2, 3, 4), a_candidate("left", 1, 2, 5, 6), a_candidate("right", 3, 4, 7)]
    assert [each.name for each in select(set(), chosen)] == ["left", "right"]


def test_of_nothing_nothing_is_kept() -> None:
    assert select(set(), []) == ()
    assert select(set(), [a_candidate("empty")]) == ()


ITEMS = st.frozensets(st.tuples(st.just("a.py"), st.integers(1, 12)), max_size=6)
CANDIDATES = st.lists(st.tuples(st.integers(0, 2), ITEMS), max_size=8).map(
    lambda pairs: [Candidate(f"t{number}", tier, covers) for number, (tier, covers) in enumerate(pairs)]
)


@given(base=ITEMS, candidates=CANDIDATES)
def test_nothing_is_lost_and_each_adds_what_no_other_before_it_does(
    base: frozenset[Item], candidates: list[Candidate]
) -> None:
    kept = select(base, candidates)
    everything = frozenset[Item]().union(*(each.covers for each in candidates))
    added = [item for each in kept for item in each.adds]
    assert base | set(added) == base | everything
    assert len(added) == len(set(added))
    assert base.isdisjoint(added)
    assert all(each.adds for each in kept)
    by_name = {each.name: each.covers for each in candidates}
    for each in kept:  # without it something would be missing
        others = set(base).union(*(by_name[other.name] for other in kept if other is not each))
        assert not by_name[each.name] <= others
    assert kept == select(base, candidates)
