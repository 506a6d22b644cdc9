"""A kind's result as files in a folder: its process writes them, the shell reads them back as if a stranger had."""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta

from forge_core.attempts import (
    ARTIFACT_NAME,
    MAX_ARTIFACT_BYTES,
    MAX_ARTIFACTS,
    MAX_CACHE_BYTES,
    MAX_SUMMARY_BYTES,
    ArtifactReference,
)
from forge_core.wire import Message, Unreadable, read
from forge_runner.kinds import Result

MANIFEST: Final = "result.json"
LOG_ARTIFACT: Final = "log"
"""The shell's own artefact; a kind's may not be called so."""
CACHE: Final = "cache"
MAX_KIND_ARTIFACTS: Final = MAX_ARTIFACTS - 1
_MANIFEST_BYTES: Final = MAX_SUMMARY_BYTES + 64 * 1024
CHUNK: Final = 256 * 1024


class Unfit(Exception):
    """The result can't be taken; the message says what is wrong with it. Trying again would not help."""


class _Entry(Message, frozen=True):
    name: Annotated[str, Meta(pattern=ARTIFACT_NAME)]
    content_type: Annotated[str, Meta(pattern=r"^[\x21-\x7e]+/[\x20-\x7e]{1,100}$")]


class _Manifest(Message, frozen=True):
    summary: dict[str, Any]
    artifacts: Annotated[list[_Entry], Meta(max_length=MAX_KIND_ARTIFACTS)]


@dataclass(frozen=True)
class StoredArtifact:
    """One artefact on disk; `sha256` is the digest's 32 bytes."""

    name: str
    content_type: str
    path: Path
    size: int
    sha256: bytes

    def chunks(self) -> Iterator[bytes]:
        """The body, piece by piece."""
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def reference(self) -> ArtifactReference:
        """As the outcome names it."""
        return ArtifactReference(name=self.name, sha256=self.sha256.hex(), size=self.size)


@dataclass(frozen=True)
class StoredResult:
    """What `read_result` found."""

    summary: dict[str, Any]
    artifacts: tuple[StoredArtifact, ...]
    cache: StoredArtifact | None = None
    """What the next job of the kind and repository is given."""


def write_result(folder: Path, result: Result) -> None:
    """The kind's side: the manifest comes last. Raises OSError, and TypeError for a summary beyond JSON."""
    _check(result)
    for number, artifact in enumerate(result.artifacts):
        (folder / str(number)).write_bytes(artifact.body)
    if result.cache is not None and len(result.cache) <= MAX_CACHE_BYTES:
        (folder / CACHE).write_bytes(result.cache)
    entries = [{"name": each.name, "content_type": each.content_type} for each in result.artifacts]
    (folder / MANIFEST).write_text(json.dumps({"summary": result.summary, "artifacts": entries}))


def _check(result: Result) -> None:
    """Say here what is too much, where the kind's log can tell more about it."""
    size = len(json.dumps(result.summary))
    if size > MAX_SUMMARY_BYTES:
        raise Unfit(f"the summary has {size} bytes, more than the limit of {MAX_SUMMARY_BYTES}")
    for artifact in result.artifacts:
        if len(artifact.body) > MAX_ARTIFACT_BYTES:
            raise Unfit(f"artefact {artifact.name} has {len(artifact.body)} bytes, over {MAX_ARTIFACT_BYTES}")


def read_result(folder: Path) -> StoredResult:
    """The shell's side. Raises Unfit."""
    manifest = folder / MANIFEST
    try:
        if _regular_size(manifest) > _MANIFEST_BYTES:
            raise Unfit(f"the manifest is over {_MANIFEST_BYTES} bytes")
        found = read(manifest.read_bytes(), _Manifest)
    except (OSError, Unreadable) as error:
        raise Unfit(f"the manifest can't be read: {type(error).__name__}") from error
    if len(json.dumps(found.summary)) > MAX_SUMMARY_BYTES:
        raise Unfit(f"the summary is over {MAX_SUMMARY_BYTES} bytes")
    names = [entry.name for entry in found.artifacts]
    if len(set(names)) != len(names) or LOG_ARTIFACT in names:
        raise Unfit("two artefacts have one name, or one has the log's")
    return StoredResult(
        found.summary,
        tuple(stored(folder / str(n), e.name, e.content_type) for n, e in enumerate(found.artifacts)),
        _cache(folder / CACHE),
    )


def _cache(path: Path) -> StoredArtifact | None:
    """None when there is none, or it isn't what a kind leaves: the result is as good without it."""
    try:
        return stored(path, CACHE, "application/octet-stream") if _regular_size(path) <= MAX_CACHE_BYTES else None
    except Unfit:
        return None


def stored(path: Path, name: str, content_type: str) -> StoredArtifact:
    """Measure one artefact. Raises Unfit when it is missing, no regular file, or too large."""
    size = _regular_size(path)
    if size > MAX_ARTIFACT_BYTES:
        raise Unfit(f"artefact {name} has {size} bytes, more than the limit of {MAX_ARTIFACT_BYTES}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return StoredArtifact(name, content_type, path, size, digest)


def _regular_size(path: Path) -> int:
    try:
        found = os.lstat(path)
    except OSError as error:
        raise Unfit(f"{path.name} is missing") from error
    if not stat.S_ISREG(found.st_mode):
        raise Unfit(f"{path.name} is not a regular file")
    return found.st_size
