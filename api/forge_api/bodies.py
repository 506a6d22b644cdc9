"""Stored bodies on their way out: whole, as stored (gzip) or unpacked piece by piece; or one range of the unpacked.

Each answer says what it is by two digests: an ETag, other for gzip than for the bytes themselves, and `Repr-Digest`
(RFC 9530) of the whole body as it is coded in this answer.
"""

import asyncio
import base64
import hashlib
import zlib
from collections.abc import Iterator
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from forge_api.problems import Problem, responses
from forge_api.ranges import Part, Unsatisfiable, part_of
from forge_core.history.queries import StoredFile

CHUNK: Final = 256 * 1024
_VALIDATORS: Final = {
    "ETag": {"schema": {"type": "string"}, "description": "Of the body as it is coded here."},
    "Repr-Digest": {"schema": {"type": "string"}, "description": "`sha-256=:...:` of the whole (RFC 9530)."},
}


def stored(described: dict[str, Any], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of a route that answers stored bodies: `described` (of the 200), and `statuses`' problems."""
    content = described["content"]
    ranged = {**_VALIDATORS, "Content-Range": {"schema": {"type": "string"}}}
    return {
        **responses(*statuses, 416),
        200: {"headers": _VALIDATORS, **described},
        206: {"description": "The range that was asked for", "headers": ranged, "content": content},
        304: {"description": "The client holds it already (If-None-Match)"},
    }


async def response_of(request: Request, file: StoredFile, body: bytes, content_type: str = "") -> Response:
    """The artefact, or the range of it that was asked for. Raises Problem 416.

    A range is one of the unpacked bytes, even for a client that takes gzip: nobody can unpack a piece alone.
    """
    plain, packed = f'"{file.sha256}"', f'"{file.sha256}-gzip"'
    headers = {"Vary": "Accept-Encoding", "Cache-Control": "private, no-cache", "Accept-Ranges": "bytes"}
    gzip = file.gzipped and takes_gzip(request.headers.get("accept-encoding", ""))
    if _held(request.headers.get("if-none-match", ""), packed if gzip else plain):
        return Response(status_code=304, headers={**headers, "ETag": packed if gzip else plain})
    part = _asked(request, file, plain)
    media_type = content_type or file.content_type
    if gzip and part is None:
        digest = await asyncio.to_thread(lambda: hashlib.sha256(body).digest())
        headers |= {"ETag": packed, "Repr-Digest": _written(digest), "Content-Encoding": "gzip"}
        return Response(body, media_type=media_type, headers=headers)
    headers |= {"ETag": plain, "Repr-Digest": _written(bytes.fromhex(file.sha256))}
    whole = Part(0, file.size - 1)
    headers["Content-Length"] = str((part or whole).size)
    if part is not None:
        headers["Content-Range"] = f"bytes {part.first}-{part.last}/{file.size}"
    pieces = cut(unpacked(body) if file.gzipped else iter((body,)), part or whole)
    return StreamingResponse(pieces, 200 if part is None else 206, media_type=media_type, headers=headers)


def _asked(request: Request, file: StoredFile, etag: str) -> Part | None:
    if len(request.headers.getlist("range")) > 1:
        return None
    try:
        return part_of(request.headers, file.size, etag)
    except Unsatisfiable as error:
        raise Problem(416, str(error), headers={"Content-Range": f"bytes */{file.size}"}) from None


def _held(if_none_match: str, etag: str) -> bool:
    """By weak comparison (RFC 9110, 13.1.2); our tags hold no commas."""
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in tags or "*" in tags


def _written(digest: bytes) -> str:
    return f"sha-256=:{base64.b64encode(digest).decode()}:"


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding header allows gzip (RFC 9110, 12.5.3)."""
    weights = {}
    for part in accepted.lower().split(","):
        coding, _, weight = part.partition(";")
        weights[coding.strip()] = weight.replace(" ", "").removeprefix("q=") or "1"
    weight = weights.get("gzip", weights.get("*", "0"))
    try:
        return float(weight) > 0
    except ValueError:
        return False


def unpacked(body: bytes) -> Iterator[bytes]:
    """The bytes before compression, never more than CHUNK of them at a time."""
    machine = zlib.decompressobj(wbits=31)
    for start in range(0, len(body), CHUNK):
        left = body[start : start + CHUNK]
        while left:
            yield machine.decompress(left, CHUNK)
            left = machine.unconsumed_tail
    yield machine.flush()


def cut(pieces: Iterator[bytes], part: Part) -> Iterator[bytes]:
    """Those bytes of the pieces that lie in the part; what comes after them is never asked for."""
    at = 0
    for piece in pieces:
        kept = piece[max(part.first - at, 0) : max(part.last + 1 - at, 0)]
        if kept:
            yield kept
        at += len(piece)
        if at > part.last:
            return
