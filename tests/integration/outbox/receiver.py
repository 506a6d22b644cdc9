"""A real HTTP server that takes alerts, or doesn't: scripted, on the loopback, with TLS when asked."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Receiver:
    """`answers` are given one by one, the last one for ever; `refused` are ids that always get a 400."""

    port: int = 0
    scheme: str = "http"
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=lambda: [(202, {})])
    refused: set[str] = field(default_factory=set)
    hangs: bool = False
    bodies: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self.scheme}://127.0.0.1:{self.port}/events"

    def taken(self) -> list[str]:
        """The ids of the alerts that came, repeats included."""
        return [body.get("id") or body["aggregation_key"] for body in self.bodies]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer as the script says."""
        body = await request.json()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        self.paths.append(request.path)
        if self.hangs:
            await self._released.wait()
        if (body.get("id") or body.get("aggregation_key")) in self.refused:
            return web.Response(status=400, text="no such field")
        status, headers = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if headers.get("endless"):
            return await self._endless(request, status)
        return web.Response(status=status, headers=headers, text="a word")

    async def _endless(self, request: web.Request, status: int) -> web.StreamResponse:
        answer = web.StreamResponse(status=status)
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * 65536)

    def release(self) -> None:
        """Let hanging requests go."""
        self._released.set()


@asynccontextmanager
async def receiving(trust: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[Receiver]:
    """A server for the block."""
    receiver = Receiver(scheme="https" if trust else "http")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=trust).start()
    receiver.port = runner.addresses[0][1]
    try:
        yield receiver
    finally:
        receiver.release()
        await runner.cleanup()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context for 127.0.0.1, and the file of the certificate that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "alerts of a test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    public, private = folder / "alerts.pem", folder / "alerts.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, public
