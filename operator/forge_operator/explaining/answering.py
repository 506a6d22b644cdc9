"""GET /explain/{uid} on the operator's port: why an AnalysisJob stands where it stands."""

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
    """Answers from `picture`."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._outlook: tuple[datetime, Outlook] | None = None

    def route(self) -> web.RouteDef:
        """For behind the door."""
        return web.get(EXPLAIN_PATH + "{uid}", self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        found = self._look().explain(request.match_info["uid"][:MAX_UID])
        if found is None:
            return web.json_response({"error": "no such AnalysisJob"}, status=404)
        return web.Response(text=found.model_dump_json(by_alias=True), content_type="application/json")

    def _look(self) -> Outlook:
        now = datetime.now(UTC)
        if self._outlook is None or now - self._outlook[0] > KEPT:
            self._outlook = (now, Outlook(self._picture, now))
        return self._outlook[1]
