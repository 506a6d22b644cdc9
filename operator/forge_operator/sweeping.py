"""POST /maintenance/{step} on the operator's port (forge_core.maintenance): what the API passes on of a clean-up."""

from datetime import UTC, datetime

from aiohttp import web

from forge_core.cluster import ClusterError
from forge_core.logs import get_logger
from forge_core.maintenance import OPERATOR_PATH, OPERATORS, Ask, Step
from forge_core.messages import ProgressUnavailable
from forge_core.wire import Unreadable, read
from forge_operator.strays import Strays

_log = get_logger(__name__)


class Sweeping:
    """Has `strays` do one batch a call."""

    def __init__(self, strays: Strays) -> None:
        self._strays = strays

    def route(self) -> web.RouteDef:
        """For behind the door."""
        return web.post(OPERATOR_PATH + "{step}", self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        step = request.match_info["step"]
        if step not in OPERATORS:
            return web.json_response({"error": "no step of the operator's"}, status=404)
        try:
            ask = read(await request.read(), Ask)
        except Unreadable as error:
            return web.json_response({"error": str(error)}, status=422)
        try:
            done = await self._strays.do(Step(step), ask, datetime.now(UTC))
        except (ClusterError, ProgressUnavailable) as error:
            return web.json_response({"error": f"{type(error).__name__}: {str(error)[:200]}"}, status=503)
        _log.info("maintenance", step=step, dry_run=ask.dry_run, looked_at=done.looked_at, **done.counts)
        return web.Response(body=done.body(), content_type="application/json")
