"""Brings one mirror up to date. Blocking: it runs in a thread, one at a time for each mirror.

A reader never sees half of it: git names a pack only when it is whole, and moves a ref only when all that it needs is
there. A writer that is killed leaves its mark, and whoever comes next removes its debris and asks git whether all is
there; if not, the mirror is made anew.
"""

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from forge_clones.mirrors import REPOSITORY, Mirror
from forge_clones.refs import Advertised, advertised, is_commit_id, kept_as
from forge_core.failures import Transient
from forge_core.git.askpass import answers, askpass
from forge_core.git.command import Check, Failed, Git, Stopped
from forge_core.git.complaints import explained, tells_of_damage
from forge_core.git.environment import git_environment
from forge_core.git.limits import Limits
from forge_core.git.location import Location
from forge_core.logs import get_logger

ASK_SECONDS: Final = 30.0
MANY_PACKS: Final = 24
"""Each fetch brings one; from so many on they are put together."""
_FULL: Final = re.compile(r"no space left on device|disk quota exceeded|file too large", re.IGNORECASE)
_FULL_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
log = get_logger("clones.writing")


class Busy(Exception):
    """A process that outlived its service still writes."""


class TooLarge(Exception):
    """The repository is larger than a mirror may be."""


class DiskFull(Exception):
    """There was no room; `wanted` is how many bytes had come."""

    def __init__(self, wanted: int) -> None:
        super().__init__("The disk of the clone cache is full.")
        self.wanted = wanted


@dataclass(frozen=True)
class Order:
    """One fetch from a repository's host. The credentials live as long as it does, in memory only."""

    location: Location
    ref: str
    username: str
    password: str

    def __repr__(self) -> str:
        return f"Order({self.location.host}, {self.ref!r})"


class Writer:
    """git with what it needs around it; `private` is an empty folder, `stopping` says why all shall end, or ""."""

    def __init__(self, private: Path, limits: Limits, stopping: Check) -> None:
        self._private = private
        self._limits = limits
        self._stopping = stopping
        self._askpass = askpass(private)
        self.home = private / "home"
        """An empty folder: no git ever finds a configuration of its user."""
        self.home.mkdir()
        self._git(private / "nothing.git").output("init", "--quiet", "--bare", "--template=", str(self._nothing))

    @property
    def _nothing(self) -> Path:
        """An empty repository: a question to a host needs one around it."""
        return self._private / "nothing.git"

    def asked(self, order: Order) -> Advertised:
        """What the ref is by its host's word now, which is also its word that these credentials may read it.

        Raises Permanent, Transient.
        """
        git = replace(self._speaking(order, self._nothing), seconds=ASK_SECONDS)
        pattern = "HEAD" if is_commit_id(order.ref) else order.ref
        try:
            with git.running("ls-remote", "--quiet", "--", order.location.url, pattern, check=self._stopping) as child:
                assert child.stdout is not None  # noqa: S101 - a pipe was asked for
                listing = child.stdout.read(256 * 1024).decode(errors="replace")
        except Stopped as stopped:
            raise Transient(f"The host {order.location.host} was too slow to answer: {stopped}.") from None
        except Failed as failure:
            raise explained(str(failure), order.location.host, order.ref) from None
        if is_commit_id(order.ref):
            return Advertised(order.ref, order.ref)
        found = advertised(order.ref, listing)
        if found is None:
            raise explained("couldn't find remote ref", order.location.host, order.ref)
        return found

    def bring(self, mirror: Mirror, order: Order, wanted: Advertised) -> str:
        """The commit, which the mirror holds from now on. Raises Permanent, Transient, TooLarge, DiskFull, Busy."""
        reached = 0

        def check() -> str:
            nonlocal reached
            reached = _packed(mirror.repository)
            over = reached > self._limits.packed_bytes
            return self._stopping() or (f"larger than {self._limits.packed_bytes} bytes" if over else "")

        try:
            with _locked(mirror) as held, _marked(mirror):
                local = replace(self._git(mirror.repository), keep_open=(held,))
                self._make_ready(mirror, local)
                fetching = replace(self._speaking(order, mirror.repository), keep_open=(held,))
                commit = self._fetched(fetching, local, order, wanted, check)
                self._put_together(local)
                return commit
        except Stopped as stopped:
            if "larger" in str(stopped):
                raise TooLarge(f"The repository is {stopped}, which is more than a mirror takes.") from None
            raise Transient(f"The mirror could not be fetched: {stopped}.") from None
        except Failed as failure:
            if _FULL.search(str(failure)):
                raise DiskFull(reached) from None
            raise explained(str(failure), order.location.host, order.ref) from None
        except OSError as error:
            if error.errno in _FULL_ERRORS:
                raise DiskFull(reached) from None
            raise Transient(f"The clone cache's disk failed: {error.strerror}.") from None

    def _fetched(self, fetching: Git, local: Git, order: Order, wanted: Advertised, check: Check) -> str:
        name = kept_as(order.ref)
        if _resolved(local, name) != wanted.oid:
            with fetching.running(
                "fetch", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance", "--no-write-fetch-head",
                "--progress", "--", order.location.url, f"+{wanted.name}:{name}", check=check,
            ):  # fmt: skip
                pass
            if reason := check():
                raise Stopped(reason)
        return local.output("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")

    def _make_ready(self, mirror: Mirror, local: Git) -> None:
        """A repository that is whole: new, as it was left, or mended."""
        if mirror.suspect and mirror.repository.exists():
            _tidy(mirror.repository)
            try:
                local.output("fsck", "--connectivity-only", "--no-dangling", "--no-progress")
            except Failed as failure:
                log.warning("a mirror is made anew", mirror=mirror.key, why=str(failure)[-300:])
                shutil.rmtree(mirror.repository)
        if not mirror.repository.exists():
            half = mirror.folder / f"new-{REPOSITORY}"
            shutil.rmtree(half, ignore_errors=True)
            replace(local, git_dir=half).output(
                "init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(half)
            )
            half.rename(mirror.repository)

    def _put_together(self, local: Git) -> None:
        """Packs and refs into few files. Failing at it costs a little speed and nothing else."""
        if sum(1 for _ in (local.git_dir / "objects" / "pack").glob("*.pack")) <= MANY_PACKS:
            return
        try:
            local.output("repack", "--geometric=2", "-d", "-q")
            local.output("pack-refs", "--all")
        except (Failed, Stopped) as error:
            _tidy(local.git_dir)
            log.warning("packs could not be put together", repository=local.git_dir.parent.name, why=str(error)[-300:])

    def _git(self, repository: Path) -> Git:
        return Git(git_environment(None, self.home, self._limits), repository, self._limits.seconds, own_group=True)

    def _speaking(self, order: Order, repository: Path) -> Git:
        environment = git_environment(order.location, self.home, self._limits)
        if order.password:
            environment |= answers(self._askpass, order.username, order.password)
        return Git(environment, repository, self._limits.seconds, own_group=True)


