"""Makes real repositories quickly, hostile ones among them: by `git fast-import`, without a working tree."""

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "ann", "GIT_AUTHOR_EMAIL": "ann@git.example", "GIT_AUTHOR_DATE": "1700000000 +0000",
    "GIT_COMMITTER_NAME": "ann", "GIT_COMMITTER_EMAIL": "ann@git.example", "GIT_COMMITTER_DATE": "1700000000 +0000",
}  # fmt: skip

FILE, PROGRAM, LINK, SUBMODULE = "100644", "100755", "120000", "160000"


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    """What git prints. Raises CalledProcessError."""
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, env=_ENVIRONMENT, input=stdin, capture_output=True, check=True)
    return done.stdout.decode().strip()


@dataclass(frozen=True)
class Odd:
    """An entry that is no plain file: its mode and its content (of a submodule, the commit's id)."""

    mode: str
    content: bytes


Content = bytes | Odd


def a_repository(root: Path, name: str, files: Mapping[bytes, Content] | Iterable[tuple[bytes, Content]]) -> str:
    """Make `root/name`, a bare repository with one commit on `main`, and return the commit's id."""
    bare = an_empty_repository(root, name)
    return a_branch(bare, "main", files)


def a_branch(bare: Path, branch: str, files: Mapping[bytes, Content] | Iterable[tuple[bytes, Content]]) -> str:
    """Make one commit without a parent on `branch`, and return its id."""
    entries = files.items() if isinstance(files, Mapping) else files
    with subprocess.Popen(
        [
            "git",
            "-C",
            str(bare),
            "-c",
            "core.bigFileThreshold=1m",
            "-c",
            "core.compression=1",
            "fast-import",
            "--quiet",
        ],
        env=_ENVIRONMENT,
        stdin=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        child.stdin.write(b"commit refs/heads/%s\n" % branch.encode())
        child.stdin.write(b"committer ann <ann@git.example> 1700000000 +0000\ndata 4\nmade\n")
        for path, content in entries:
            child.stdin.write(_entry(path, content))
        child.stdin.close()
    assert child.returncode == 0
    return git(bare, "rev-parse", branch)


def an_empty_repository(root: Path, name: str) -> Path:
    """Make `root/name`, a bare repository without a commit."""
    bare = root / name
    bare.mkdir(parents=True)
    git(bare, "init", "--quiet", "--bare", "--initial-branch=main")
    git(bare, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(bare, "config", "core.compression", "1")
    return bare


def _entry(path: bytes, content: Content) -> bytes:
    mode, body = (content.mode, content.content) if isinstance(content, Odd) else (FILE, content)
    if mode == SUBMODULE:
        return b"M 160000 %s %s\n" % (body, _quoted(path))
    return b"M %s inline %s\ndata %d\n%s\n" % (mode.encode(), _quoted(path), len(body), body)


def _quoted(path: bytes) -> bytes:
    return b'"' + b"".join(bytes([c]) if 32 <= c < 127 and c not in b'"\\' else b"\\%03o" % c for c in path) + b'"'


def a_tree(bare: Path, entries: Mapping[bytes, bytes]) -> str:
    """Commit a tree whose entries git itself would refuse to write (`.git`, `..`), on `main`; returns the commit."""
    lines = b"".join(
        b"%s %s\0%s" % (b"100644", name, bytes.fromhex(git(bare, "hash-object", "-w", "--stdin", stdin=body)))
        for name, body in entries.items()
    )
    tree = git(bare, "hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=lines)
    commit = git(bare, "commit-tree", tree, "-m", "made")
    git(bare, "update-ref", "refs/heads/main", commit)
    return commit
