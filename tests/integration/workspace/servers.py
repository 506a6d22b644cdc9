"""A real git server on a loopback port: `git http-backend` behind Python's HTTP server, with passwords where asked."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit


@dataclass
class GitServer:
    """Serves the bare repositories under `root`; remembers each request's path and credentials."""

    root: Path
    port: int = 0
    password: str = ""
    """Asked for when set, of the user `ann`."""
    answer: int = 0
    """When set, the status of every answer, with `location` for a redirect."""
    location: str = ""
    asked: list[str] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    @classmethod
    @contextmanager
    def serving(cls, root: Path, handler: "type[_Handler] | None" = None) -> Iterator[Self]:
        server = cls(root)
        listener = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler or _Handler,), {"git": server}))
        server.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            listener.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    git: GitServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, body: bytes) -> None:
        self.git.asked.append(self.path)
        wanted = "Basic " + base64.b64encode(f"ann:{self.git.password}".encode()).decode()
        given = self.headers.get("Authorization", "")
        if given:
            self.git.credentials.append(given)
        if self.git.answer:
            self._status(self.git.answer, {"Location": self.git.location} if self.git.location else {})
        elif self.git.password and given != wanted:
            self._status(401, {"WWW-Authenticate": 'Basic realm="git"'})
        else:
            self._git(body)

    def _status(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _git(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.git.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
        }
        with subprocess.Popen(
            ["git", "http-backend"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(body)
            child.stdin.close()
            self._forward(child.stdout)

    def _forward(self, stream: Any) -> None:
        headers: dict[str, str] = {}
        while line := stream.readline().strip().decode():
            name, _, value = line.partition(": ")
            headers[name] = value
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in {**headers, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        try:
            while chunk := stream.read(1 << 16):
                self.wfile.write(chunk)
        except (BrokenPipeError, ConnectionResetError):
            stream.read()
