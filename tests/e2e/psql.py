"""Queries on the embedded PostgreSQL by one psql that stays: tests that wait ask again and again."""

import subprocess
import threading
import uuid
from typing import Final

from tests.conftest import Kubectl

POD: Final = "forge-postgres-0"


class Psql:
    """psql in the server's own container: it ends with it, and another is begun when it is next asked."""

    def __init__(self, kubectl: Kubectl, namespace: str) -> None:
        command = ["-n", namespace, "exec", "-i", POD, "--", "psql", "-h", "/tmp", "-U", "forge", "-d", "forge"]
        self._command = kubectl.command(*command, "-v", "ON_ERROR_STOP=1", "-tA", "-F", "\t")
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def rows(self, statement: str) -> list[list[str]]:
        """What a statement answers. Raises AssertionError with what psql said when it fails."""
        with self._lock:
            if not self._process or self._said("") is None:
                self.close()
                self._process = self._started()
            lines = self._said(f"{statement}\n;")
            assert lines is not None, f"psql ended; it had said: {self.close()}"
        return [line.split("\t") for line in lines if line]

    def _started(self) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(self._command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def _said(self, text: str) -> list[str] | None:
        """The lines that follow upon `text`, None when it has ended."""
        assert self._process
        assert self._process.stdin
        assert self._process.stdout
        end = uuid.uuid4().hex
        try:
            self._process.stdin.write(f"{text}\n\\echo {end}\n")
            self._process.stdin.flush()
        except OSError:
            return None
        lines: list[str] = []
        for line in self._process.stdout:
            if line.strip() == end:
                return lines
            lines.append(line.removesuffix("\n"))
        return None

    def close(self) -> str:
        """End it; what it had to complain of."""
        if not self._process:
            return ""
        with self._process as process:
            process.kill()
            said = process.stderr.read() if process.stderr else ""
        self._process = None
        return said.strip()
