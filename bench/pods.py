"""One runner as its pod starts it, on this machine: real git over HTTP, a real Redis, the internal API's contract.

Beside the outcome stands what it used: of the runner, its child and all that they start, nothing of the services.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from bench.footprint import Watch, cpu_seconds, family
from forge_core.assignment import Repository, Sandbox
from forge_core.names import SANDBOX_PATH_ENV
from tests.integration.runner.pods import Pod
from tests.integration.runner.standin import Ledger, serving
from tests.integration.workspace.servers import GitServer
from tests.services.redis import redis_server
from tests.services.sandbox import sandbox_server

ROOT: Final = Path(__file__).parent.parent
RUNNER: Final = ("-m", "forge_runner")
SECONDS: Final = 3600.0
SANDBOX_MEBIBYTES: Final = 512
"""The volume of the queues that have a sandbox."""


@dataclass(frozen=True)
class Ended:
    """One runner that ended well."""

    summary: Mapping[str, Any]
    artifacts: Mapping[str, bytes]
    used: Mapping[str, Any]
    """Figures of footprint.py."""
    stages: Mapping[str, float]
    """Seconds by the clock in each stage but the last, `saving`."""
    sandbox: Mapping[str, Any] = field(default_factory=dict)
    """What its sandbox used, as `used`; empty when it had none."""


@dataclass(frozen=True)
class Services:
    """What runners of one benchmark share."""

    served: Path
    git: GitServer
    redis_url: str
    ledger: Ledger

    @classmethod
    @contextmanager
    def up(cls) -> Iterator["Services"]:
        """Start them, and end them."""
        with tempfile.TemporaryDirectory() as folder:
            served = Path(folder) / "served"
            served.mkdir()
            with (
                redis_server(Path(folder) / "redis") as redis, GitServer.serving(served) as git, serving() as ledger,
            ):  # fmt: skip
                yield cls(served, git, redis.url, ledger)

    def ran(self, kind: str, config: dict[str, Any], repository: Path | None = None, **more: Any) -> Ended:
        """Run one to its end; `more` are further fields of Pod. Raises SystemExit with its log when it fails."""
        cpus, variables = more.pop("cpus", 0), more.pop("environment", {})
        _forget(self.ledger)
        with tempfile.TemporaryDirectory() as place:
            folder, figures = Path(place) / "pod", Path(place) / "figures"
            measured = ("-P", str(ROOT / "bench/footprint.py"), str(figures), str(folder / "work"))
            seen = min(cpus, len(os.sched_getaffinity(0)))
            on = ("taskset", "--cpu-list", f"0-{seen - 1}") if cpus else ()
            if cpus > seen:  # what so many at a time hold is measured, not how long they take
                variables = {**variables, "BENCH_CPUS": str(cpus), "PYTHONPATH": f"{ROOT}:{ROOT / 'bench/many_cpus'}"}
            fields: dict[str, Any] = {
                "folder": folder, "api_url": self.ledger.url, "kind": kind, "config": config, "attempts": 1,
                "timeout": SECONDS, "allowed_hosts": ("127.0.0.1",),
                "program": (*on, sys.executable, *measured, sys.executable, *RUNNER),
                "environment": {"FORGE_REDIS_URL": self.redis_url, "FORGE_REDIS_PASSWORD": "", **variables},
                **more,
            }  # fmt: skip
            if repository:
                fields["repository"] = Repository(url=self._url(repository))
            pod = Pod(**fields).start()
            if pod.end(SECONDS + 60):
                raise SystemExit(f"the runner of {kind} failed:\n{pod.output[-3000:]}")
            return _ended(self.ledger, json.loads(figures.read_text()))

    def ran_with_sandbox(self, kind: str, config: dict[str, Any], repository: Path, index: str = "") -> Ended:
        """As `ran`, beside the real sandbox program, without a container's limits; needs root."""
        with sandbox_server(mebibytes=SANDBOX_MEBIBYTES) as server:
            environment = {SANDBOX_PATH_ENV: str(server.volume)}
            with Watch(server.process.pid, server.volume) as footprint:
                ended = self.ran(kind, config, repository, sandbox=Sandbox(index=index), environment=environment)
            _namespace, first, *_ = family(server.process.pid)
            used = {**footprint.document(), "cpu_s": round(cpu_seconds(first), 1)}
        return replace(ended, sandbox=used)

    def _url(self, repository: Path) -> str:
        link = self.served / repository.name
        if not link.is_symlink():
            link.symlink_to(repository)
        return self.git.url(f"{link.name}/.git")


def _forget(ledger: Ledger) -> None:
    """Nothing of an earlier runner helps the next one."""
    for each in (ledger.claims, ledger.artifacts, ledger.outcomes, ledger.caches, ledger.asks, ledger.tokens):
        each.clear()


def _ended(ledger: Ledger, used: Mapping[str, Any]) -> Ended:
    outcome = ledger.outcomes[1]
    begins = [stage.at for stage in outcome.stages]
    spans = zip(outcome.stages, pairwise(begins), strict=False)
    stages = {stage.stage: round((after - before).total_seconds(), 1) for stage, (before, after) in spans}
    artifacts = {name: body for (_attempt, name), body in ledger.artifacts.items()}
    return Ended(outcome.summary or {}, artifacts, used, stages)


def source_distribution(name: str) -> Path:
    """The source distribution `NAME-VERSION` of PyPI as a repository of one commit, in this machine's cache."""
    done = subprocess.run(
        [ROOT / "local-cluster/sdist.sh", *name.rsplit("-", 1)], check=True, stdout=subprocess.PIPE, text=True
    )
    return Path(done.stdout.strip())
