"""A builder for runner processes as a pod would start them, with times that no test reaches by chance."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from forge_core.assignment import Assignment, Backoff, Repository, Sandbox
from forge_core.messages import Termination

ROOT = Path(__file__).parents[3]
RUNNER = (sys.executable, "-P", str(Path(__file__).with_name("runner_program.py")))
UID = "0a4f3c1e-7c53-4d3a-9a54-1f3f4d2f8a11"
TENANT = "demo"


@dataclass
class Pod:
    """One runner process and its folder."""

    folder: Path
    api_url: str
    kind: str = "succeed"
    uid: str = UID
    tenant: str = TENANT
    token: str = "first-token"
    attempts: int = 3
    backoff: Backoff = field(default_factory=Backoff)
    timeout: float = 600.0
    config: dict[str, object] = field(default_factory=dict)
    allowed_hosts: tuple[str, ...] = ()
    repository: Repository | None = None
    sandbox: Sandbox | None = None
    secret: dict[str, str] = field(default_factory=dict)
    """Files of the job's own Secret."""
    environment: dict[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = RUNNER
    process: subprocess.Popen[bytes] | None = None

    @property
    def assignment(self) -> Assignment:
        """What the operator would hand it."""
        return Assignment(
            uid=self.uid, name="a-job", tenant=self.tenant, queue="analysis", kind=self.kind, attempts=self.attempts,
            backoff=self.backoff, timeout=self.timeout, config=self.config, allowed_hosts=self.allowed_hosts,
            repository=self.repository, sandbox=self.sandbox,
        )  # fmt: skip

    def start(self) -> "Pod":
        """Start it, as PID 1's only program would be."""
        for name in ("work", "secrets", "job-secret"):
            (self.folder / name).mkdir(parents=True)
        for name, text in self.secret.items():
            (self.folder / "job-secret" / name).write_text(text)
        (self.folder / "token").write_text(self.token)
        (self.folder / "secrets/password").write_text("hunter2-the-password\n")
        with (self.folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                self.program, env=self._environment(), stdout=output, stderr=subprocess.STDOUT, cwd=self.folder
            )
        return self

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "FORGE_ASSIGNMENT": self.assignment.encode(),
            "FORGE_API_URL": self.api_url,
            "FORGE_REDIS_PASSWORD": "redis-secret",
            "FORGE_POD_NAME": "a-pod",
            "FORGE_WORK_PATH": str(self.folder / "work"),
            "FORGE_TOKEN_PATH": str(self.folder / "token"),
            "FORGE_TERMINATION_PATH": str(self.folder / "termination"),
            "FORGE_CREDENTIALS_PATH": str(self.folder / "secrets"),
            "FORGE_SECRET_PATH": str(self.folder / "job-secret"),
            "FORGE_CGROUP_PATH": str(self.folder / "no-cgroup"),
            "FORGE_KILL_GRACE": "0.2",
            "FORGE_CLAIM_ALLOWANCE": "120",
            "FORGE_SAVE_ALLOWANCE": "120",
            "FORGE_FAREWELL": "60",
            **self.environment,
        }

    @property
    def hold(self) -> Path:
        """The work of a first attempt of kind `wait_for` goes on once this file is there."""
        return self.folder / "work/attempt-1/tmp/go"

    def let_go(self) -> None:
        """The work that waits for a file goes on."""
        self.hold.touch()

    def end(self, seconds: float = 600) -> int:
        """Wait for its exit code."""
        assert self.process
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the runner had not ended after {seconds} s:\n{self.output[-3000:]}") from None

    def kill(self) -> None:
        """End it, if it lives."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return (self.folder / "output").read_text(errors="replace")

    @property
    def words(self) -> Termination:
        """Its last words."""
        words = Termination.decode((self.folder / "termination").read_text())
        assert words, "no last words"
        return words

    @property
    def leftovers(self) -> list[str]:
        """Attempt folders that were not removed."""
        return sorted(path.name for path in (self.folder / "work").iterdir() if path.is_dir())


def alive(pid: int) -> bool:
    """Whether the process is there, and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
