"""The receiver of webhooks in the cluster, as a test sees it."""

from dataclasses import dataclass
from typing import Any

from bench import receiving
from tests.conftest import Kubectl


@dataclass(frozen=True)
class Hooks:
    """Which paths are called, and with what. Secrets are told to the receiver, which checks signatures by itself."""

    kubectl: Kubectl

    def url(self, path: str) -> str:
        """Of an endpoint there; a query says how it answers (tests/services/receiver.py)."""
        return receiving.URL + path

    def expect(self, secret: str) -> None:
        """From now on only what this secret signed is taken; anything else is answered 401. "" takes all."""
        script = "import sys, urllib.request as r; r.urlopen(r.Request('http://127.0.0.1:8080/secret', sys.stdin.buffer.read(), method='PUT'))"  # noqa: E501
        place = ("-n", receiving.NAMESPACE, "exec", "-i", f"deployment/{receiving.NAME}")
        self.kubectl.run(*place, "--", "python", "-c", script, stdin=secret)

    def received(self, path: str) -> list[dict[str, Any]]:
        """The calls of one path so far, the first one first."""
        return receiving.calls(self.kubectl.server.read(receiving.RECEIVED), path)
