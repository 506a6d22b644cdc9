"""What is due to Redis, and when."""

from datetime import UTC, datetime

from forge_core.messages import ProgressMessage
from forge_runner.outbox import LINES_A_BATCH, MAX_WAITING_LINES, Batch, Outbox


def state(percent: float) -> ProgressMessage:
    return ProgressMessage(
        uid="u", attempt=1, stage="analysing", percent=percent, at=datetime(2026, 11, 24, tzinfo=UTC)
    )


def test_a_burst_becomes_one_message_with_the_newest_state() -> None:
    outbox = Outbox(heartbeat=10)
    for percent in range(100):
        outbox.put_state(state(percent))
    assert outbox.take(now=0) == Batch(state(99), ())
    assert not outbox.news


def test_silence_is_broken_by_a_heartbeat() -> None:
    outbox = Outbox(heartbeat=10)
    assert outbox.take(now=0) == Batch(None, (), beat=True)
    assert outbox.take(now=9.9) is None
    assert outbox.take(now=10) == Batch(None, (), beat=True)


def test_a_state_counts_as_a_heartbeat_but_lines_do_not() -> None:
    outbox = Outbox(heartbeat=10)
    outbox.put_state(state(1))
    outbox.take(now=0)
    outbox.put_line("a line")
    outbox.take(now=9)
    assert outbox.quiet_for(now=9) == 1


def test_a_heartbeat_is_due_also_while_lines_keep_coming() -> None:
    outbox = Outbox(heartbeat=10)
    outbox.take(now=0)
    outbox.put_line("a line")
    assert outbox.take(now=5) == Batch(None, ("a line",))
    outbox.put_line("another")
    assert outbox.take(now=10) == Batch(None, ("another",), beat=True)
    assert outbox.quiet_for(now=10) == 10


def test_what_could_not_be_sent_is_sent_later_in_order() -> None:
    outbox = Outbox(heartbeat=10)
    outbox.put_state(state(1))
    outbox.put_line("first")
    batch = outbox.take(now=0)
    assert batch
    outbox.put_line("second")
    outbox.give_back(batch)
    assert outbox.take(now=0) == Batch(state(1), ("first", "second"))


def test_a_newer_state_wins_over_one_that_is_given_back() -> None:
    outbox = Outbox(heartbeat=10)
    outbox.put_state(state(1))
    batch = outbox.take(now=0)
    assert batch
    outbox.put_state(state(2))
    outbox.give_back(batch)
    assert outbox.take(now=0) == Batch(state(2), ())


def test_a_heartbeat_that_failed_is_due_at_once() -> None:
    outbox = Outbox(heartbeat=10)
    batch = outbox.take(now=0)
    assert batch
    outbox.give_back(batch)
    assert outbox.quiet_for(now=0) == 0


def test_lines_are_sent_in_bounded_batches() -> None:
    outbox = Outbox(heartbeat=10)
    for number in range(LINES_A_BATCH + 1):
        outbox.put_line(str(number))
    first, second = outbox.take(now=0), outbox.take(now=0)
    assert first
    assert second
    assert (len(first.lines), second.lines) == (LINES_A_BATCH, (str(LINES_A_BATCH),))


def test_while_redis_is_away_the_oldest_lines_give_way_and_are_counted() -> None:
    outbox = Outbox(heartbeat=10)
    outbox.put_line("the very first")
    batch = outbox.take(now=0)
    assert batch
    for number in range(MAX_WAITING_LINES + 2):
        outbox.put_line(str(number))
    outbox.give_back(batch)
    assert outbox.take_dropped() == 3
    assert outbox.take_dropped() == 0
    taken = outbox.take(now=0)
    assert taken
    assert taken.lines[0] == "2"
