"""Stored bodies on their way out: as stored (gzip) to clients that take gzip, unpacked piece by piece to others."""

import zlib
from collections.abc import Iterator
from typing import Final

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from forge_core.history.queries import StoredFile

CHUNK: Final = 256 * 1024


def response_of(request: Request, file: StoredFile, body: bytes, content_type: str = "") -> Response:
    """The artefact as a response; its ETag is the digest of what it holds."""
    headers = {"ETag": f'"{file.sha256}"', "Vary": "Accept-Encoding", "Cache-Control": "private, no-cache"}
    kind = content_type or file.content_type
    if file.gzipped and takes_gzip(request.headers.get("accept-encoding", "")):
        return Response(body, media_type=kind, headers={**headers, "Content-Encoding": "gzip"})
    if not file.gzipped:
        return Response(body, media_type=kind, headers=headers)
    headers["Content-Length"] = str(file.size)
    return StreamingResponse(unpacked(body), media_type=kind, headers=headers)


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
