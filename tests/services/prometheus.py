"""A real Prometheus of Debian's package, started by a test with the targets and rules that it names."""

import json
import os
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.services.ports import free_port
from tests.services.waiting import wait_until


@dataclass(frozen=True)
class Target:
    """`address` is host:port; `labels` are what a service discovery would have set."""

    address: str
    labels: dict[str, str]


@dataclass(frozen=True)
class Prometheus:
    """A server that scrapes and evaluates every second or two."""

    url: str

    def ask(self, path: str, **query: str) -> Any:
        """`data` of an answer of the HTTP API."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=60) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The instant vector: value by (label, value) pairs, without the metric's name."""
        result = self.ask("query", query=expression)["result"]
        return {
            tuple(sorted((name, value) for name, value in sample["metric"].items() if name != "__name__")): float(
                sample["value"][1]
            )
            for sample in result
        }

    def value(self, expression: str) -> float | None:
        """The value of an expression that has one sample, None when it has none."""
        found = list(self.query(expression).values())
        assert len(found) <= 1, f"{expression} has {len(found)} samples"
        return found[0] if found else None

    def becomes(self, value: float, expression: str, seconds: float = 30) -> None:
        """Wait for it: a scrape may have been missed on a busy machine. Raises AssertionError with what it is."""
        seen: list[float | None] = [None]

        def reached() -> bool:
            seen[0] = self.value(expression)
            return seen[0] == value

        try:
            wait_until(reached, seconds)
        except AssertionError:
            raise AssertionError(f"{expression} is {seen[0]}, not {value}") from None

    def alerts(self) -> dict[str, str]:
        """pending or firing, by alert."""
        return {alert["labels"]["alertname"]: alert["state"] for alert in self.ask("alerts")["alerts"]}

    def evaluated(self) -> bool:
        """Whether every rule has been evaluated; raises AssertionError when one could not be."""
        rules = [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]
        for rule in rules:
            assert rule["health"] != "err", f"{rule['name']}: {rule.get('lastError')}"
        return bool(rules) and all(rule["health"] == "ok" for rule in rules)


@contextmanager
def prometheus_server(folder: Path, targets: Sequence[Target], rules: str) -> Iterator[Prometheus]:
    """One server on the loopback; its end is the block's."""
    program = shutil.which("prometheus")
    assert program, "no Prometheus: `make packages` installs it (Debian's prometheus)"
    static = [{"targets": [target.address], "labels": target.labels} for target in targets]
    config = {
        "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": "forge-jobs", "static_configs": static}],
    }
    (folder / "rules.yaml").write_text(rules)
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    port = free_port()
    arguments = [
        f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    log = folder / "prometheus.log"
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    with log.open("wb") as into:
        process = subprocess.Popen([program, *arguments], stdout=into, stderr=into, env=environment)
    try:
        wait_until(lambda: _ready(process, port, log), 30, "Prometheus is ready")
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(60)


def _ready(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text()[-3000:]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/-/ready", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