@contextmanager
def _locked(mirror: Mirror) -> Iterator[int]:
    """The mirror's lock, as a descriptor that git's processes share. Raises Busy."""
    mirror.folder.mkdir(parents=True, exist_ok=True)
    held = os.open(mirror.lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy("An earlier fetch of this repository has not ended yet; clone directly.") from None
        yield held
    finally:
        os.close(held)


@contextmanager
def _marked(mirror: Mirror) -> Iterator[None]:
    """The mark of a writer while the block lasts. It stays when the mirror itself may be at fault."""
    mirror.suspect = mirror.suspect or mirror.writing.exists()
    mirror.writing.touch()
    try:
        yield
    except (Failed, Stopped, OSError) as error:
        _tidy(mirror.repository)
        if tells_of_damage(str(error)):
            mirror.suspect = True
        if not mirror.suspect:
            mirror.writing.unlink()
        raise
    mirror.writing.unlink()
    mirror.suspect = False


def _resolved(local: Git, name: str) -> str:
    try:
        return local.output("rev-parse", "--verify", "--quiet", name)
    except Failed:
        return ""


def _packed(repository: Path) -> int:
    total = 0
    for path in (repository / "objects" / "pack").glob("*"):
        with suppress(OSError):
            total += path.stat().st_size
    return total


def _tidy(repository: Path) -> None:
    """Remove what a writer that ended early leaves: half packs, and locks that nobody holds."""
    for pattern in ("objects/pack/tmp_*", "objects/pack/.tmp-*", "objects/tmp_*", "objects/??/tmp_*", "*.lock"):
        for path in repository.glob(pattern):
            with suppress(OSError):
                path.unlink()
    for path in (repository / "refs").rglob("*.lock"):
        with suppress(OSError):
            path.unlink()
