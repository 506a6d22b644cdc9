"""GET /explain/{uid} on the operator's port: for the API alone, which shows the token that both were given.

A standby answers 503: it sees the cluster, but not what the active operator has in hand.
"""

import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from aiohttp import web

from forge_core.names import EXPLAIN_PATH
from forge_operator.explaining.explain import Outlook
from forge_operator.picture import Picture

KEPT: Final = timedelta(seconds=1)
"""How long one look at the picture serves: a page that asks for many jobs costs one."""
MAX_UID: Final = 64


class Answering:
    """Answers from `picture` while `leads` and everything has been listed."""

    def __init__(self, picture: Picture, leads: Callable[[], bool], token: str) -> None:
        self._picture = picture
        self._leads = leads
        self._expected = f"Bearer {token}".encode() if token else b""
        self._outlook: tuple[datetime, Outlook] | None = None

    def routes(self) -> list[web.RouteDef]:
        """None without a token: then nobody may ask."""
        return [web.get(EXPLAIN_PATH + "{uid}", self._answer)] if self._expected else []

    async def _answer(self, request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, self._expected):
            return web.json_response({"error": "a token is needed"}, status=401)
        if not self._leads() or self._picture.missing:
            return web.json_response({"error": "this operator stands by"}, status=503)
        found = self._look().explain(request.match_info["uid"][:MAX_UID])
        if found is None:
            return web.json_response({"error": "no such AnalysisJob"}, status=404)
        return web.Response(text=found.model_dump_json(by_alias=True), content_type="application/json")

    def _look(self) -> Outlook:
        now = datetime.now(UTC)
        if self._outlook is None or now - self._outlook[0] > KEPT:
            self._outlook = (now, Outlook(self._picture, now))
        return self._outlook[1]
