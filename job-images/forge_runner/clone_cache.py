"""A runner's side of the clone cache (forge_core.clones). Each call is one try, by a plain HTTP client without proxies.

Whatever goes wrong is `NoCache`, with a sentence: a clone is then a direct one, and a clean-up tries again or gives up.
"""

import http.client
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from forge_core.clones import CLONES_PATH, REPOSITORY_PATH, SWEEP_PATH, Brought, Sweep, Swept, Wanted
from forge_core.git.location import Location
from forge_core.names import CLONES_TOKEN_PATH, CLONES_TOKEN_PATH_ENV, CLONES_URL_ENV

CONNECT_SECONDS: Final = 5.0
BRING_SECONDS: Final = 90.0
"""Longer than a service may let a runner wait (its `patience`)."""
SWEEP_SECONDS: Final = 120.0
MAX_ANSWER: Final = 64 * 1024
M = TypeVar("M", bound=BaseModel)


class NoCache(Exception):
    """It can't serve this. `final` when the same call will be refused again."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


@dataclass(frozen=True)
class CloneCache:
    """Where it is, and the token that it knows this pod by."""

    url: str
    token_path: Path

    @classmethod
    def told(cls) -> Self | None:
        """The one that the environment names, None when there is none."""
        url = os.environ.get(CLONES_URL_ENV, "")
        return cls(url, Path(os.environ.get(CLONES_TOKEN_PATH_ENV, CLONES_TOKEN_PATH))) if url else None

    def brought(self, wanted: Wanted) -> str:
        """Have the job's repository brought up to date; the commit that the ref names. Raises NoCache."""
        return self._called(CLONES_PATH, wanted, Brought, BRING_SECONDS).commit

    def swept(self, sweep: Sweep) -> Swept:
        """Have mirrors removed, one batch. Raises NoCache."""
        return self._called(SWEEP_PATH, sweep, Swept, SWEEP_SECONDS)

    @property
    def location(self) -> Location:
        """Where git fetches from, once it was brought. Raises NoCache."""
        host, port = self._place()
        return Location(f"{self.url.rstrip('/')}{REPOSITORY_PATH}", "http", host, port)

    def settings(self) -> tuple[tuple[str, str], ...]:
        """git's settings for that. Raises NoCache."""
        return (("http.extraHeader", f"Authorization: Bearer {self._token()}"),)

    def _place(self) -> tuple[str, int]:
        try:
            parts = urlsplit(self.url)
            host, port = parts.hostname, parts.port or 80
        except ValueError:
            host = None
        if host is None or parts.scheme != "http":
            raise NoCache(f"{CLONES_URL_ENV} is no address such as http://forge-clones:8082")
        return host, port

    def _token(self) -> str:
        try:
            return self.token_path.read_text().strip()
        except OSError as error:
            raise NoCache(f"the token for it can't be read ({error.strerror})") from None

    def _called(self, path: str, body: BaseModel, model: type[M], seconds: float) -> M:
        headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(*self._place(), timeout=CONNECT_SECONDS)
        try:
            connection.connect()
            connection.sock.settimeout(seconds)
            connection.request("POST", path, body.model_dump_json().encode(), headers)
            response = connection.getresponse()
            raw = response.read(MAX_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            raise NoCache(f"it does not answer ({type(error).__name__})") from None
        finally:
            connection.close()
        if response.status != 200:
            said = _said(raw)
            final = 400 <= response.status < 500 and response.status not in {401, 408, 429}
            raise NoCache(f"it answered {response.status}" + (f": {said}" if said else ""), final=final)
        try:
            return model.model_validate_json(raw)
        except ValidationError:
            raise NoCache("its answer can't be read") from None


def _said(raw: bytes) -> str:
    try:
        document: Any = json.loads(raw)
    except ValueError:
        return ""
    return str(document.get("detail", ""))[:500] if isinstance(document, dict) else ""
