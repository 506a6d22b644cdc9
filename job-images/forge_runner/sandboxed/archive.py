"""A commit as the archive that a sandbox is given."""

from pathlib import Path
from typing import Final

from forge_runner.workspace import Checkout

MAX_TREE_BYTES: Final = 128 * 1024**2
"""Its archive is in memory, and the runner's until the run has ended."""


def size_of(checkout: Checkout) -> int:
    """Bytes of all its files."""
    return sum(entry.size for entry in checkout.entries)


def archive(checkout: Checkout, folder: Path) -> Path:
    """The commit as git has it, written into the runner's own folder."""
    path = folder / "tree.tar"
    with path.open("wb") as target, checkout.git.running("archive", "--format=tar", checkout.commit) as child:
        assert child.stdout is not None  # noqa: S101 - a pipe was asked for
        while chunk := child.stdout.read(1 << 20):
            target.write(chunk)
    return path
