"""Trying again while the API is away, within an allowance."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from forge_runner.internal_api import Away

T = TypeVar("T")
LONGEST_PAUSE: Final = 10.0


async def within(allowance: float, call: Callable[[], Awaitable[T]], on_wait: Callable[[str], None]) -> T:
    """`call`'s answer, tried again while the API is away; raises the last Away once `allowance` seconds are over.

    `on_wait` is told why, at each failed try.
    """
    try:
        return await call()
    except Away as error:
        return await _again(allowance, call, on_wait, error)


async def _again(allowance: float, call: Callable[[], Awaitable[T]], on_wait: Callable[[str], None], first: Away) -> T:
    """What follows the first failure, which counts as the first try of all."""
    import stamina  # noqa: PLC0415 - slow to import, and rarely needed

    stamina.instrumentation.set_on_retry_hooks([])  # `on_wait` is told; the default hooks import half a second
    failed: Away | None = first

    def pause(error: Exception) -> bool | float:
        if not isinstance(error, Away):
            return False
        on_wait(str(error))
        return min(error.pause, LONGEST_PAUSE) or True

    async for attempt in stamina.retry_context(
        on=pause, attempts=None, timeout=allowance, wait_initial=0.2, wait_max=LONGEST_PAUSE, wait_jitter=0.5
    ):
        with attempt:
            if failed is not None:
                again, failed = failed, None
                raise again
            return await call()
    raise AssertionError("stamina ends by an answer or an exception")
