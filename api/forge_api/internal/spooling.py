"""An upload's bytes on their way in: counted, digested and compressed by piece, kept on disk until they are whole.

So a slow or a large upload holds no memory, and one that is cut in the middle leaves nothing.
"""

import asyncio
import base64
import hashlib
import re
import tempfile
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import IO, Final

from forge_api.problems import Problem

LEVEL: Final = 5
BATCH: Final = 256 * 1024
_DIGEST: Final = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):\s*(?:,|$)")


@dataclass(frozen=True)
class Promise:
    """What the upload's headers say: its length in bytes and its SHA-256."""

    size: int
    sha256: bytes


def promised(length: str | None, digest: str | None) -> Promise:
    """Read Content-Length and Content-Digest (RFC 9530). Raises Problem 411, 422."""
    if length is None or not length.isdigit():
        raise Problem(411, "Content-Length is needed.")
    found = _DIGEST.search(digest or "")
    if found is None:
        raise Problem(422, "Content-Digest is needed: sha-256=:<base64 of the digest>:")
    return Promise(int(length), base64.b64decode(found[1]))


async def spooled(stream: AsyncIterator[bytes], promise: Promise) -> bytes:
    """The gzip-compressed body. Raises Problem 422 when it is not what was promised."""
    with tempfile.TemporaryFile() as file:
        spool = _Spool(file)
        batch = bytearray()
        async for chunk in stream:
            batch += chunk
            if len(batch) >= BATCH:
                await asyncio.to_thread(spool.take, bytes(batch))
                batch.clear()
        return await asyncio.to_thread(spool.end, bytes(batch), promise)


class _Spool:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = 0
        self._digest = hashlib.sha256()
        self._gzip = zlib.compressobj(LEVEL, wbits=31)

    def take(self, chunk: bytes) -> None:
        self._size += len(chunk)
        self._digest.update(chunk)
        self._file.write(self._gzip.compress(chunk))

    def end(self, chunk: bytes, promise: Promise) -> bytes:
        self.take(chunk)
        if self._size != promise.size:
            raise Problem(422, f"The body has {self._size} bytes where Content-Length says {promise.size}.")
        if self._digest.digest() != promise.sha256:
            raise Problem(422, "The body does not have the digest that Content-Digest says.")
        self._file.write(self._gzip.flush())
        self._file.seek(0)
        return self._file.read()
