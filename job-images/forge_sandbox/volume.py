"""The shared volume: a tree is unpacked from it, and what strangers left there is removed, however it is nested."""

import hashlib
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path, PurePosixPath


class Unfit(Exception):
    """The archive can't be unpacked; the message says why."""


def unpack(volume: Path, archive: tuple[str, str], into: Path) -> None:
    """Unpack the archive of an order, if it has one; whoever put it there removes it. Raises Unfit."""
    name, digest = archive
    if not name:
        return
    try:
        descriptor = os.open(volume / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Unfit(f"the tree's archive is not there: {error.strerror}") from None
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor that follows no link
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        if not regular or hashlib.file_digest(stream, "sha256").hexdigest() != digest:
            raise Unfit("the tree's archive is not the one of this order")
        stream.seek(0)
        try:
            with tarfile.open(fileobj=stream, mode="r:") as tar:
                for member in tar:
                    _write(tar, member, into)
        except (tarfile.TarError, OSError) as error:
            raise Unfit(f"the tree can't be unpacked: {error}") from None


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, into: Path) -> None:
    """Files, folders and links that stay in the tree; of the rest nothing."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        return
    where = into / path
    if member.isdir():
        where.mkdir(parents=True, exist_ok=True)
    elif member.issym():
        where.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            where.symlink_to(member.linkname)
    elif member.isreg() and (source := tar.extractfile(member)) is not None:
        where.parent.mkdir(parents=True, exist_ok=True)
        if where.is_symlink():
            where.unlink()
        with where.open("wb") as target:
            shutil.copyfileobj(source, target)
        where.chmod(0o755 if member.mode & 0o100 else 0o644)


def clear(volume: Path, keep: str = "") -> None:
    """Remove all of ours that lies on the volume, but for the entry `keep`; only while nobody else writes there.

    An emptyDir in memory is sticky: what the runner put there only the runner can remove.
    Each folder is moved up before it is emptied, so that no nesting is too deep for a path or a stack.
    """
    names = _unused_names(volume)
    waiting = [path for path in _entries(volume) if path.name != keep and path.lstat().st_uid == os.getuid()]
    while waiting:
        path = waiting.pop()
        if not _is_folder(path):
            path.unlink()
            continue
        path.chmod(0o700)
        for inner in _entries(path):
            if _is_folder(inner):
                inner.chmod(0o700)
                waiting.append(inner.rename(next(names)))
            else:
                inner.unlink()
        path.rmdir()


def _entries(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries]


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


def _unused_names(volume: Path) -> Iterator[Path]:
    return (path for number in count() if not os.path.lexists(path := volume / f".removed-{number}"))
