"""What a job's `config` says about a delivery. The CRD checks it first; what slips through ends Permanent."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Self

from msgspec import Meta

from forge_core.webhooks import MAX_PAYLOAD, MESSAGE_ID
from forge_core.wire import Strict, Unreadable, converted
from forge_runner.report import Permanent


class DeliveryConfig(Strict, frozen=True):
    """The message. Where it goes, and what signs it, is in the mounted Secret."""

    messageId: Annotated[str, Meta(pattern=MESSAGE_ID)]  # noqa: N815 - as the manifest spells it
    payload: Annotated[str, Meta(min_length=1, max_length=MAX_PAYLOAD)]

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Self:
        """The assignment's `config`. Raises Permanent with the field and what is wrong."""
        try:
            read = converted(config, cls)
        except Unreadable as error:
            raise Permanent(f"config.{error}") from None
        try:
            json.loads(read.payload)
            read.payload.encode()
        except (ValueError, RecursionError):
            raise Permanent("config.payload: must be a JSON text") from None
        return read
