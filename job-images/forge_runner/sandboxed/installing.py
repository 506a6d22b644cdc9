"""Dependencies of a repository, installed in the sandbox, from the queue's index alone."""

import re
import sys
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from forge_core.sandbox import Answer, Bounds, Ended
from forge_runner.report import Permanent
from forge_runner.sandbox import Sandbox, Tree
from forge_runner.workspace import Checkout

MAX_REQUIREMENTS: Final = 256 * 1024
_COMMENT: Final = re.compile(r"(^|\s+)#.*$")
_ELSEWHERE: Final = re.compile(r"^\s*[-.~]|[@:/\\$\0\ufffd]")
"""Options (`--index-url`, `-r`, `-e`), addresses, paths, variables, lines that go on, and what is no UTF-8."""
_ENCODING: Final = re.compile(r"coding[:=]")
"""With which pip would read something else than we do."""


def check_requirements(checkout: Checkout, field: str, wanted: Sequence[str]) -> None:
    """Raises Permanent for a file that isn't there, or that leads to another place than the index.

    `field` is where the job names them, such as config.install.
    """
    for name in wanted:
        if name.startswith("."):
            continue
        entry = next((each for each in checkout.entries if each.path == name.encode()), None)
        if entry is None:
            raise Permanent(f"{field}: there is no file {name}.")
        if entry.size > MAX_REQUIREMENTS:
            raise Permanent(f"{field}: {name} is over {MAX_REQUIREMENTS // 1024} KiB.")
        text = checkout.git.output("cat-file", "blob", entry.blob.hex(), limit=MAX_REQUIREMENTS)
        lines = [line if _ENCODING.search(line) else _COMMENT.sub("", line) for line in text.splitlines()]
        if odd := next((line.strip() for line in lines if _ELSEWHERE.search(line) or _ENCODING.search(line)), ""):
            raise Permanent(
                f"{field}: {name} has a line that isn't a name and a version: {odd[:100]!r}. "
                "Only what the queue's index has is installed: options, addresses and paths are refused."
            )


def install(sandbox: Sandbox, tree: Tree, wanted: Sequence[str], index: str, bounds: Bounds) -> Answer:
    """Make an environment in what the sandbox keeps, and install into it. Raises SandboxLost.

    `wanted`: files of requirements, the repository itself (`.`), or names of packages.
    """
    made = sandbox.run(["python", "-m", "venv", _environment(sandbox)], bounds)
    if made.ended is not Ended.EXITED or made.code:
        return made
    # The repository itself in place: its tests must meet the files that are tested, not a copy of the old ones.
    named = [part for each in wanted for part in _named(each)]
    command = [
        f"{_environment(sandbox)}/bin/python", "-m", "pip", "install", "--isolated", "--no-input", "--no-cache-dir",
        "--disable-pip-version-check", "--index-url", index, *_trusting(index), *named,
    ]  # fmt: skip
    return sandbox.run(command, bounds, tree, {"PIP_INDEX_URL": index, "PIP_CONFIG_FILE": "/dev/null"})


def _trusting(index: str) -> tuple[str, ...]:
    """Whoever made the queue chose an index without TLS, such as one in the cluster; pip would pass it over."""
    parts = urlsplit(index)
    return ("--trusted-host", parts.netloc) if parts.scheme == "http" else ()


def _named(wanted: str) -> tuple[str, ...]:
    if wanted.startswith("."):
        return "-e", wanted
    return ("-r", wanted) if wanted.endswith(".txt") else (wanted,)


def path_of(sandbox: Sandbox) -> str:
    """PATH for commands that shall meet what was installed."""
    return f"{_environment(sandbox)}/bin:/usr/local/bin:/usr/bin:/bin"


def packages_of(sandbox: Sandbox) -> str:
    """The folder that modules were installed into."""
    return f"{_environment(sandbox)}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def _environment(sandbox: Sandbox) -> str:
    return str(sandbox.kept / "environment")
