"""Alerts go from the outbox to the sink, at least once, each tried for about a day.

An alert that the sink refuses rests alone, for a growing while; when the sink itself is in trouble (away, too slow,
429, 5xx, no right) all rest, as long as it asks for. New alerts go before those that have failed.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from forge_core import logs
from forge_core.history.database import HistoryUnavailable
from forge_core.history.outbox import Channel, Event, Outbox
from forge_core.pauses import Pauses
from forge_operator.metrics import Metrics
from forge_operator.outbox.sinks import AlertSink, NotSent
from forge_operator.rests import Rests

LOOK_SECONDS: Final = 1.0
AT_ONCE: Final = 4
HELD_SECONDS: Final = 60.0
"""For so long nobody else sends a claimed alert: longer than a sink may take. After a death it is sent again."""
PAUSES: Final = Pauses(1.0, 30.0)
"""Of the sink, when it takes nothing."""
PAUSES_OF_AN_ALERT: Final = Pauses(1.0, 900.0)

_SINK: Final = "sink"
_log = logs.get_logger(__name__)


class Alerting:
    """Sends while `leads()`."""

    def __init__(
        self,
        outbox: Outbox,
        sink: Callable[[], AbstractAsyncContextManager[AlertSink]],
        metrics: Metrics,
        leads: Callable[[], bool],
    ) -> None:
        self._outbox = outbox
        self._open = sink
        self._metrics = metrics
        self._leads = leads
        self._rests = Rests(PAUSES)

    @property
    def rests(self) -> float:
        """Seconds for which the sink is left alone."""
        return self._rests.left(_SINK, time.monotonic())

    async def keep(self) -> None:
        """For ever, whatever is away."""
        async with self._open() as sink:
            while True:
                more = False
                try:
                    if self._leads() and not self.rests:
                        more = await self.round(sink)
                except HistoryUnavailable as error:
                    _log.debug("PostgreSQL is away: alerts wait", error=str(error))
                if not more:
                    await asyncio.sleep(LOOK_SECONDS)

    async def round(self, sink: AlertSink) -> bool:
        """Send what is due, a few at once; whether there may be more. Raises HistoryUnavailable."""
        alerts = await self._outbox.claim_alerts(AT_ONCE, HELD_SECONDS)
        answers = await asyncio.gather(*(self._send(sink, alert) for alert in alerts))
        refused = [error for error in answers if error is not None and not error.only_this]
        if refused:
            wait = max(error.wait for error in refused)
            first = not self._rests.times(_SINK)
            pause = self._rests.failed(_SINK, time.monotonic(), wait)
            (_log.warning if first else _log.debug)(
                "the alert sink takes nothing: alerts wait", error=str(refused[0]), again_in=pause
            )
            return False
        if alerts and self._rests.worked(_SINK):
            _log.info("the alert sink takes alerts again")
        return len(alerts) == AT_ONCE

    async def _send(self, sink: AlertSink, alert: Event) -> NotSent | None:
        try:
            await sink.send(alert)
        except NotSent as error:
            await self._postpone(alert, error)
            return error
        except Exception as error:
            # One that can't even be written out must not keep the others waiting.
            _log.exception("an alert can't be sent", alert=str(alert.id))
            odd = NotSent(type(error).__name__, only_this=True)
            await self._postpone(alert, odd)
            return odd
        self._metrics.published.labels(Channel.ALERTS).inc(await self._outbox.published([alert.id]))
        return None

    async def _postpone(self, alert: Event, error: NotSent) -> None:
        self._metrics.unpublished.labels(Channel.ALERTS).inc()
        pause = max(PAUSES_OF_AN_ALERT.after(alert.tries + 1), error.wait)
        given_up = await self._outbox.failed(alert.id, pause)
        if given_up:
            _log.error("an alert was refused too often and is given up", alert=str(alert.id), error=str(error))
        elif error.only_this and not alert.tries:
            _log.warning("an alert was refused; it is tried again", alert=str(alert.id), error=str(error),
                         again_in=pause)  # fmt: skip
