#!/usr/bin/env python3
"""What a clone calls its own, derived from where it lies: two clones on one machine never meet under one name or port.

Standard library only, for it runs before anything is installed.
"""

import hashlib
import re
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

USUAL_PORT = 8080
OTHER_PORTS = range(18080, 19080)


def digest(*parts: str | bytes) -> str:
    """Twelve hex digits of the parts and their lengths, so that moving a byte from one part to the next changes it."""
    whole = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        whole.update(b"%d:" % len(raw) + raw)
    return whole.hexdigest()[:12]


def cluster_name(clone: Path) -> str:
    return f"forge-{digest(str(clone))[:6]}"


def api_port(clone: Path, is_free: Callable[[int], bool]) -> int:
    """8080 when it is free, else the first free port from a place of the clone's own on."""
    first: int = int(digest(str(clone)), 16) % len(OTHER_PORTS)
    candidates: list[int] = [USUAL_PORT, *OTHER_PORTS[first:], *OTHER_PORTS[:first]]
    for port in candidates:
        if is_free(port):
            return port
    raise RuntimeError("no free port for the API")


def first_free(first: int, is_free: Callable[[int], bool]) -> int:
    """The port itself, or the next free one after it."""
    for port in range(first, first + 100):
        if is_free(port):
            return port
    raise RuntimeError(f"no free port from {first} on")


def kind_config(source: str, port: int) -> str:
    """kind-config.yaml for another port; the file itself stays what `kind create cluster --config` takes."""
    rendered, found = re.subn(rf"\bhostPort: {USUAL_PORT}\b", f"hostPort: {port}", source)
    if found != 1:
        raise ValueError(f"kind-config.yaml should map host port {USUAL_PORT} once, not {found} times")
    return rendered


def content_key(paths: Iterable[Path], *extra: str) -> str:
    """The same key for the same files (names, modes, bytes) and the same extra words, wherever the clone lies."""
    parts: list[str | bytes] = list(extra)
    for top in paths:
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                name = path.relative_to(top) if top.is_dir() else path.name
                executable = bool(path.stat().st_mode & 0o100)
                parts += [str(name), str(executable), path.read_bytes()]
    return digest(*parts)


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def main(verb: str, *words: str) -> str:
    match verb:
        case "cluster-name":
            return cluster_name(Path(words[0]))
        case "api-port":
            return str(api_port(Path(words[0]), port_is_free))
        case "free-port":
            return str(first_free(int(words[0]), port_is_free))
        case "kind-config":
            return kind_config(Path(words[0]).read_text(), int(words[1]))
        case "key":  # key FILE-OR-FOLDER... -- WORD...
            split = words.index("--") if "--" in words else len(words)
            return content_key([Path(word) for word in words[:split]], *words[split + 1 :])
    raise SystemExit(f"unknown: {verb}")


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
