"""Messages between our programs: bounds, sentences, and texts that aren't any."""

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from forge_core.wire import Message, Strict, Unreadable, checked, converted, read


class Inner(Message, frozen=True):
    """A part of another."""

    size: Annotated[int, Meta(ge=0, le=9)]


class Outer(Strict, frozen=True):
    """One that refuses what it doesn't know."""

    name: Annotated[str, Meta(max_length=5)]
    inner: Inner = Inner(1)


def test_a_message_reads_back_as_it_was_written() -> None:
    message = Outer("name", Inner(9))
    assert read(message.encode(), Outer) == read(message.body(), Outer) == message
    assert message.changed(name="other") == Outer("other", Inner(9))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{}", "name: Field required"),
        ('{"name": "n", "more": 1}', "more: Unknown field"),
        ('{"name": "n", "inner": {}}', "inner.size: Field required"),
        ('{"name": "n", "inner": {"size": 10}}', "inner.size: Expected `int` <= 9"),
        ('{"name": "n", "inner": {"size": true}}', "inner.size: Expected `int`, got `bool`"),
        ('{"name": "n", "inner": {"size": "1"}}', "inner.size: Expected `int`, got `str`"),
        ('{"name": "longer"}', "name: Expected `str` of length <= 5"),
        ('{"name": "\\ud800"}', "surrogate|truncated"),
        (b'{"name": "\xff"}', "(?i)utf-8"),
        ('{"name": NaN}', "malformed"),
        ("[" * 100_000, "Expected `object`|Nested too deeply"),
        ('{"' + "x" * 10_000 + '": 1}', "Unknown field|xxx"),
    ],
)
def test_what_is_none_is_refused_with_the_field(text: str | bytes, sentence: str) -> None:
    with pytest.raises(Unreadable, match=sentence) as refused:
        read(text, Outer)
    assert len(str(refused.value)) <= 300


def test_a_nesting_that_no_reader_bears_is_refused() -> None:
    class Anything(Message, frozen=True):
        value: Any

    with pytest.raises(Unreadable, match="Nested too deeply"):
        read('{"value": ' + "[" * 100_000 + "]" * 100_000 + "}", Anything)


def test_unknown_fields_are_passed_over_where_another_release_may_speak() -> None:
    assert read('{"size": 1, "later": {}}', Inner) == Inner(1)
    assert converted({"size": 1, "later": {}}, Inner) == Inner(1)


def test_what_was_made_out_of_bounds_is_found_by_checking_it() -> None:
    assert checked(Outer("name")) == Outer("name")
    with pytest.raises(Unreadable, match=r"inner\.size"):
        checked(Outer("name", Inner(10)))


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_no_text_does_more_than_be_refused(text: str | bytes) -> None:
    with pytest.raises(Unreadable):
        read(text, Outer)
