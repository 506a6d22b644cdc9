"""A receiver of webhooks that checks signatures by itself: `python receiver.py PORT`, with the standard library alone.

    PUT  /secret                      the secret (whsec_...) that POSTs must be signed with from now on, else 401
    POST /any/path?answers=500,200    answered with one status after the other, the last one for good (left out: 200)
    GET  /received                    what was posted so far, in JSON: path, at, status, headers, body (base64)

Further words of a POST's query: `retry-after`, `location` (headers of each answer but 2xx), `body` (its text),
`seconds` (`20,0`: how long each answer is waited for, as with `answers`).
"""

import base64
import hashlib
import hmac
import json
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOLERANCE = 300
USUALLY = {"answers": "200", "seconds": "0"}


class Receiver(ThreadingHTTPServer):
    """The server and what it has seen."""

    request_queue_size = 256
    daemon_threads = True

    def __init__(self, place: tuple[str, int]) -> None:
        super().__init__(place, Handler)
        self.lock = threading.Lock()
        self.received: list[dict[str, Any]] = []
        self.secret = ""
        self.times: Counter[str] = Counter()
        self.pause: Callable[[], object] = lambda: None
        """Called by each delivery once it is noted and before it is answered."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


@contextmanager
def receiving(address: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver in a thread."""
    with Receiver((address, port)) as receiver:
        if tls:
            receiver.socket = tls.wrap_socket(receiver.socket, server_side=True)
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


def is_signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Standard Webhooks by its own words: any of the signatures may be the one."""
    stamp = headers.get("webhook-timestamp", "")
    if not stamp.isdigit() or abs(time.time() - int(stamp)) > TOLERANCE:
        return False
    text = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), text, hashlib.sha256).digest()
    wanted = f"v1,{base64.b64encode(digest).decode()}"
    return any(hmac.compare_digest(wanted, each) for each in headers.get("webhook-signature", "").split(" "))


def _of(values: str, number: int) -> int:
    """The `number`th of them (0 is the first), the last one for good."""
    each = values.split(",")
    return int(each[min(number, len(each) - 1)])


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes
    server: Receiver

    def do_POST(self) -> None:
        """A delivery."""
        at, body = time.time(), self._body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        with self.server.lock:
            time_of_it = self.server.times[self.path]
            self.server.times[self.path] += 1
            status, seconds = (_of(asked.get(word, usual), time_of_it) for word, usual in USUALLY.items())
            if self.server.secret and not is_signed(self.server.secret, headers, body):
                status = 401
            seen = {"path": self.path, "at": at, "status": status, "headers": headers}
            self.server.received.append({**seen, "body": base64.b64encode(body).decode()})
        self.server.pause()
        time.sleep(seconds)
        named = {"Retry-After": asked.get("retry-after"), "Location": asked.get("location")}
        self._answer(status, asked.get("body", "").encode(), {} if 200 <= status < 300 else named)

    def do_PUT(self) -> None:
        """The secret."""
        self.server.secret = self._body().decode().strip()
        self._answer(204, b"", {})

    def do_GET(self) -> None:
        """What came."""
        with self.server.lock:
            told = json.dumps(self.server.received)
        self._answer(200, told.encode(), {})

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, body: bytes, headers: dict[str, str | None]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if status != 204 else b"")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class calls it
        """Nothing: what came is asked for."""


if __name__ == "__main__":
    Receiver(("", int(sys.argv[1]))).serve_forever()
