"""The checked-out files as bytes: read without following a link, written in place, so that a file's mode stays."""

import os
from dataclasses import dataclass
from pathlib import Path

from forge_kinds.refactoring.inventory import SourceFile


@dataclass(frozen=True)
class Tree:
    """The files under `root`."""

    root: Path

    def name(self, file: SourceFile) -> str:
        """Its absolute path, which no program takes for an option."""
        return os.fsdecode(os.fsencode(self.root) + b"/" + file.raw)

    def read(self, file: SourceFile) -> bytes | None:
        """Its bytes, None when it isn't there."""
        try:
            descriptor = os.open(self.name(file), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor that follows no link
            return stream.read()

    def write(self, file: SourceFile, body: bytes) -> None:
        """Replace its bytes. Raises OSError."""
        descriptor = os.open(self.name(file), os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - the same
            stream.write(body)
