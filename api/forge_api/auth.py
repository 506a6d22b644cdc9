"""Who calls: a JWT's signature, algorithm, issuer, audience and times are checked before a word of it is believed."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import jwt
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    MissingRequiredClaimError,
    PyJWTError,
)

from forge_api.keys import Keys, KeysUnavailable
from forge_api.problems import Problem, unauthenticated, unavailable

MAX_TOKEN: Final = 4 * 1024
LEEWAY_SECONDS: Final = 5
_TENANT: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SENTENCES: Final[dict[type[PyJWTError], str]] = {
    ExpiredSignatureError: "The token has expired: get a new one.",
    ImmatureSignatureError: "The token is not valid yet.",
    InvalidAudienceError: "The token is meant for another audience.",
    InvalidIssuerError: "The token comes from an issuer that is not trusted here.",
}


@dataclass(frozen=True)
class Identity:
    """What a good token says: the user, the tenant, and until when."""

    user: str
    tenant: str
    expires: datetime


@dataclass(frozen=True)
class Verifier:
    """Checks tokens against `keys`; issuer and audience must be exactly these."""

    keys: Keys
    issuer: str
    audience: str

    async def verify(self, token: str) -> Identity:
        """Raises Problem 401 with a sentence, 503 when the keys can't be read."""
        if len(token) > MAX_TOKEN:
            raise unauthenticated(f"The token is longer than {MAX_TOKEN} characters.")
        try:
            header = jwt.get_unverified_header(token)
        except PyJWTError:
            raise unauthenticated("The token is not a JWT.") from None
        claims = self._claims(token, await self._candidates(header))
        return _identity(claims)

    async def _candidates(self, header: dict[str, Any]) -> list[tuple[str, Any]]:
        """Keys of the algorithm that the token names: a key is never used with another one (alg none, HMAC by RSA)."""
        kid, algorithm = header.get("kid"), header.get("alg")
        if algorithm not in {"RS256", "ES256"}:
            raise unauthenticated("The token's algorithm is not accepted: sign with RS256 or ES256.")
        try:
            keys = await self.keys.named(kid if isinstance(kid, str) and kid else None)
        except KeysUnavailable as error:
            raise unavailable(f"Tokens can't be checked: {error}.") from None
        found = [key.public for key in keys if key.algorithm == algorithm]
        if not found:
            raise unauthenticated("The token is signed with a key that is not known here.")
        return [(algorithm, public) for public in found]

    def _claims(self, token: str, candidates: list[tuple[str, Any]]) -> dict[str, Any]:
        for algorithm, public in candidates:
            try:
                claims: dict[str, Any] = jwt.decode(
                    token,
                    public,
                    algorithms=[algorithm],
                    audience=self.audience,
                    issuer=self.issuer,
                    leeway=LEEWAY_SECONDS,
                    options={"require": ["exp", "iss", "aud", "sub"]},
                )
            except jwt.InvalidSignatureError:
                continue
            except MissingRequiredClaimError as error:
                raise unauthenticated(f"The token lacks the claim {error.claim}.") from None
            except PyJWTError as error:
                raise unauthenticated(_SENTENCES.get(type(error), "The token is not acceptable.")) from None
            return claims
        raise unauthenticated("The token's signature is wrong.")


def _identity(claims: dict[str, Any]) -> Identity:
    user, tenant = claims["sub"], claims.get("tenant")
    if not isinstance(user, str) or not user or len(user) > 253 or not user.isprintable():
        raise unauthenticated("The token's sub is not a user's name.")
    if not isinstance(tenant, str) or not _TENANT.fullmatch(tenant):
        raise Problem(403, "The token names no tenant: it needs the claim tenant.")
    return Identity(user, tenant, datetime.fromtimestamp(int(claims["exp"]), UTC))
