"""What a commit's tree holds, read from git before a single file is written."""

from dataclasses import dataclass
from enum import StrEnum
from typing import IO, Final

from forge_runner.report import Permanent


class EntryKind(StrEnum):
    """What an entry is. Only files are ever written."""

    FILE = "file"
    SYMLINK = "symlink"
    SUBMODULE = "submodule"


_KINDS: Final = {b"100644": EntryKind.FILE, b"100755": EntryKind.FILE, b"100664": EntryKind.FILE,
                 b"120000": EntryKind.SYMLINK, b"160000": EntryKind.SUBMODULE}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of the tree. `path` is bytes as git keeps it: any but NUL, not always UTF-8."""

    path: bytes
    kind: EntryKind
    size: int
    blob: bytes = b""
    """The content's id: two entries with the same one have the same bytes."""


def read_entries(stream: IO[bytes], limit: int) -> tuple[Entry, ...]:
    """Parse `git ls-tree -r -l -z`, in order of path. Raises Permanent once there are more than `limit` entries."""
    entries: list[Entry] = []
    rest = b""
    while chunk := stream.read(1 << 20):
        *records, rest = (rest + chunk).split(b"\0")
        entries += [_entry(record) for record in records]
        if len(entries) > limit:
            raise Permanent(
                f"The repository has more than {limit:,} files, which is more than one job takes; analyse a part of it."
            )
    return tuple(sorted(entries, key=lambda entry: entry.path))


def _entry(record: bytes) -> Entry:
    head, _, path = record.partition(b"\t")
    mode, _kind, blob, size = head.split()
    kind = _KINDS.get(mode, EntryKind.FILE)
    return Entry(path, kind, int(size) if size.isdigit() else 0, bytes.fromhex(blob.decode()))
