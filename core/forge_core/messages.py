"""What runners and the operator say through Redis, and what a pod's termination message says.

Every decoder here takes bytes that a hostile pod may have written: sizes are bounded before parsing, unknown fields
are ignored, and a payload that does not fit raises `BadMessage`, which readers count and pass over.
"""

from datetime import datetime
from typing import Annotated, Final, Self

from msgspec import Meta

from forge_core.exits import FailureClass
from forge_core.phase import Phase
from forge_core.wire import Message, Reader, Unreadable, read

MAX_MESSAGE_BYTES: Final = 8 * 1024
MAX_LINE: Final = 2000
"""Characters kept of one log line."""


class ProgressUnavailable(Exception):
    """Redis can't be used at the moment (forge_core.progress, which is slow to import, raises it)."""


class BadMessage(ValueError):
    """A payload that is too large or does not have the form of a message."""


class ProgressMessage(Message, frozen=True, kw_only=True, tag_field="type", tag="progress"):
    """A running job's progress: a percentage that comes from work done, never from a clock (ADR-006)."""

    uid: Annotated[str, Meta(max_length=64)]
    attempt: Annotated[int, Meta(ge=0, le=1000)]
    stage: Annotated[str, Meta(max_length=63)]
    percent: Annotated[float, Meta(ge=0, le=100)]
    message: Annotated[str, Meta(max_length=500)] = ""
    at: datetime


class TerminalMessage(Message, frozen=True, kw_only=True, tag_field="type", tag="terminal"):
    """A job's end, published by the operator once the terminal phase is written."""

    uid: Annotated[str, Meta(max_length=64)]
    phase: Phase
    message: Annotated[str, Meta(max_length=1024)] = ""
    at: datetime


_reader: Reader[ProgressMessage | TerminalMessage] = Reader(ProgressMessage | TerminalMessage)


def decode_message(payload: str | bytes) -> ProgressMessage | TerminalMessage:
    """Read one entry of a progress stream. Raises BadMessage."""
    if len(payload) > MAX_MESSAGE_BYTES:
        raise BadMessage(f"message of {len(payload)} bytes is over the limit of {MAX_MESSAGE_BYTES}")
    try:
        return _reader(payload)
    except Unreadable as error:
        raise BadMessage(f"not a progress message: {error}") from None


class Termination(Message, frozen=True):
    """The runner's last words, in /dev/termination-log: the operator reads them from the pod's status."""

    attempt: Annotated[int, Meta(ge=0, le=1000)] = 0
    failure_class: FailureClass | None = None
    message: Annotated[str, Meta(max_length=1024)] = ""
    stage: Annotated[str, Meta(max_length=63)] = ""

    @classmethod
    def decode(cls, text: str) -> Self | None:
        """The words, or None when the runner left none that can be read (killed, or not ours)."""
        if not text or len(text) > 4096:
            return None
        try:
            return read(text, cls)
        except Unreadable:
            return None
