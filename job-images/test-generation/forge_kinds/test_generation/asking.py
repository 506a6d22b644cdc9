"""Asks the sandbox: an order for our program in there, with the tree, and one line of its output as the answer."""

import base64
import binascii
import json
import secrets
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from forge_core.sandbox import MAX_KEPT_OUTPUT, Answer, Bounds, Ended
from forge_runner.sandbox import Sandbox, Tree
from forge_runner.sandboxed.telling import HOW, last_line

MAX_ANSWER: Final = 8 * 1024**2
"""Bytes of JSON, uncompressed."""
LONGEST_STEP: Final = 40.0
"""Seconds of processor time in which one step of the repository's code must come to its end."""
_MARGIN: Final = 45.0
"""Seconds beyond its own in which our program there starts and answers: on a busy machine both are slow."""
_OUTPUT: Final = 4 * 1024**2
A = TypeVar("A", bound=BaseModel)


class Unanswered(Exception):
    """The sandbox's program ended without an answer that can be read; the message says how."""


@dataclass(frozen=True)
class Question:
    """What is asked; `files` are put into the tree beside the commit's own."""

    what: str
    options: Mapping[str, Any]
    seconds: float
    files: Mapping[bytes, bytes] = field(default_factory=dict)
    quiet: float = LONGEST_STEP


@dataclass
class Asker:
    """One connection to the sandbox, for one commit."""

    sandbox: Sandbox
    archive: Path
    roots: tuple[str, ...]
    packages: str = ""
    """Where the repository's dependencies were installed, "" for nowhere."""
    seconds: float = 0.0
    """By the clock, of the last question."""

    def ask(self, question: Question, form: type[A]) -> A:
        """The answer. Raises Unanswered, and SandboxLost."""
        nonce = secrets.token_hex(16)
        name = f".forge-{nonce}.json"
        tree, seconds = str(self.sandbox.tree), max(1.0, question.seconds)
        request = {
            "what": question.what, "seconds": seconds, "quiet": question.quiet, "packages": self.packages,
            "roots": [f"{tree}/{root}".rstrip("/") for root in self.roots], "options": question.options,
        }  # fmt: skip
        files = {**question.files, name.encode(): json.dumps(request).encode()}
        argv = ("python", "-P", "-m", "forge_kinds.test_generation.inside", name, nonce)
        bounds = Bounds(seconds=seconds + _MARGIN, output=_OUTPUT, kept=MAX_KEPT_OUTPUT)
        variables = {"PYTHONDONTWRITEBYTECODE": "1"}
        began = time.monotonic()
        answer = self.sandbox.run(argv, bounds, Tree(self.archive, files), variables)
        self.seconds = time.monotonic() - began
        return answered(answer, nonce, form)


def answered(answer: Answer, nonce: str, form: type[A]) -> A:
    """What the framed line says. Raises Unanswered."""
    if answer.ended is not Ended.EXITED:
        raise Unanswered(f"it {HOW[answer.ended]}: {last_line(answer)}")
    framed = [line for line in answer.output.split("\n") if line.startswith(f"{nonce} ")]
    if not framed:
        raise Unanswered(f"it ended with code {answer.code} and no answer: {last_line(answer)}")
    try:
        return form.model_validate_json(_unpacked(framed[-1].partition(" ")[2]))
    except (binascii.Error, zlib.error, ValueError, ValidationError, RecursionError) as error:
        said = "a longer answer than is read" if isinstance(error, _TooLong) else type(error).__name__
        raise Unanswered(f"its answer can't be read: {said}") from None


class _TooLong(ValueError):
    """More than MAX_ANSWER."""


def _unpacked(text: str) -> bytes:
    packed = zlib.decompressobj()
    body = packed.decompress(base64.b64decode(text, validate=True), MAX_ANSWER)
    if packed.unconsumed_tail or not packed.eof:
        raise _TooLong
    return body
