"""The endpoint as its Secret, mounted for this pod alone, has it."""

import base64
import binascii
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from forge_core.webhooks import SecretKey
from forge_runner.report import Permanent

MAX_BYTES: Final = 64 * 1024
PREFIX: Final = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret, as Standard Webhooks recommends."""


@dataclass(frozen=True)
class Endpoint:
    """Where to and signed with what: one secret, or while they are being changed two, the newer first."""

    url: str
    secrets: tuple[str, ...] = field(repr=False)

    def without_secrets(self, text: str) -> str:
        """`text` as others may see it, whatever a receiver echoes."""
        for secret in self.secrets:
            for form in (secret, secret.removeprefix(PREFIX), secret.removeprefix(PREFIX).rstrip("=")):
                text = text.replace(form, "***")
        return text


def read_endpoint(folder: Path, now: datetime) -> Endpoint:
    """The mounted Secret. Raises Permanent with what it lacks, never with what it holds."""
    url, secret = _value(folder, SecretKey.URL), _value(folder, SecretKey.SECRET)
    if not url or not secret:
        missing = SecretKey.URL if not url else SecretKey.SECRET
        raise Permanent(
            f"The endpoint's Secret isn't there or has no key `{missing}`: "
            "the endpoint may have been deleted; register it again, or name its Secret in spec.secretRef."
        )
    secrets = [_checked(secret, SecretKey.SECRET)]
    previous = _value(folder, SecretKey.PREVIOUS)
    if previous and now < _until(folder):
        secrets.append(_checked(previous, SecretKey.PREVIOUS))
    return Endpoint(url, tuple(secrets))


def _checked(secret: str, key: str) -> str:
    try:
        size = len(base64.b64decode(secret.removeprefix(PREFIX), validate=True)) if secret.startswith(PREFIX) else 0
    except binascii.Error:
        size = 0
    if not SHORTEST <= size <= LONGEST:
        raise Permanent(
            f"The key `{key}` of the endpoint's Secret must be {PREFIX} and the base64 of {SHORTEST} to {LONGEST} "
            "bytes: rotate the endpoint's secret."
        )
    return secret


def _until(folder: Path) -> datetime:
    """Until when the previous secret signs; one without an end does."""
    text = _value(folder, SecretKey.PREVIOUS_UNTIL)
    try:
        until = datetime.fromisoformat(text) if text else datetime.max.replace(tzinfo=UTC)
    except ValueError:
        raise Permanent(
            f"The key `{SecretKey.PREVIOUS_UNTIL}` of the endpoint's Secret is no time in RFC 3339: "
            "rotate the endpoint's secret."
        ) from None
    return until if until.tzinfo else until.replace(tzinfo=UTC)


def _value(folder: Path, key: SecretKey) -> str:
    try:
        with (folder / key).open("rb") as file:
            return file.read(MAX_BYTES).decode(errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise Permanent(f"The key `{key}` of the endpoint's Secret can't be read: {error.strerror}.") from None
