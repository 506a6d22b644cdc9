"""The mirrors on the volume: one folder each, named by tenant and URL, counted while they are in use.

All methods but `removed` and `opened` are quick and belong to the event loop's thread, so that a decision to remove a
mirror and its disappearance are one step: whoever is about to use it has either counted before, or finds it gone.
"""

import asyncio
import fcntl
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from forge_clones.eviction import Held

REPOSITORY: Final = "repository.git"
_MIRRORS, _TRASH, _LOCK, _USED = "mirrors", "trash", "lock", "used"


class VolumeTaken(Exception):
    """Another process works on this volume."""


@dataclass(frozen=True)
class Rest:
    """It couldn't be made, and isn't tried again before `until` (monotonic)."""

    reason: str
    until: float


@dataclass
class Mirror:
    """One repository of one tenant."""

    folder: Path
    size: int = 0
    """Bytes on disk when it was last looked at."""
    used_at: float = 0.0
    users: int = 0
    """Who fetch into it, or wait to."""
    readers: int = 0
    grants: dict[str, float] = field(default_factory=dict)
    """Pod UID -> until when it may begin to fetch, by the monotonic clock."""
    suspect: bool = False
    """Something in it may be broken: the next writer has git look."""
    rest: Rest | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def key(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def repository(self) -> Path:
        """The bare repository."""
        return self.folder / REPOSITORY

    @property
    def lock(self) -> Path:
        """Held by whoever writes, git's processes among them, for as long as any of them lives."""
        return self.folder / _LOCK

    @property
    def writing(self) -> Path:
        """There while somebody writes: who finds it knows that a writer was killed."""
        return self.folder / "writing"

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """It isn't removed while the block lasts."""
        self.users += 1
        try:
            yield
        finally:
            self.users -= 1

    @contextmanager
    def being_read(self) -> Iterator[None]:
        """The same, nor is it emptied."""
        self.readers += 1
        try:
            yield
        finally:
            self.readers -= 1

    def touch(self) -> None:
        """It was used now; a full disk is no reason to say otherwise."""
        self.used_at = time.time()
        with suppress(OSError):
            (self.folder / _USED).touch()

    def grant(self, pod: str, seconds: float) -> None:
        """A pod may fetch from it for a while, and so long it stays."""
        self.grants[pod] = time.monotonic() + seconds

    def granted(self, pod: str) -> bool:
        """Whether a pod may."""
        return self.grants.get(pod, 0.0) > time.monotonic()

    def held(self) -> Held:
        """As the decisions see it."""
        now = time.monotonic()
        self.grants = {pod: until for pod, until in self.grants.items() if until > now}
        return Held(self.key, self.size, self.used_at, bool(self.users or self.readers or self.grants))


class Mirrors:
    """All of them."""

    def __init__(self, root: Path, volume: int) -> None:
        self._root = root
        self._volume = volume  # the lock on the volume: held while this object lives
        self._held: dict[str, Mirror] = {}

    @classmethod
    def opened(cls, root: Path) -> "Mirrors":
        """What the volume holds; what a killed process left half-removed is removed. Raises VolumeTaken, OSError."""
        for name in (_MIRRORS, _TRASH):
            (root / name).mkdir(parents=True, exist_ok=True)
        volume = os.open(root / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(volume, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(volume)
            raise VolumeTaken(f"another clone cache works on {root}") from None
        mirrors = cls(root, volume)
        for folder in (root / _TRASH).iterdir():
            shutil.rmtree(folder, ignore_errors=True)
        for folder in (root / _MIRRORS).iterdir():
            mirror = Mirror(folder, size_of(folder), _used_at(folder))
            mirrors._held[mirror.key] = mirror
        return mirrors

    def close(self) -> None:
        """Leave the volume to others."""
        os.close(self._volume)

    def found(self, namespace: str, url: str) -> Mirror | None:
        """The mirror of a repository for a tenant's namespace, None when there is none."""
        return self._held.get(_key(namespace, url))

    def of(self, namespace: str, url: str) -> Mirror:
        """The same, or one that is still to be made. Another namespace has another one."""
        key = _key(namespace, url)
        if key not in self._held:
            self._held[key] = Mirror(self._root / _MIRRORS / key, used_at=time.time())
        return self._held[key]

    def forget(self, mirror: Mirror) -> None:
        """One that was never made, when nobody else is about to make it."""
        if not mirror.users and not mirror.rest and not mirror.folder.exists():
            self._held.pop(mirror.key, None)

    def held(self) -> list[Held]:
        """All, as the decisions see them."""
        return [mirror.held() for mirror in self._held.values()]

    async def removed(self, chosen: Iterable[Held]) -> list[Held]:
        """Remove these, but not what came into use meanwhile; answers what went. A killed removal is finished later."""
        gone: list[Held] = []
        trash: list[Path] = []
        for each in chosen:
            mirror = self._held.get(each.key)
            if mirror is None or mirror.held().in_use:
                continue
            del self._held[each.key]
            gone.append(each)
            trash += self._thrown_away(mirror)
        for folder in trash:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        return gone

    async def emptied(self, mirror: Mirror) -> None:
        """Remove what it holds, unless somebody reads, and go on knowing it."""
        if not mirror.readers:
            for folder in self._thrown_away(mirror):
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _thrown_away(self, mirror: Mirror) -> list[Path]:
        """Where its folder is from now on, for whoever has the time to remove it."""
        if not mirror.folder.exists():
            return []
        away = self._root / _TRASH / uuid.uuid4().hex
        mirror.folder.rename(away)
        return [away]


def _key(namespace: str, url: str) -> str:
    return hashlib.sha256(f"{namespace}\0{url}".encode()).hexdigest()


def size_of(folder: Path) -> int:
    """Bytes that a folder takes on the disk; what vanishes meanwhile isn't counted."""
    total = 0
    for where, _folders, files in os.walk(folder):
        for name in files:
            try:
                total += (Path(where) / name).lstat().st_blocks * 512
            except OSError:
                continue
    return total


def _used_at(folder: Path) -> float:
    for path in (folder / _USED, folder):
        try:
            return path.stat().st_mtime
        except OSError:
            continue
    return 0.0
