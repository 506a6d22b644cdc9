"""What a job's `config` says about a delivery. The CRD checks it first; what slips through ends Permanent."""

import json
from typing import Annotated

from pydantic import AfterValidator, Field

from forge_core.webhooks import MAX_PAYLOAD, MESSAGE_ID
from forge_runner.config import Config


def _json(text: str) -> str:
    try:
        json.loads(text)
        text.encode()
    except (ValueError, RecursionError):
        raise ValueError("must be a JSON text") from None
    return text


class DeliveryConfig(Config):
    """The message. Where it goes, and what signs it, is in the mounted Secret."""

    messageId: Annotated[str, Field(pattern=MESSAGE_ID)]  # noqa: N815 - as the manifest spells it
    payload: Annotated[str, Field(min_length=1, max_length=MAX_PAYLOAD), AfterValidator(_json)]
