"""Whose turn it is: priority, age, then name."""

from forge_operator.digests import Kind
from tests.builders.deciding import started
from tests.builders.operator import (
    make_job,
    make_picture,
    make_queue,
)


def test_a_more_urgent_job_starts_first() -> None:
    objects = [
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=1)),
        (Kind.ANALYSIS_JOB, make_job("early", priority=5, age=70)),
        (Kind.ANALYSIS_JOB, make_job("urgent", priority=1, age=10)),
    ]
    assert started(make_picture(objects)) == ["urgent"]


def test_a_job_rises_by_one_step_each_minute_so_that_none_starves() -> None:
    objects = [
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=1)),
        (Kind.ANALYSIS_JOB, make_job("patient", priority=5, age=4 * 60 + 11)),
        (Kind.ANALYSIS_JOB, make_job("urgent", priority=1, age=10)),
    ]
    assert started(make_picture(objects)) == ["patient"]


def test_equals_start_in_the_order_of_their_creation_then_of_their_names() -> None:
    objects = [
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=3)),
        (Kind.ANALYSIS_JOB, make_job("b", age=30)),
        (Kind.ANALYSIS_JOB, make_job("a", age=30)),
        (Kind.ANALYSIS_JOB, make_job("first", age=31)),
    ]
    assert started(make_picture(objects)) == ["first", "a", "b"]


def test_a_waiting_job_whose_priority_is_changed_takes_another_turn() -> None:
    objects = [
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=1)),
        (Kind.ANALYSIS_JOB, make_job("a", priority=5)),
        (Kind.ANALYSIS_JOB, make_job("b", priority=5, age=59)),
    ]
    picture = make_picture(objects)
    assert started(picture) == ["a"]
    picture.observe(Kind.ANALYSIS_JOB, "MODIFIED", make_job("b", priority=4, age=59, version=12))
    assert started(picture) == ["b"]


def test_a_queues_default_priority_moves_those_that_name_none() -> None:
    objects = [
        (Kind.JOB_QUEUE, make_queue(version=6, concurrency=1, defaultPriority=9)),
        (Kind.ANALYSIS_JOB, make_job("a", priority=5)),
        (Kind.ANALYSIS_JOB, make_job("b")),
    ]
    picture = make_picture(objects)
    assert started(picture) == ["a"]
    picture.observe(Kind.JOB_QUEUE, "MODIFIED", make_queue(version=7, concurrency=1, defaultPriority=2))
    assert started(picture) == ["b"]
