"""Which of several connections is taken, and that none is left open."""

import asyncio
from collections.abc import Awaitable, Callable
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_runner.connecting import TRIES, Streams, connected
from tests.services.waiting import eventually

pytestmark = pytest.mark.anyio
SOON = 0.001


class Network:
    """Connections as it is told: `made`, `refused`, or `lost`, one word a try, and then `lost`."""

    def __init__(self, *words: str) -> None:
        self.words = list(words)
        self.asked: list[str] = []
        self.made: list[Streams] = []
        self.under_way = 0

    async def __call__(self, address: str) -> Streams:
        self.asked.append(address)
        word = self.words.pop(0) if self.words else "lost"
        self.under_way += 1
        try:
            await asyncio.sleep(0)
            if word == "refused":
                raise ConnectionRefusedError(address)
            if word == "lost":
                await asyncio.Event().wait()
        finally:
            self.under_way -= 1
        streams = (Mock(), Mock())
        self.made.append(streams)
        return streams


async def settled(what: Awaitable[Streams]) -> Streams:
    """Its result, after everything that it left to the event loop is done."""
    async with asyncio.timeout(30):
        streams = await what
        for _ in range(3):
            await asyncio.sleep(0)
        return streams


async def test_the_first_address_that_answers_is_enough() -> None:
    network = Network("made")
    assert await settled(connected(["a", "b"], network)) == network.made[0]
    assert network.asked == ["a"]


async def test_after_a_refusal_the_next_address_is_tried_and_the_last_refusal_is_told() -> None:
    network = Network("refused", "made")
    assert await settled(connected(["a", "b"], network)) == network.made[0]
    with pytest.raises(ConnectionRefusedError, match="b"):
        await connected(["a", "b"], Network("refused", "refused"))
    with pytest.raises(OSError, match="no address"):
        await connected([], Network())


async def test_nobody_is_asked_again_who_refused() -> None:
    network = Network("refused")
    with pytest.raises(ConnectionRefusedError):
        await connected(["a"], network, SOON)
    assert network.asked == ["a"]


async def test_who_does_not_answer_is_asked_again_beside_and_the_first_try_is_given_up() -> None:
    network = Network("lost", "lost", "made")
    assert await settled(connected(["a"], network, SOON)) == network.made[0]
    assert network.asked == ["a"] * 3
    assert network.under_way == 0


async def test_who_never_answers_is_asked_so_many_times_and_waited_for() -> None:
    network = Network()
    waiting = asyncio.create_task(connected(["a", "b"], network, SOON))

    async def all_tried() -> bool:
        return len(network.asked) == TRIES

    await eventually(all_tried)
    done, _ = await asyncio.wait([waiting], timeout=20 * SOON)
    assert not done
    waiting.cancel()
    await asyncio.wait([waiting])
    await asyncio.sleep(0)
    assert network.asked == ["a", "b"] * (TRIES // 2)
    assert network.under_way == 0


async def test_it_is_asked_again_only_where_that_is_wanted() -> None:
    network = Network()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await connected(["a", "b"], network)
    assert network.asked == ["a"]


async def test_of_two_that_come_at_once_one_is_taken_and_one_is_closed() -> None:
    both, network = asyncio.Event(), Network()

    async def connect(address: str) -> Streams:
        network.asked.append(address)
        if len(network.asked) == 2:
            both.set()
        await both.wait()
        network.made.append((Mock(), Mock()))
        return network.made[-1]

    taken = await settled(connected(["a"], connect, SOON))
    [left] = [streams for streams in network.made if streams is not taken]
    left[1].transport.abort.assert_called_once()  # type: ignore[attr-defined]  # a Mock
    taken[1].transport.abort.assert_not_called()  # type: ignore[attr-defined]


@given(st.lists(st.sampled_from(["made", "refused", "lost"]), max_size=8), st.integers(1, 3), st.booleans())
def test_whatever_happens_at_most_one_connection_stays_open(words: list[str], count: int, patient: bool) -> None:
    async def course() -> None:
        network = Network(*words)
        taken: Streams | None = None
        try:
            async with asyncio.timeout(0.02):
                taken = await connected([f"a{number}" for number in range(count)], network, 0 if patient else SOON)
        except (TimeoutError, OSError):
            pass
        for _ in range(3):
            await asyncio.sleep(0)
        assert network.under_way == 0
        assert len(network.asked) <= max(TRIES, count)
        for streams in network.made:
            assert (streams is taken) != streams[1].transport.abort.called  # type: ignore[attr-defined]

    asyncio.run(course())


def test_anything_but_a_refusal_is_raised_as_it_is() -> None:
    async def broken(_address: str) -> Streams:
        raise ValueError("no TLS")

    connect: Callable[[str], object] = broken
    with pytest.raises(ValueError, match="no TLS"):
        asyncio.run(connected(["a", "b"], connect))  # type: ignore[arg-type]
