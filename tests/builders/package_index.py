"""An index of packages as pip asks it, with one package in it."""

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


@contextmanager
def package_index(folder: Path) -> Iterator[str]:
    """Its URL; `needed` 1.0 is the one module of the package of that name, and its VALUE is 42."""
    place = folder / "simple/needed"
    place.mkdir(parents=True)
    files = {
        "needed.py": b"VALUE = 42\n",
        "needed-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: needed\nVersion: 1.0\n",
        "needed-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_hash(body)},{len(body)}\n" for name, body in files.items())
    files["needed-1.0.dist-info/RECORD"] = record.encode() + b"needed-1.0.dist-info/RECORD,,\n"
    with zipfile.ZipFile(place / "needed-1.0-py3-none-any.whl", "w") as wheel:
        for name, body in files.items():
            wheel.writestr(name, body)
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
