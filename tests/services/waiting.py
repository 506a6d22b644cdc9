"""Waiting for a condition, with a deadline: tests never sleep for a guessed time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
PAUSE_SECONDS = 0.05


def wait_until(condition: Callable[[], T | None], seconds: float = 30, what: str = "") -> T:
    """The first truthy value of `condition`, or AssertionError once `seconds` are over."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what or getattr(condition, '__name__', condition)}")
        time.sleep(PAUSE_SECONDS)


async def eventually(condition: Callable[[], Awaitable[T | None]], seconds: float = 30, what: str = "") -> T:
    """The same for a coroutine function."""
    deadline = time.monotonic() + seconds
    while True:
        value = await condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what or getattr(condition, '__name__', condition)}")
        await asyncio.sleep(PAUSE_SECONDS)
