"""An HTTP server that answers as a scripted API server would: the real client speaks to it over a real socket."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from kubernetes.aio import client

from forge_core.cluster import Cluster

Answer = Callable[[], web.Response] | web.Response


@dataclass
class Script:
    """Answers by "METHOD path", each used once and the last one for ever; `calls` is what was asked, in order."""

    answers: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    calls: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    def on(self, call: str, *answers: Answer) -> None:
        """Answer `call` so."""
        self.answers[call] = list(answers)


def answer(body: dict[str, Any], status: int = 200, **headers: str) -> web.Response:
    """A JSON answer."""
    return web.json_response(body, status=status, headers=headers)


def refusal(status: int, reason: str, message: str = "", **headers: str) -> web.Response:
    """A Status object as Kubernetes answers a refused request."""
    return answer({"kind": "Status", "status": "Failure", "reason": reason, "message": message}, status, **headers)


def hang_up() -> web.Response:
    """No answer: the connection breaks off after the request was taken."""
    raise ConnectionResetError


@asynccontextmanager
async def scripted() -> AsyncIterator[tuple[Cluster, Script]]:
    """A client and the script of the server that it speaks to."""
    script = Script()

    async def handle(request: web.Request) -> web.StreamResponse:
        call = f"{request.method} {request.path}"
        script.calls.append(call)
        script.bodies.append(await request.json() if request.can_read_body else None)
        answers = script.answers.get(call)
        if not answers:
            return refusal(404, "NotFound", f"nothing is scripted for {call}")
        chosen = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(chosen, web.Response):
            return web.Response(status=chosen.status, headers=chosen.headers, body=chosen.body)
        try:
            return chosen()
        except ConnectionResetError:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configuration = client.Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        async with client.ApiClient(configuration=configuration) as api:
            yield Cluster(api), script
    finally:
        await runner.cleanup()
