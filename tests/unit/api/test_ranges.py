"""Ranges of stored bodies: one range exactly, anything else the whole; nothing makes an answer longer than the body."""

import base64
import gzip
import hashlib
from typing import Any

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from forge_api.bodies import CHUNK, response_of
from forge_api.problems import Problem
from forge_api.ranges import Part, Unsatisfiable, part_of
from forge_core.history.queries import StoredFile

ETAG = '"abc"'
BODY = bytes(range(256)) * 3000
"""Several times what is unpacked at once."""
PLAIN = f'"{hashlib.sha256(BODY).hexdigest()}"'
WHOLE = f"sha-256=:{base64.b64encode(hashlib.sha256(BODY).digest()).decode()}:"


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", Part(0, 0)),
        ("bytes=0-99", Part(0, 99)),
        ("bytes=90-", Part(90, 99)),
        ("bytes=90-1000", Part(90, 99)),
        ("bytes=-10", Part(90, 99)),
        ("bytes=-1000", Part(0, 99)),
        ("BYTES = 1-2 ", Part(1, 2)),
        ("bytes=0000-0001", Part(0, 1)),
        (f"bytes=5-{'9' * 9000}", Part(5, 99)),
        (f"bytes=-{'9' * 9000}", Part(0, 99)),
    ],
)
def test_one_range_is_cut_to_the_body(header: str, part: Part) -> None:
    assert part_of({"range": header}, 100, ETAG) == part


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-4",
        "bytes=-5-",
        "bytes=+1-2",
        "bytes=1.0-2",
        "bytes=0x0-0x9",
        "bytes=\u0661-\u0662",
        "bytes=1-2;",
        "lines=1-2",
        "bytes=0-1,3-4",
        "bytes=" + ",".join("0-" for _ in range(5000)),
        "bytes=0-0\r\nX: y",
    ],
)
def test_what_is_not_one_range_is_the_whole(header: str) -> None:
    assert part_of({"range": header}, 100, ETAG) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", f"bytes={'9' * 9000}-"])
def test_a_range_behind_the_end_can_not_be_answered(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        part_of({"range": header}, 100, ETAG)


def test_an_empty_body_has_no_first_byte_and_its_last_ones_are_the_whole() -> None:
    assert part_of({"range": "bytes=-5"}, 0, ETAG) is None
    with pytest.raises(Unsatisfiable):
        part_of({"range": "bytes=0-"}, 0, ETAG)


@pytest.mark.parametrize(
    ("condition", "ranged"),
    [(ETAG, True), ('W/"abc"', False), ('"other"', False), ("", False), ("Wed, 21 Oct 2026 07:28:00 GMT", False)],
)
def test_a_range_of_something_else_is_the_whole(condition: str, ranged: bool) -> None:
    found = part_of({"range": "bytes=0-1", "if-range": condition}, 100, ETAG)
    assert (found is not None) is ranged


async def answer(headers: dict[str, str], body: bytes = BODY, *, gzipped: bool = True) -> tuple[int, Any, bytes]:
    """Status, headers and body of the response to a request with these headers."""
    file = StoredFile(1, "log", "text/plain", len(body), hashlib.sha256(body).hexdigest(), gzipped)
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": raw, "query_string": b""}
    response = await response_of(Request(scope), file, gzip.compress(body) if gzipped else body)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await response({**scope, "asgi": {"spec_version": "2.4"}}, receive, send)
    return response.status_code, response.headers, b"".join(message.get("body", b"") for message in sent)


@pytest.mark.anyio
@pytest.mark.parametrize("gzipped", [True, False])
@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-0", 0, 0), (f"bytes={CHUNK - 1}-{CHUNK}", CHUNK - 1, CHUNK), ("bytes=-1", len(BODY) - 1, len(BODY) - 1)],
)
async def test_a_range_is_one_of_the_bytes_before_compression(asked: str, first: int, last: int, gzipped: bool) -> None:
    status, headers, body = await answer({"range": asked, "accept-encoding": "gzip"}, gzipped=gzipped)
    assert (status, body) == (206, BODY[first : last + 1])
    assert headers["content-range"] == f"bytes {first}-{last}/{len(BODY)}"
    assert headers["content-length"] == str(len(body))
    assert (headers["etag"], headers["repr-digest"], "content-encoding" in headers) == (PLAIN, WHOLE, False)


@pytest.mark.anyio
@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 400), st.booleans())
async def test_any_range_is_what_a_slice_is(body: bytes, first: int, length: int, gzipped: bool) -> None:
    last = first + length
    if first >= len(body):
        with pytest.raises(Problem) as refused:
            await answer({"range": f"bytes={first}-{last}"}, body, gzipped=gzipped)
        assert refused.value.status_code == 416
        assert refused.value.headers == {"Content-Range": f"bytes */{len(body)}"}
    else:
        status, _, got = await answer({"range": f"bytes={first}-{last}"}, body, gzipped=gzipped)
        assert (status, got) == (206, body[first : last + 1])


@pytest.mark.anyio
async def test_gzip_is_another_representation_with_its_own_tag_and_digest() -> None:
    status, headers, body = await answer({"accept-encoding": "gzip"})
    assert (status, gzip.decompress(body), headers["content-encoding"]) == (200, BODY, "gzip")
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    assert headers["repr-digest"] == f"sha-256=:{digest}:"
    assert headers["etag"] != PLAIN
    resumed, _, whole = await answer({"accept-encoding": "gzip", "range": "bytes=9-", "if-range": headers["etag"]})
    assert (resumed, gzip.decompress(whole)) == (200, BODY)  # a piece of the gzip stream is never sent


@pytest.mark.anyio
async def test_what_a_client_holds_is_not_sent_again() -> None:
    for headers in ({"if-none-match": PLAIN}, {"if-none-match": f'"x", W/{PLAIN}'}, {"if-none-match": "*"}):
        status, answered, body = await answer({**headers, "range": "bytes=0-1"})
        assert (status, answered["etag"], body) == (304, PLAIN, b"")
    assert (await answer({"if-none-match": PLAIN, "accept-encoding": "gzip"}))[0] == 200


@pytest.mark.anyio
async def test_an_empty_body_is_answered_whole() -> None:
    for headers in ({}, {"range": "bytes=-5"}):
        status, answered, body = await answer(headers, b"")
        assert (status, answered["content-length"], body) == (200, "0", b"")
