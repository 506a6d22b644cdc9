"""An index of packages as pip asks it, with one package in it."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

WHEEL = "needed-1.0-py3-none-any.whl"
"""The one file of the one package, at simple/needed/."""


def wheel() -> bytes:
    """The package `needed` 1.0: a module of that name, whose VALUE is 42."""
    files = {
        "needed.py": b"VALUE = 42\n",
        "needed-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: needed\nVersion: 1.0\n",
        "needed-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_hash(body)},{len(body)}\n" for name, body in files.items())
    files["needed-1.0.dist-info/RECORD"] = record.encode() + b"needed-1.0.dist-info/RECORD,,\n"
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return whole.getvalue()


@contextmanager
def package_index(folder: Path) -> Iterator[str]:
    """The URL of an index on this machine that serves the wheel."""
    place = folder / "simple/needed"
    place.mkdir(parents=True)
    (place / WHEEL).write_bytes(wheel())
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}/simple"
        serving.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def _hash(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
