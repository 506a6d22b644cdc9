"""Serves the bare repositories of a folder over git's smart HTTP protocol, read-only, by way of `git http-backend`.

A repository NAME.git with a file `credentials` in it (`user:password`) asks for them; the others are open to all.
"""

import base64
import hmac
import http.server
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

ROOT = Path(os.environ.get("REPOSITORIES", "/repositories"))
PORT = int(os.environ.get("PORT", "8080"))
CHUNK = 1 << 16


class Git(http.server.BaseHTTPRequestHandler):
    server_version = "git-server"
    disable_nagle_algorithm = True  # headers and body are two writes

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self.send_response(200)
            self.end_headers()
            return
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        if not self.may_enter():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        with subprocess.Popen(
            ["git", "http-backend"], env=self.cgi(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as backend:
            assert backend.stdin is not None
            assert backend.stdout is not None
            self.copy_body(backend.stdin)
            self.copy_headers(backend.stdout)
            shutil.copyfileobj(backend.stdout, self.wfile, CHUNK)

    def may_enter(self) -> bool:
        name = urlsplit(self.path).path.strip("/").split("/")[0]
        wanted = ROOT / name / "credentials"
        if not wanted.is_file():
            return True
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        expected = base64.b64encode(wanted.read_bytes().strip()).decode()
        return scheme.lower() == "basic" and hmac.compare_digest(given.strip(), expected)

    def cgi(self) -> dict[str, str]:
        url = urlsplit(self.path)
        return {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(ROOT),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": url.path,
            "QUERY_STRING": url.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": self.headers.get("Content-Length", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_ADDR": self.client_address[0],
        }

    def copy_body(self, target: IO[bytes]) -> None:
        """The request's body, counted or in chunks, to the backend, which reads to its end."""
        try:
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    target.write(self.rfile.read(size))
                    self.rfile.readline()
            left = int(self.headers.get("Content-Length") or 0)
            while left > 0 and (part := self.rfile.read(min(left, CHUNK))):
                target.write(part)
                left -= len(part)
            target.close()
        except BrokenPipeError:  # the backend refused before it had read everything; its answer says why
            pass

    def copy_headers(self, source: IO[bytes]) -> None:
        status, headers = 200, []
        while (line := source.readline().decode().rstrip("\r\n")) != "":
            name, _, value = line.partition(":")
            if name.lower() == "status":
                status = int(value.split()[0])
            else:
                headers.append((name, value.strip()))
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()  # no length: HTTP/1.0 ends the answer by closing the connection


if __name__ == "__main__":
    print(f"serving {ROOT} at port {PORT}", file=sys.stderr)
    http.server.ThreadingHTTPServer(("", PORT), Git).serve_forever()
