"""Which mirrors go: by example and by property. Never one in use."""

from hypothesis import given
from hypothesis import strategies as st

from forge_clones.eviction import Held, Rule, evicted, making_room

NOW = 1_000_000.0
HELD = st.lists(
    st.builds(
        Held,
        key=st.text("abcdef0123456789", min_size=1, max_size=4),
        size=st.integers(0, 1000),
        used_at=st.floats(NOW - 1000, NOW),
        in_use=st.booleans(),
    ),
    unique_by=lambda each: each.key,
    max_size=30,
)
RULES = st.builds(Rule, unused_for=st.floats(0, 1200), max_bytes=st.integers(0, 20_000))


def mirror(key: str, size: int, age: float, *, in_use: bool = False) -> Held:
    return Held(key, size, NOW - age, in_use)


def keys(held: list[Held]) -> str:
    return "".join(each.key for each in held)


def test_what_is_unused_for_too_long_goes_however_small_it_is() -> None:
    held = [mirror("a", 1, age=100), mirror("b", 1, age=99), mirror("c", 1, age=300)]
    assert keys(evicted(held, Rule(100, 1000), NOW)) == "ca"


def test_above_the_size_the_least_recently_used_go_and_no_more_than_needed() -> None:
    held = [mirror("a", 40, age=1), mirror("b", 40, age=3), mirror("c", 40, age=2)]
    assert keys(evicted(held, Rule(1000, 100), NOW)) == "b"
    assert keys(evicted(held, Rule(1000, 79), NOW)) == "bc"
    assert keys(evicted(held, Rule(1000, 120), NOW)) == ""


def test_one_in_use_stays_however_old_and_large_it_is() -> None:
    held = [mirror("a", 500, age=900, in_use=True), mirror("b", 10, age=1)]
    assert keys(evicted(held, Rule(100, 100), NOW)) == "b"


def test_room_is_made_for_what_is_wanted_and_all_that_is_idle_goes_when_it_is_not_enough() -> None:
    held = [mirror("a", 40, age=1), mirror("b", 40, age=3), mirror("c", 40, age=2, in_use=True)]
    assert keys(making_room(held, 1)) == "b"
    assert keys(making_room(held, 1000)) == "ba"
    assert making_room(held, 0) == making_room(held, -5) == []


@given(HELD, RULES)
def test_nothing_in_use_ever_goes_and_nothing_twice(held: list[Held], rule: Rule) -> None:
    gone = evicted(held, rule, NOW)
    assert not any(each.in_use for each in gone)
    assert len({each.key for each in gone}) == len(gone)
    assert set(gone) <= set(held)


@given(HELD, RULES)
def test_afterwards_nothing_idle_is_too_old_and_the_rest_fits_or_is_in_use(held: list[Held], rule: Rule) -> None:
    left = set(held) - set(evicted(held, rule, NOW))
    idle = [each for each in left if not each.in_use]
    assert all(NOW - each.used_at < rule.unused_for for each in idle)
    assert sum(each.size for each in left) <= rule.max_bytes or not idle


@given(HELD, RULES)
def test_whoever_stays_was_used_later_than_whoever_went(held: list[Held], rule: Rule) -> None:
    gone = evicted(held, rule, NOW)
    idle = [each for each in set(held) - set(gone) if not each.in_use]
    assert all(stayed.used_at >= went.used_at for stayed in idle for went in gone)


@given(HELD, RULES)
def test_no_mirror_goes_without_need(held: list[Held], rule: Rule) -> None:
    gone = evicted(held, rule, NOW)
    for_size = [each for each in gone if NOW - each.used_at < rule.unused_for]
    if for_size:
        left = sum(each.size for each in set(held) - set(gone))
        assert left + for_size[-1].size > rule.max_bytes


@given(HELD, RULES, st.randoms())
def test_the_order_in_which_they_are_listed_does_not_matter(held: list[Held], rule: Rule, random: object) -> None:
    shuffled = list(held)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert evicted(shuffled, rule, NOW) == evicted(held, rule, NOW)


@given(HELD, RULES)
def test_what_is_decided_once_leaves_nothing_to_decide(held: list[Held], rule: Rule) -> None:
    left = [each for each in held if each not in evicted(held, rule, NOW)]
    assert evicted(left, rule, NOW) == []
