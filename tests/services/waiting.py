"""Waiting for a condition, with a deadline: tests never sleep for a guessed time.

Deadlines are those of a quiet machine. They cost nothing where all is well, so the machine is given several times as
long: all sessions run side by side, on whatever it is.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from forge_core.pauses import Pauses

T = TypeVar("T")
PAUSES: Final = Pauses(first=0.05, longest=0.2)
"""Between two looks: what comes soon is seen soon, and what takes long isn't asked for all the time."""
PATIENCE: Final = 3
"""How many times as long as on a quiet machine something may take before a test gives up."""


def wait_until(condition: Callable[[], T | None], seconds: float = 30, what: str = "") -> T:
    """The first truthy value of `condition`, or AssertionError once `seconds` are over PATIENCE times."""
    deadline = time.monotonic() + PATIENCE * seconds
    pauses = iter(PAUSES)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(_overdue(condition, seconds, what))
        time.sleep(next(pauses))


async def eventually(condition: Callable[[], Awaitable[T | None]], seconds: float = 30, what: str = "") -> T:
    """The same for a coroutine function."""
    deadline = time.monotonic() + PATIENCE * seconds
    pauses = iter(PAUSES)
    while True:
        value = await condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(_overdue(condition, seconds, what))
        await asyncio.sleep(next(pauses))


def _overdue(condition: Callable[[], object], seconds: float, what: str) -> str:
    return f"not within {PATIENCE * seconds:g} s: {what or getattr(condition, '__name__', condition)}"
