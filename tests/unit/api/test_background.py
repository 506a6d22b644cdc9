"""Work beside requests: it survives its failures, and it ends when it must."""

import pytest

from forge_api.background import repeating
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio


async def test_a_failure_does_not_end_the_work() -> None:
    calls = 0

    async def once() -> None:
        nonlocal calls
        calls += 1
        raise ValueError("no")

    async def often() -> bool:
        return calls >= 3

    async with repeating("test", once, 0.001):
        await eventually(often)
