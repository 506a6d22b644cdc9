"""The lines that a kind's process writes to its shell: JSON, one message a line, bounded and validated.

The shell trusts nothing in them, for a kind reads hostile repositories: a line that does not fit is counted and
passed over.
"""

import json
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from forge_core.exits import FailureClass
from forge_core.messages import MAX_LINE

MAX_PIPE_LINE: Final = 32 * 1024
"""Bytes. A log line of MAX_LINE characters fits whatever they are, escaped or not."""
MAX_MESSAGE: Final = 1024
MAX_ACCOUNT: Final = 16 * 1024
"""Bytes of JSON that a failed attempt may tell besides its message; with it the line still fits."""

MAX_WAIT: Final = 3600.0
"""Seconds that an attempt may ask for before the next one."""


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Progressed(_Line):
    """Work was done."""

    type: Literal["progress"] = "progress"
    stage: Annotated[str, Field(min_length=1, max_length=63)]
    percent: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
    message: Annotated[str, Field(max_length=500)] = ""


class Logged(_Line):
    """A line for the job's log."""

    type: Literal["log"] = "log"
    line: Annotated[str, Field(max_length=MAX_LINE)]


class Finished(_Line):
    """The result lies in the folder that the shell named."""

    type: Literal["finished"] = "finished"


class Failed(_Line):
    """The kind gave up."""

    type: Literal["failed"] = "failed"
    failure_class: Literal[FailureClass.PERMANENT, FailureClass.TRANSIENT, FailureClass.OUT_OF_MEMORY]
    message: Annotated[str, Field(max_length=MAX_MESSAGE)]
    account: dict[str, Any] = {}
    wait: Annotated[float, Field(ge=0, le=MAX_WAIT, allow_inf_nan=False)] = 0.0


PipeLine = Annotated[Progressed | Logged | Finished | Failed, Field(discriminator="type")]
_LINE: TypeAdapter[Progressed | Logged | Finished | Failed] = TypeAdapter(PipeLine)


def decode_line(line: bytes) -> Progressed | Logged | Finished | Failed | None:
    """The message of one line, or None when it isn't one."""
    if len(line) > MAX_PIPE_LINE:
        return None
    try:
        return _LINE.validate_json(line)
    except ValidationError:
        return None


def encode_line(fields: dict[str, object]) -> bytes:
    """One line. Plain JSON, not models: a kind may write tens of thousands of them."""
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"
