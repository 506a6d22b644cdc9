"""An HTTP server that keeps the internal API's contract in memory: what the runner is told is what a test decided."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from forge_core.attempts import INTERNAL_PREFIX, ClaimRequest, Outcome
from forge_core.maintenance import Ask, Done, Step
from forge_core.wire import read

_ARTIFACT = re.compile(rf"{INTERNAL_PREFIX}/attempts/(\d+)/artifacts/([a-z0-9._-]+)")
_MAINTENANCE = re.compile(rf"{INTERNAL_PREFIX}/maintenance/([a-z]+)")
_BASELINE = re.compile(rf"{INTERNAL_PREFIX}/attempts/(\d+)/baseline")
_CACHE = re.compile(rf"{INTERNAL_PREFIX}/attempts/(\d+)/caches/([a-z0-9-]+)")
_OUTCOME = re.compile(rf"{INTERNAL_PREFIX}/attempts/(\d+)/outcome")


@dataclass
class Ledger:
    """What the server was told, and how it shall behave from now on."""

    url: str = ""
    budget: int = 3
    away: bool = False
    """Answer 503 to everything."""
    fenced: bool = False
    done: str = ""
    """What it says to a claim once another pod has done the work."""
    older: bool = False
    """As an API of the release before: it takes no stages."""
    refuse_claims: int = 0
    refuse_artifacts: int = 0
    """This status for each artefact, when not 0."""
    last_error: str = ""
    refuse_maintenance: int = 0
    baseline: bytes | None = None
    """What a job is compared with; None: the API knows of none."""
    baselines_given: int = 0
    caches: dict[str, bytes] = field(default_factory=dict)
    caches_asked: list[str] = field(default_factory=list)
    refuse_caches: int = 0
    """This status for each call about a cache, when not 0."""
    stumble_at: int = 0
    """Go away when this many batches of maintenance were done, once."""
    maintain: Callable[[Step, Ask], Done] = lambda step, ask: Done(after="", looked_at=0, share=1)
    asks: list[tuple[Step, Ask]] = field(default_factory=list)
    claims: dict[int, int] = field(default_factory=dict)
    artifacts: dict[tuple[int, str], bytes] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    calls: int = 0
    times: list[float] = field(default_factory=list)

    def claim(self, number: int) -> tuple[int, dict[str, Any]]:
        """A claim in one pod: the same number gets the same answer."""
        if self.done:
            return 409, {"code": "done", "detail": self.done}
        if number not in self.claims:
            if len(self.claims) >= self.budget:
                return 409, {"code": "exhausted", "detail": self.last_error}
            self.claims[number] = len(self.claims) + 1
        return 200, {"attempt": self.claims[number], "attempts": self.budget}

    def log_of(self, attempt: int) -> str:
        """The whole log that was stored for an attempt."""
        return self.artifacts[attempt, "log"].decode()


class _Handler(BaseHTTPRequestHandler):
    ledger: Ledger
    disable_nagle_algorithm = True  # headers and body are two writes

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""

    def _answer(self, status: int, body: dict[str, Any] | None = None) -> None:
        raw = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _body(self) -> bytes:
        self.ledger.calls += 1
        self.ledger.tokens.append(self.headers["Authorization"])
        return self.rfile.read(int(self.headers["Content-Length"]))

    def do_POST(self) -> None:
        body = self._body()
        if self.ledger.away:
            return self._answer(503)
        if self.ledger.fenced:
            return self._answer(409, {"code": "fenced"})
        if match := _MAINTENANCE.fullmatch(self.path):
            return self._maintain(Step(match[1]), read(body, Ask))
        if self.ledger.refuse_claims:
            return self._answer(self.ledger.refuse_claims, {"detail": "not a runner's"})
        return self._answer(*self.ledger.claim(read(body, ClaimRequest).number_in_pod))

    def _maintain(self, step: Step, ask: Ask) -> None:
        if self.ledger.refuse_maintenance:
            return self._answer(self.ledger.refuse_maintenance, {"detail": "not a cleaner"})
        if self.ledger.stumble_at and len(self.ledger.asks) == self.ledger.stumble_at:
            self.ledger.stumble_at, self.ledger.away = 0, True
            return self._answer(503)
        self.ledger.asks.append((step, ask))
        return self._answer(200, json.loads(self.ledger.maintain(step, ask).encode()))

    def do_GET(self) -> None:
        self.ledger.calls += 1
        self.ledger.tokens.append(self.headers["Authorization"])
        if self.ledger.away:
            return self._answer(503)
        if self.ledger.fenced:
            return self._answer(409, {"code": "fenced"})
        if match := _CACHE.fullmatch(self.path):
            return self._cache(match[2])
        if not _BASELINE.fullmatch(self.path) or self.ledger.baseline is None:
            return self._answer(404, {"code": "no-baseline", "error": "There is no such analysis; name a ref."})
        self.ledger.baselines_given += 1
        return self._give(self.ledger.baseline)

    def _cache(self, name: str) -> None:
        self.ledger.caches_asked.append(name)
        if self.ledger.refuse_caches or name not in self.ledger.caches:
            return self._answer(self.ledger.refuse_caches or 404, {"code": "no-cache"})
        return self._give(self.ledger.caches[name])

    def _give(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        body = self._body()
        if self.ledger.away:
            return self._answer(503)
        if self.ledger.fenced:
            return self._answer(409, {"code": "fenced"})
        if match := _ARTIFACT.fullmatch(self.path):
            return self._artifact(int(match[1]), match[2], body)
        if match := _CACHE.fullmatch(self.path):
            if not self.ledger.refuse_caches:
                self.ledger.caches[match[2]] = body
            return self._answer(self.ledger.refuse_caches or 204)
        if match := _OUTCOME.fullmatch(self.path):
            return self._outcome(int(match[1]), read(body, Outcome))
        return self._answer(404)

    def _artifact(self, attempt: int, name: str, body: bytes) -> None:
        if self.ledger.refuse_artifacts and name != "log":
            return self._answer(self.ledger.refuse_artifacts, {"detail": "too much of it"})
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        if self.headers["Content-Digest"] != f"sha-256=:{digest}:":
            return self._answer(422, {"detail": "digest"})
        self.ledger.artifacts[attempt, name] = body
        return self._answer(204)

    def _outcome(self, attempt: int, outcome: Outcome) -> None:
        if outcome.stages and self.ledger.older:
            return self._answer(422, {"detail": "body.stages: Extra inputs are not permitted"})
        for reference in outcome.artifacts:
            body = self.ledger.artifacts.get((attempt, reference.name), b"")
            if (len(body), hashlib.sha256(body).hexdigest()) != (reference.size, reference.sha256):
                return self._answer(422, {"detail": f"artefact {reference.name}"})
        self.ledger.outcomes[attempt] = outcome
        return self._answer(204)


@contextmanager
def serving() -> Iterator[Ledger]:
    """The server on a free port of the loopback."""
    ledger = Ledger()
    handler = type("Handler", (_Handler,), {"ledger": ledger})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        ledger.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield ledger
        finally:
            server.shutdown()
            thread.join()
