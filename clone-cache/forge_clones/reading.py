"""Lets git fetch from a mirror: `git upload-pack` with the request on its input, its output streamed as it comes.

Nothing here writes. The client may be slow, stop, or go: the process ends with its answer, within a time limit.
"""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from starlette.types import Receive, Scope, Send

from forge_core.git.complaints import tells_of_damage
from forge_core.git.environment import git_environment
from forge_core.git.limits import Limits

MAX_REQUEST: Final = 4 * 1024 * 1024
"""Of what a fetch says that it wants and has, unpacked."""
SECONDS: Final = 900.0
_CHUNK: Final = 64 * 1024
_PROTOCOL: Final = re.compile(r"version=[012]")
_SETTINGS: Final = (
    ("uploadpack.allowAnySHA1InWant", "true"),  # a runner asks for the commit that it was told
    ("uploadpack.allowFilter", "false"),
    ("pack.windowMemory", "64m"),
    ("core.packedGitLimit", "256m"),
)


class TooMuch(Exception):
    """The request is larger than any that a runner makes, or can't be unpacked."""


class Unreadable(Exception):
    """upload-pack failed."""


def unpacked(body: bytes, encoding: str) -> bytes:
    """A request's body as git wrote it. Raises TooMuch."""
    if encoding not in {"gzip", "x-gzip"}:
        return body
    inflating = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        plain = inflating.decompress(body, MAX_REQUEST)
    except zlib.error:
        raise TooMuch("The request is not what its Content-Encoding says.") from None
    if inflating.unconsumed_tail or not inflating.eof:
        raise TooMuch(f"The request is cut off, or over {MAX_REQUEST} bytes.")
    return plain


class UploadPack:
    """An ASGI answer: what upload-pack says. `broken` tells afterwards whether the mirror looked broken to it."""

    def __init__(self, repository: Path, request: bytes | None, protocol: str, home: Path) -> None:
        """Without a request it advertises what it can."""
        self._repository = repository
        self._request = request
        self._home = home
        self._protocol = protocol if _PROTOCOL.fullmatch(protocol) else ""
        self.broken = False
        self.whole = False
        """Whether the client has all of it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; an answer that breaks off is left without its end, so that the client knows."""
        del scope
        pumping = asyncio.ensure_future(self._pump(send))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({pumping, gone}, timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if pumping.done():
                pumping.result()
        finally:
            for task in (pumping, gone):
                task.cancel()
            await asyncio.gather(pumping, gone, return_exceptions=True)

    async def _pump(self, send: Send) -> None:
        async with self._process() as child:
            assert child.stdin and child.stdout and child.stderr  # noqa: S101, PT018 - pipes were asked for
            writing = asyncio.ensure_future(_written(child.stdin, self._request or b""))
            complaint = asyncio.ensure_future(child.stderr.read(_CHUNK))
            try:
                first = await child.stdout.read(_CHUNK)
                if not first:
                    await self._judge(child, complaint)
                    raise Unreadable
                await send(_start(self._request is None))
                if self._request is None and self._protocol != "version=2":
                    first = b"001e# service=git-upload-pack\n0000" + first  # before version 2, as git http-backend does
                while first:
                    await send({"type": "http.response.body", "body": first, "more_body": True})
                    first = await child.stdout.read(_CHUNK)
                await self._judge(child, complaint)
                if child.returncode != 0:
                    raise Unreadable
                await send({"type": "http.response.body", "body": b""})
                self.whole = True
            finally:
                for task in (writing, complaint):
                    task.cancel()
                await asyncio.gather(writing, complaint, return_exceptions=True)

    async def _judge(self, child: asyncio.subprocess.Process, complaint: "asyncio.Future[bytes]") -> None:
        said = await complaint
        await child.wait()
        self.broken = child.returncode != 0 and tells_of_damage(said.decode(errors="replace"))

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[asyncio.subprocess.Process]:
        advertising = ["--http-backend-info-refs"] if self._request is None else []
        child = await asyncio.create_subprocess_exec(
            "git", "upload-pack", "--stateless-rpc", "--strict", *advertising, str(self._repository),
            env=self._environment(), cwd=self._home,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            yield child
        finally:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    def _environment(self) -> Mapping[str, str]:
        environment = git_environment(None, self._home, Limits(), _SETTINGS)
        return {**environment, "GIT_PROTOCOL": self._protocol}


def _start(advertising: bool) -> dict[str, object]:
    kind = b"advertisement" if advertising else b"result"
    headers = [(b"content-type", b"application/x-git-upload-pack-" + kind), (b"cache-control", b"no-store")]
    return {"type": "http.response.start", "status": 200, "headers": headers}


async def _written(stdin: asyncio.StreamWriter, request: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):
        stdin.write(request)
        await stdin.drain()
    stdin.close()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
