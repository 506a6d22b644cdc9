"""What the API asks of the operator over its port, and nobody else: it shows the token that both were given.

A standby answers 503: it sees the cluster, but not what the active operator has in hand, and may write nothing.
"""

import hmac
from collections.abc import Awaitable, Callable

from aiohttp import web

from forge_operator.picture import Picture

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Door:
    """Lets in who has the token, while this operator leads and everything has been listed."""

    def __init__(self, picture: Picture, leads: Callable[[], bool], token: str) -> None:
        self._picture = picture
        self._leads = leads
        self._expected = f"Bearer {token}".encode() if token else b""

    def routes(self, *behind: web.RouteDef) -> list[web.RouteDef]:
        """The routes behind it. None without a token: then nobody may ask."""
        if not self._expected:
            return []
        return [web.route(each.method, each.path, self._guarded(each.handler)) for each in behind]

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            given = request.headers.get("Authorization", "").encode(errors="replace")
            if not hmac.compare_digest(given, self._expected):
                return web.json_response({"error": "a token is needed"}, status=401)
            if not self._leads() or self._picture.missing:
                return web.json_response({"error": "this operator stands by"}, status=503)
            return await handler(request)

        return guarded
