"""How our programs' messages to one another are declared, written and read: msgspec's Structs (ADR 0030).

A field's bounds hold for what is read; whoever makes a message keeps to them, or has it `checked`. Not pydantic, as for
what people send us: to import it takes every pod longer than the delivery of a webhook takes in all.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Generic, Self, TypeVar

import msgspec

T = TypeVar("T")
_LONGEST: Final = 300
_WHERE: Final = " - at `"
_FIELD: Final = re.compile(r"Object (missing required|contains unknown) field `(.*)`", re.DOTALL)


class Unreadable(ValueError):
    """A text that isn't such a message; says which field and what is wrong."""


class Message(msgspec.Struct, frozen=True):
    """The base of all: immutable, and what another release says besides is passed over."""

    def encode(self) -> str:
        """JSON, as text."""
        return self.body().decode()

    def body(self) -> bytes:
        """JSON, as a request or an answer carries it."""
        return msgspec.json.encode(self)

    def changed(self, **fields: Any) -> Self:
        """The same but for these fields."""
        return msgspec.structs.replace(self, **fields)


class Strict(Message, frozen=True, forbid_unknown_fields=True):
    """One in which nothing may stand that isn't known."""


class Reader(Generic[T]):
    """Reads one form of message, which may be a union of several that their tags tell apart."""

    def __init__(self, form: Any) -> None:
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(form)

    def __call__(self, text: str | bytes) -> T:
        """The message that a text is. Raises Unreadable, whatever the text is."""
        with _translated():
            return self._decoder.decode(text)


def read(text: str | bytes, form: type[T]) -> T:
    """The message that a text is. Raises Unreadable, whatever the text is."""
    return Reader[T](form)(text)


def converted(values: Mapping[str, Any], form: type[T], *, texts: bool = False) -> T:
    """The message that has these values, as JSON has them, or (`texts`) as variables do. Raises Unreadable."""
    with _translated():
        return msgspec.convert(values, form, strict=not texts, dec_hook=_made if texts else None)


def checked(message: T) -> T:
    """The same message, its bounds kept. Raises Unreadable."""
    return read(msgspec.json.encode(message), type(message))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Unreadable(_sentence(error)) from None


def _made(form: type[T], text: object) -> T:
    """A value of a type that JSON doesn't have, such as a Path, of its text."""
    return form(text)  # type: ignore[call-arg]


def _sentence(error: Exception) -> str:
    """What is wrong, as msgspec says it, after the field where it is."""
    message, _, where = str(error).partition(_WHERE)
    where = where.strip("`").removeprefix("$")
    if isinstance(error, RecursionError):
        message = "Nested too deeply"
    if of_a_field := _FIELD.fullmatch(message):
        what, field = of_a_field.groups()
        where, message = f"{where}.{field}", "Field required" if what == "missing required" else "Unknown field"
    where = where.removeprefix(".")
    return f"{where}: {message}"[:_LONGEST] if where else message[:_LONGEST]
