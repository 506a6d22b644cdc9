"""What nobody owns any more beyond the history: Secrets of webhook endpoints here, all else by the operator."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from forge_api.endpoint_secrets import EndpointSecrets
from forge_api.operator import Operator, OperatorAway
from forge_api.problems import unavailable
from forge_core.history.endpoints import Endpoints
from forge_core.maintenance import NOTHING, OPERATORS, OWNERLESS_FOR, Ask, Done, Step

SECRETS_AT_ONCE: Final = 50
_MORE: Final = "more"


@dataclass(frozen=True)
class Ownerless:
    """Every call raises HistoryUnavailable, or Problem 503, while what it needs is away."""

    endpoints: Endpoints
    secrets: EndpointSecrets
    operator: Operator

    async def do(self, step: Step, ask: Ask, now: datetime) -> Done:
        """One batch."""
        return await (self._passed_on(step, ask) if step in OPERATORS else self._stray_secrets(ask, now))

    async def _stray_secrets(self, ask: Ask, now: datetime) -> Done:
        """By the notes of them; those that the tenant's own deletion took along are as good as removed."""
        strays = await self.endpoints.stray_secrets(now - OWNERLESS_FOR, 0 if ask.dry_run else SECRETS_AT_ONCE)
        if not ask.dry_run:
            for stray in strays:
                await self.secrets.forget(stray.namespace, stray.name)
                await self.endpoints.forget_secret(stray.endpoint_id)
        more = not ask.dry_run and len(strays) == SECRETS_AT_ONCE
        counts = {"straySecrets": len(strays)} if strays else {}
        return Done(after=_MORE if more else "", looked_at=len(strays), share=0.5 if more else 1.0, counts=counts)

    async def _passed_on(self, step: Step, ask: Ask) -> Done:
        """Without an operator there is nothing that only an operator makes."""
        if not self.operator.configured:
            return NOTHING
        try:
            return await self.operator.maintain(step, ask)
        except OperatorAway as error:
            raise unavailable(f"The operator can't do this now ({error}): try again.") from None
