"""The public keys that tokens are signed with; each is good for exactly one algorithm.

Read again when they change, so a key is rotated by replacing a file. Private keys, weak ones and others that can't be
used are passed over with a warning.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import PyJWKClient, PyJWKSet
from jwt.exceptions import PyJWTError

from forge_core.logs import get_logger

LOOK_AGAIN_SECONDS: Final = 5.0
MIN_RSA_BITS: Final = 2048
log = get_logger("api.keys")


class KeysUnavailable(Exception):
    """The keys can't be read and never were."""


@dataclass(frozen=True)
class Key:
    """`algorithm` is RS256 or ES256."""

    kid: str
    algorithm: str
    public: Any


class Keys(Protocol):
    """Where keys come from."""

    async def named(self, kid: str | None) -> list[Key]:
        """The keys with that id, all of them when a token names none. Raises KeysUnavailable."""
        ...


def keys_from(place: str) -> Keys:
    """A JWKS URL, a JWKS file, or a folder of PEM files."""
    if place.startswith(("https://", "http://")):
        return JwksUrl(place)
    return KeyFiles(Path(place))


def algorithm_of(public: object) -> str | None:
    """The one algorithm that a key is accepted for, or None when it is accepted for none."""
    if isinstance(public, rsa.RSAPublicKey) and public.key_size >= MIN_RSA_BITS:
        return "RS256"
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name == "secp256r1":
        return "ES256"
    return None


class KeyFiles:
    """A folder of PEM public keys or certificates (kid: the file's name, with or without its ending), or one JWKS."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._keys: list[Key] = []
        self._seen: object = None
        self._looked = -LOOK_AGAIN_SECONDS

    async def named(self, kid: str | None) -> list[Key]:
        """As in Keys."""
        if time.monotonic() - self._looked >= LOOK_AGAIN_SECONDS:
            await asyncio.to_thread(self._look)
            self._looked = time.monotonic()
        if not self._keys:
            raise KeysUnavailable(f"no usable public key in {self._place.name}")
        return [key for key in self._keys if kid is None or kid in {key.kid, Path(key.kid).stem}]

    def _look(self) -> None:
        try:
            files = [self._place] if self._place.is_file() else sorted(self._place.iterdir())
            files = [file for file in files if file.is_file() and not file.name.startswith(".")]
            seen = [(file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files]
            if seen == self._seen:
                return
            self._keys = [key for file in files for key in _read(file)]
            self._seen = seen
        except OSError as error:
            log.warning("the keys can't be read", error=str(error))


def _read(file: Path) -> list[Key]:
    raw = file.read_bytes()
    if raw.lstrip().startswith(b"{"):
        return _of_set(raw)
    try:
        public: object
        if b"BEGIN CERTIFICATE" in raw:
            public = x509.load_pem_x509_certificate(raw).public_key()
        else:
            public = load_pem_public_key(raw)
    except ValueError:
        log.warning("not a public key: passed over", file=file.name)
        return []
    algorithm = algorithm_of(public)
    if algorithm is None:
        log.warning("only RSA from 2048 bits and EC P-256 are accepted: passed over", file=file.name)
        return []
    return [Key(file.name, algorithm, public)]


def _of_set(raw: bytes) -> list[Key]:
    try:
        return _usable(PyJWKSet.from_dict(json.loads(raw)))
    except (PyJWTError, ValueError) as error:
        log.warning("not a JWKS: passed over", error=str(error))
        return []


def _usable(keys: PyJWKSet) -> list[Key]:
    found = [(key.key_id or "", algorithm_of(key.key), key.key) for key in keys.keys]
    return [Key(kid, algorithm, public) for kid, algorithm, public in found if algorithm is not None]


class JwksUrl:
    """A JWKS by HTTP: kept for five minutes, asked again at once (but not more than every 5 s) for an unknown kid."""

    def __init__(self, url: str) -> None:
        self._client = PyJWKClient(url, cache_jwk_set=True, lifespan=300, timeout=5)
        self._keys: list[Key] = []
        self._asked = -LOOK_AGAIN_SECONDS

    async def named(self, kid: str | None) -> list[Key]:
        """As in Keys."""
        found = await self._held(kid, refresh=False)
        if not found and time.monotonic() - self._asked >= LOOK_AGAIN_SECONDS:
            self._asked = time.monotonic()
            found = await self._held(kid, refresh=True)
        if not self._keys:
            raise KeysUnavailable("the JWKS can't be read")
        return found

    async def _held(self, kid: str | None, *, refresh: bool) -> list[Key]:
        try:
            self._keys = _usable(await asyncio.to_thread(self._client.get_jwk_set, refresh))
        except (PyJWTError, OSError, ValueError) as error:
            log.warning("the JWKS can't be read", error=str(error))
        return [key for key in self._keys if kid is None or kid == key.kid]
