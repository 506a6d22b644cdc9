"""Imported first by the worker: leaves it without an HTTP client.

detect-secrets imports `requests` to ask providers whether a secret works, which is never wanted here. Without it
nothing in the process that reads the repository's files could send them anywhere, and the process starts 0.3 s sooner.
"""

import sys
from types import ModuleType, SimpleNamespace


class _Absent(ModuleType):
    exceptions = SimpleNamespace(RequestException=OSError)
    Response = object  # named in annotations

    def __getattr__(self, name: str) -> object:
        raise AttributeError(f"an analysis has no network: requests.{name}")


sys.modules["requests"] = _Absent("requests")
