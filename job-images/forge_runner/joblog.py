"""One attempt's whole log, bounded: when it grows too long its middle is left out, never its beginning or its end."""

import re
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from forge_core.messages import MAX_LINE
from forge_core.redaction import redact

MAX_LOG_BYTES: Final = 10 * 1024 * 1024
_SHORTEST_SECRET: Final = 4
_UNSAFE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters: a file's name may hold an escape sequence, and somebody will read the log in a terminal."""


class Cleaner:
    """Makes a text fit for other eyes: credentials out, control characters visible, length bounded."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self._secrets = tuple(text for text in secrets if len(text) >= _SHORTEST_SECRET)

    def __call__(self, text: str, limit: int = MAX_LINE) -> str:
        """`text`, cleaned and cut to `limit` characters. Cleaned before it is cut, lest half a secret stay."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        text = _UNSAFE.sub(_visible, redact(text).replace("\n", " "))
        return text if len(text) <= limit else text[: limit - 1] + "…"


def _visible(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02x}"


class JobLog:
    """Takes lines, hands each on as cleaned, and remembers them within `limit` bytes."""

    def __init__(self, clean: Cleaner, hand_on: Callable[[str], None], limit: int = MAX_LOG_BYTES) -> None:
        self._clean = clean
        self._hand_on = hand_on
        self._half = limit // 2
        self._head: list[bytes] = []
        self._tail: deque[bytes] = deque()
        self._head_size = self._tail_size = self._left_out = 0

    def add(self, line: str) -> None:
        """One line, without its line break."""
        self.add_at(datetime.now(UTC), line)

    def add_at(self, moment: datetime, line: str) -> None:
        """The same with the time told."""
        cleaned = self._clean(line)
        self._hand_on(cleaned)
        raw = f"{moment:%Y-%m-%dT%H:%M:%S.}{moment.microsecond // 1000:03d}Z {cleaned}\n".encode(errors="replace")
        if not self._tail and self._head_size + len(raw) <= self._half:
            self._head.append(raw)
            self._head_size += len(raw)
            return
        self._tail.append(raw)
        self._tail_size += len(raw)
        while self._tail_size > self._half:
            self._tail_size -= len(self._tail.popleft())
            self._left_out += 1

    def text(self) -> bytes:
        """The whole log in UTF-8, with a line that says how many were left out."""
        gap = [f"... {self._left_out} lines left out ...\n".encode()] if self._left_out else []
        return b"".join([*self._head, *gap, *self._tail])
