"""The lines that a kind's process writes to its shell: JSON, one message a line, bounded and validated.

The shell trusts nothing in them, for a kind reads hostile repositories: a line that does not fit is counted and
passed over.
"""

import json
from typing import Annotated, Any, Final

from msgspec import Meta, field

from forge_core.exits import FailureClass
from forge_core.messages import MAX_LINE
from forge_core.wire import Message, Reader, Unreadable

MAX_PIPE_LINE: Final = 32 * 1024
"""Bytes. A log line of MAX_LINE characters fits whatever they are, escaped or not."""
MAX_MESSAGE: Final = 1024
MAX_ACCOUNT: Final = 16 * 1024
"""Bytes of JSON that a failed attempt may tell besides its message; with it the line still fits."""

MAX_WAIT: Final = 3600.0
"""Seconds that an attempt may ask for before the next one."""


_A_KINDS_OWN: Final = frozenset({FailureClass.PERMANENT, FailureClass.TRANSIENT, FailureClass.OUT_OF_MEMORY})


class Progressed(Message, frozen=True, tag_field="type", tag="progress"):
    """Work was done."""

    stage: Annotated[str, Meta(min_length=1, max_length=63)]
    percent: Annotated[float, Meta(ge=0, le=100)]
    message: Annotated[str, Meta(max_length=500)] = ""


class Logged(Message, frozen=True, tag_field="type", tag="log"):
    """A line for the job's log."""

    line: Annotated[str, Meta(max_length=MAX_LINE)]


class Finished(Message, frozen=True, tag_field="type", tag="finished"):
    """The result lies in the folder that the shell named."""


class Failed(Message, frozen=True, tag_field="type", tag="failed"):
    """The kind gave up."""

    failure_class: FailureClass
    message: Annotated[str, Meta(max_length=MAX_MESSAGE)]
    account: dict[str, Any] = field(default_factory=dict)
    wait: Annotated[float, Meta(ge=0, le=MAX_WAIT)] = 0.0

    def __post_init__(self) -> None:
        """Raises ValueError for a class that isn't a kind's to give."""
        if self.failure_class not in _A_KINDS_OWN:
            raise ValueError(f"{self.failure_class} is not for a kind to say")


PipeLine = Progressed | Logged | Finished | Failed

_reader: Reader[PipeLine] = Reader(PipeLine)


def decode_line(line: bytes) -> PipeLine | None:
    """The message of one line, or None when it isn't one."""
    if len(line) > MAX_PIPE_LINE:
        return None
    try:
        return _reader(line)
    except Unreadable:
        return None


def encode_line(fields: dict[str, object]) -> bytes:
    """One line. Plain JSON, not models: a kind may write tens of thousands of them."""
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"
