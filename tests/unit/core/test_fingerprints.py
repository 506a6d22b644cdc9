"""Fingerprints of causes: what varies from job to job makes no difference, what tells causes apart does."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.durations import format_duration, timestamp
from forge_core.fingerprints import LENGTH, MAX_READ, SHOWN, Cause, fingerprint, normalised
from forge_core.names import child_job_name

CAUSE = Cause("", "transient", "analysis", "analysis", "cloning", "AttemptsExhausted")
NAME = st.from_regex(r"[a-z]([a-z0-9]{0,8}-){0,2}[a-z0-9]{1,8}", fullmatch=True)
WORD = st.from_regex(r"[A-Za-z][A-Za-z0-9 ._/@-]{0,30}", fullmatch=True)
POD_SUFFIX = st.text("bcdfghjklmnpqrstvwxz2456789", min_size=5, max_size=5)
QUOTES = st.sampled_from(["'", '"', "`"])
SEGMENT = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}[A-Za-z0-9_]", fullmatch=True)
MOMENT = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def joined(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map("".join)


def path(root: str) -> st.SearchStrategy[str]:
    return st.lists(SEGMENT, min_size=1, max_size=6).map(lambda parts: root + "/".join(parts))


def endpoint(host: IPv4Address | IPv6Address, port: int) -> str:
    return f"[{host}]:{port}" if isinstance(host, IPv6Address) else f"{host}:{port}"


JOB = st.builds(child_job_name, NAME, st.uuids().map(str))
COUNT = st.integers(0, 10**5).map(str)
VARYING: dict[str, st.SearchStrategy[str]] = {
    "number": st.integers(0, 10**9).map(str) | st.floats(0, 10**6).map(lambda value: f"{value:.2f}"),
    "uuid": st.uuids().map(str),
    "digest": st.text("0123456789abcdef", min_size=40, max_size=64),
    "commit": st.from_regex(r"[0-9a-f]{11}[0-9]", fullmatch=True),
    "job": JOB,
    "pod": joined(JOB, st.just("-"), POD_SUFFIX),
    "path": path("/work/"),
    "file": SEGMENT.map(lambda name: f"{name.strip('.-')}.py"),
    "quoted": st.builds(lambda quote, word: f"{quote}{word}{quote}", QUOTES, WORD),
    "address": st.ip_addresses().map(str),
    "endpoint": st.builds(endpoint, st.ip_addresses(), st.integers(1, 65535)),
    "duration": st.integers(1, 10**6).map(format_duration)
    | joined(COUNT, st.sampled_from(["ms", " s", " seconds", "m"])),
    "size": joined(COUNT, st.sampled_from(["Mi", " GiB", "k", " bytes"])),
    "moment": MOMENT.map(timestamp) | MOMENT.map(datetime.isoformat) | MOMENT.map(str),
    "repository": path("https://git.example.com/"),
    "mail": joined(st.from_regex(r"[a-z][a-z0-9.]{0,10}[a-z]", fullmatch=True), st.just("@example.com")),
}
TEMPLATES = (
    "The host git.example.com was too slow to answer",
    "The repository has no branch, tag or commit {quoted}.",
    "The host git.example.com refused access to the repository: it is private or not there",
    "The host git.example.com has no such repository, or one that these credentials may not see; check the URL.",
    "The host git.example.com could not be found: the name service did not answer.",
    "The host forge.example.org could not be found: the name service did not answer.",
    "The repository could not be fetched from git.example.com: unable to access {quoted}: returned error: 503",
    "The repository could not be fetched from git.example.com: unable to access {quoted}: returned error: 429",
    "unable to access {repository}: connection reset",
    "unable to access {repository} ({endpoint}): connection refused",
    "its pod was taken away by the cluster (NodeLost): node {pod} is gone since {moment}",
    "it needed more memory than its limit of {size}; choose a larger spec.resourceClass (this queue has large, small)",
    "its runner was killed by signal 9 without a word; `kubectl logs -n tenant-demo {pod}` may tell more",
    "its runner was killed by signal 11 without a word; `kubectl logs -n tenant-demo {pod}` may tell more",
    "its runner ended with code 3 without a word; `kubectl logs -n tenant-demo {pod}` may tell more",
    "its runner ended with code 4 without a word; `kubectl logs -n tenant-demo {pod}` may tell more",
    "Its Job {job} failed (PodFailurePolicy): Container runner for pod tenant-demo/{pod} failed at {number}",
    "Its Job {job} failed (BackoffLimitExceeded): {number} pods",
    "It took longer than {duration} in all: {duration} with a runner running, {duration} without one",
    "The repository has content that git refuses as unsafe or broken: object {digest}",
    "The repository has content that git refuses as unsafe or broken: tree {commit} is corrupt",
    "spec.config.languages[{number}]: a language is written by its usual name",
    "spec.config.paths[{number}]: a path is relative to the repository's root and stays in it",
    "{file}:{number}: E501 line too long",
    "{file}:{number}: S608 possible injection",
    "UnicodeDecodeError in {path}: byte {number} can't be decoded",
    "FileNotFoundError: {path}",
    "no answer from {address} for analysis {uuid} of {mail} within {duration}",
    "the summary has {number} bytes, more than the limit of {number}",
)
FIELDS = {key: values for key, values in VARYING.items() if any(f"{{{key}}}" in template for template in TEMPLATES)}


def test_every_kind_of_varying_part_is_tried() -> None:
    assert FIELDS.keys() == VARYING.keys()


def filled(draw: Any, template: str) -> str:
    """The template with something in each of its fields."""
    parts = template.split("{")
    return parts[0] + "".join(draw(VARYING[part.split("}")[0]]) + part.split("}")[1] for part in parts[1:])


@given(st.data(), st.sampled_from(TEMPLATES))
def test_the_same_cause_with_other_numbers_ids_and_names_is_one_group(data: Any, template: str) -> None:
    one, other = filled(data.draw, template), filled(data.draw, template)
    assert normalised(one) == normalised(other)
    assert fingerprint(replace(CAUSE, message=one)) == fingerprint(replace(CAUSE, message=other))


@given(st.data(), st.lists(st.sampled_from(TEMPLATES), min_size=2, max_size=2, unique=True))
def test_different_causes_stay_apart(data: Any, templates: list[str]) -> None:
    one, other = (fingerprint(replace(CAUSE, message=filled(data.draw, template))) for template in templates)
    assert one != other


@given(st.data(), st.sampled_from(TEMPLATES), st.integers(2, 19))
def test_how_many_attempts_it_took_makes_no_difference(data: Any, template: str, attempts: int) -> None:
    said = filled(data.draw, template)
    messages = [f"{count} of {count} attempts are used up; of the last one: {said}" for count in (1, attempts)]
    assert len({fingerprint(replace(CAUSE, message=message)) for message in messages}) == 1


@pytest.mark.parametrize("field", ["failure_class", "queue", "kind", "stage", "reason"])
def test_class_and_place_tell_causes_apart(field: str) -> None:
    assert fingerprint(CAUSE) != fingerprint(replace(CAUSE, **{field: "another"}))


def test_parts_of_a_cause_can_not_be_shifted_into_one_another() -> None:
    one = replace(CAUSE, queue="a\x1fb", kind="c")
    assert fingerprint(one) != fingerprint(replace(CAUSE, queue="a", kind="b\x1fc"))


@given(st.text(max_size=300) | st.text("0a-:/.'*\\@ \x00\u202e\ud800", max_size=300))
def test_any_message_gives_a_short_line_and_a_fingerprint(message: str) -> None:
    line = normalised(message)
    assert len(line) <= SHOWN
    assert not any(sign in line for sign in "\n\r\t\x00\x1b\u202e\u2028")
    print_ = fingerprint(replace(CAUSE, message=message))
    assert len(print_) == LENGTH
    assert set(print_) <= set("0123456789abcdef")
    assert print_ == fingerprint(replace(CAUSE, message=message))


HUGE = ("x", "1", "'", "a-", "/a", "a/", "1.", "*", ":", "a1", "0x", "é1", "aaaa:", "a@b.", "http://", "Jan 1 ", "\x00")


@pytest.mark.parametrize("unit", HUGE)
def test_a_huge_message_is_read_no_further_than_its_limit(unit: str) -> None:
    """No pattern repeats within itself: such a one would not come back."""
    message = unit * (10 * MAX_READ)
    assert normalised(message) == normalised(message[:MAX_READ])
    assert fingerprint(replace(CAUSE, message=message)) == fingerprint(replace(CAUSE, message=message[:MAX_READ]))


def test_fingerprints_are_the_same_in_every_release() -> None:
    cause = replace(
        CAUSE, message="3 of 3 attempts are used up; of the last one: The host a.example was too slow to answer."
    )
    assert fingerprint(cause) == "26d0bc8f8cf58aded0fc07992b16c897"


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("commit 1234567 and abc1234 of 'main'", "commit * and * of *"),
        ("can't connect to 10.0.3.4:5432 or [fe80::1%eth0]:5432", "can't connect to * or *"),
        ("the queue's limit isn't the job's", "the queue's limit isn't the job's"),
        ("No module named 'numpy' at /work/a/b.py:33", "No module named * at /work/*"),
        ("job42 on worker-2.cluster.local", "job* on *.cluster.local"),
        ("either/or, read/write, TCP/IP", "either/or, read/write, TCP/IP"),
        ("  spaces\tand\n\nlines  ", "spaces and lines"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_a_person_reads_of_a_group(message: str, line: str) -> None:
    assert normalised(message) == line
