"""A clone cache as a process of its own: killed, started again, on a volume that may be small."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.services.clones import SYSTEM, UNHURRIED, Clones, Tenants
from tests.services.waiting import wait_until

PROGRAM = Path(__file__).with_name("service_program.py")


@dataclass
class Process:
    """Its settings, and the process while there is one. All jobs that it shall know are made before it starts."""

    folder: Path
    tenants: Tenants
    settings: dict[str, Any] = field(default_factory=dict)
    volume: str = ""
    """When set, its volume is a file system in memory of that size, gone with the process."""
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def root(self) -> Path:
        """Its volume."""
        return self.folder / "clones"

    def start(self) -> Clones:
        """Start it and wait until it serves."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.starts += 1
        ready, tokens = self.folder / f"ready-{self.starts}", self.folder / f"tokens-{self.starts}"
        cluster = self.tenants.cluster
        tokens.write_text(json.dumps({"objects": cluster.objects, "tokens": cluster.tokens}))
        settings = {
            "allowed_hosts": "127.0.0.1", "system_namespace": SYSTEM, **UNHURRIED, **self.settings,
        }  # fmt: skip
        given = {"root": str(self.root), "ready": str(ready), "tokens": str(tokens), "settings": settings}
        command = [sys.executable, str(PROGRAM), json.dumps(given)]
        if self.volume:
            mounted = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'
            inside = ["sh", "-c", mounted, "sh", self.volume, str(self.root), *command]
            command = ["unshare", "--map-root-user", "--user", "--mount", *inside]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, env=environment)

        def port() -> str:
            assert self.process
            assert self.process.poll() is None, "it did not start"
            return ready.read_text() if ready.exists() else ""

        return Clones(f"http://127.0.0.1:{wait_until(port, what='it serves')}", self.root, self.tenants)

    def kill(self) -> None:
        """Without a word."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """In order."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(60)
