"""Real Redis servers of Debian's package: single ones and a Cluster of three."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from tests.services.ports import free_port, listening
from tests.services.waiting import wait_until


@dataclass
class RedisServer:
    """A server on the loopback that a test may stop, start again (emptied) and kill."""

    port: int
    folder: Path
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As FORGE_REDIS_URL takes it; the default user may do everything."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start empty, without persistence, and wait until it answers."""
        binary = shutil.which("redis-server")
        assert binary, "no Redis server: `make test` installs it (Debian's redis-server)"
        self.folder.mkdir(parents=True, exist_ok=True)
        arguments = [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        self.process = subprocess.Popen([*arguments, *self.options], stdout=subprocess.DEVNULL)
        wait_until(lambda: listening(self.port), what=f"Redis at port {self.port}")

    def stop(self) -> None:
        """Kill it; what it held is gone."""
        if self.process:
            self.process.kill()
            self.process.wait(60)
            self.process = None


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """One server."""
    server = RedisServer(free_port(), folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def redis_cluster(folder: Path) -> Iterator[list[RedisServer]]:
    """A Redis Cluster of three primaries that covers all slots."""
    servers = []
    for number in range(3):
        port = _cluster_port()
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "5000", "--cluster-config-file", "nodes.conf")
        servers.append(RedisServer(port, folder / str(number), options))
    try:
        for server in servers:
            server.start()
        nodes = [f"127.0.0.1:{server.port}" for server in servers]
        subprocess.run(["redis-cli", "--cluster", "create", *nodes, "--cluster-yes"], check=True, capture_output=True)
        wait_until(lambda: all(_covers_all_slots(server) for server in servers), what="the Redis Cluster is whole")
        yield servers
    finally:
        for server in servers:
            server.stop()


def _cluster_port() -> int:
    """A port whose bus port (10000 more) is a port too."""
    return wait_until(lambda: port if (port := free_port()) < 55000 else None)


def _covers_all_slots(server: RedisServer) -> bool:
    with redis.Redis(port=server.port, decode_responses=True) as client:
        state: dict[str, str] = client.execute_command("CLUSTER INFO")
        return state.get("cluster_state") == "ok" and state.get("cluster_slots_ok") == "16384"
