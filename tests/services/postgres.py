"""A real PostgreSQL server of Debian's package, for one test session; each test gets its own database."""

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from tests.services.ports import free_port
from tests.services.waiting import wait_until

OWNER = "postgres"
TEMPLATE = "migrated"


@dataclass(frozen=True)
class PostgresServer:
    """A running server; its superuser needs no password from the loopback."""

    port: int
    process: subprocess.Popen[bytes]

    def url(self, database: str) -> str:
        """The connection URL of one database."""
        return f"postgresql://{OWNER}@127.0.0.1:{self.port}/{database}"

    def create(self, template: str = "template1") -> str:
        """A new database, copied from `template`; returns its URL."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            statement = sql.SQL("create database {} template {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            statement = sql.SQL("drop database if exists {} with (force)")
            connection.execute(statement.format(sql.Identifier(url.rsplit("/", 1)[1])))


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    assert on_path, "no PostgreSQL server: `make test` installs it (Debian's postgresql-15)"
    return Path(on_path).parent


def _as_owner() -> list[str]:
    """PostgreSQL refuses to run as root: step down to its own user."""
    return ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--init-groups"] if os.geteuid() == 0 else []


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server, fast rather than durable; its files go with it.

    They don't lie below pytest's own folder: that is for its user's eyes only, and made so again by each session.
    """
    home = Path(tempfile.mkdtemp(prefix="forge-postgres-"))
    try:
        with _running(home) as server:
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _running(home: Path) -> Iterator[PostgresServer]:
    programs, port, step_down = _programs(), free_port(), _as_owner()
    if step_down:
        shutil.chown(home, OWNER, OWNER)
    cluster = home / "main"
    subprocess.run(
        [*step_down, programs / "initdb", "-D", cluster, "-U", OWNER, "--auth=trust", "-E", "UTF8", "--no-sync"],
        check=True,
        capture_output=True,
        cwd=home,
    )
    options = {
        "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": home, "fsync": "off",
        "synchronous_commit": "off", "full_page_writes": "off", "max_connections": 200,
    }  # fmt: skip
    flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [*step_down, programs / "postgres", "-D", cluster, *flags], stdout=log, stderr=log, cwd=home
        )
    server = PostgresServer(port, process)
    try:
        wait_until(lambda: _answers(server), what=f"PostgreSQL at port {port}")
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(120)


def _answers(server: PostgresServer) -> bool:
    assert server.process.poll() is None, "PostgreSQL ended"
    try:
        psycopg.connect(server.url("postgres"), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
