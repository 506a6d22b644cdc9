"""The operator as a process of its own, as a named installation that serves only the test's namespaces."""

import json
import os
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.services.forked import Forked
from tests.services.ports import free_port
from tests.services.waiting import wait_until


@dataclass
class OperatorProcess:
    """Started, killed and started again by a test."""

    environment: dict[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    process: Forked | None = None

    def start(self) -> None:
        """Start it and wait until it leads."""
        self.spawn()
        wait_until(lambda: self.health().get("leading"), 60, "the operator leads")

    def spawn(self) -> None:
        """Start it and don't wait."""
        environment = {**os.environ, **self.environment, "FORGE_PORT": str(self.port)}
        self.process = Forked.program("forge_operator.program", environment, self.log)

    def health(self) -> dict[str, Any]:
        """What /readyz answers, {} while nothing does."""
        try:
            return dict(json.loads(self.get("/readyz")))
        except (OSError, ValueError):
            return {}

    def get(self, path: str) -> str:
        """The body of an answer, whatever its status."""
        assert self.process is not None
        assert self.process.code is None, self.log.read_text()[-3000:]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def told(self, *lines: str) -> Callable[[], bool]:
        """Whether its metrics have these lines: to wait for, a counter follows what it counts."""

        def all_there() -> bool:
            shown = self.get("/metrics")
            return all(line in shown for line in lines)

        return all_there

    def end(self, number: int = signal.SIGTERM) -> int:
        """Signal it and wait; its exit code."""
        assert self.process is not None
        self.process.signal(number)
        code = self.process.wait()
        self.process = None
        return code


@contextmanager
def operator_process(environment: dict[str, str], log: Path) -> Iterator[OperatorProcess]:
    """Not yet started; killed at the end."""
    operator = OperatorProcess(environment, log)
    try:
        yield operator
    finally:
        if operator.process:
            operator.end(signal.SIGKILL)
        if log.exists():
            print(log.read_text()[-8000:])  # noqa: T201 - pytest shows it beside a failure


@contextmanager
def healthy_api() -> Iterator[str]:
    """A server that answers as the API's /healthz does; the URL. The operator asks the API for nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
