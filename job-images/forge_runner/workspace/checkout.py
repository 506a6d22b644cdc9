"""Fetches one commit and writes the files that are asked for.

The tree is read before anything is written, so that a link, a submodule or a file of 300 MB never reaches the disk
unless somebody asks for it by path.
"""

import re
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from forge_core.address import Resolve, resolve
from forge_core.assignment import Assignment
from forge_core.git.command import Failed, Git, Stopped
from forge_core.git.complaints import cleaned, explained
from forge_core.git.environment import ATTRIBUTES, git_environment
from forge_core.git.limits import Limits
from forge_core.git.location import Location, check_ref, locate
from forge_core.names import CREDENTIALS_PATH
from forge_runner.clone_cache import CloneCache, NoCache
from forge_runner.report import Permanent, Report, Transient
from forge_runner.workspace.cached import Cached, Way, short
from forge_runner.workspace.credentials import Credentials, read_credentials
from forge_runner.workspace.tree import Entry, EntryKind, read_entries

STAGE: Final = "cloning"
FROM, TO = 5.0, 10.0
_LAST_SHARE: Final = 0.5
"""Percent that are left for what is fetched beside the first commit, and for writing its files."""
_RECEIVED: Final = re.compile(r"(Receiving|Unpacking) objects:\s+(\d+)%")


@dataclass(frozen=True)
class Checkout:
    """A fetched commit: its id, what its tree holds, and (after `write`) the files."""

    root: Path
    commit: str
    entries: tuple[Entry, ...]
    git: Git
    source: "Source"

    def beside(self, ref: str, root: Path) -> "Checkout":
        """Another commit of the same repository, fetched into the same store; its files go under `root`.

        Raises Permanent or Transient, as `fetch` does.
        """
        source = replace(self.source, hearing=self.source.hearing.within(TO - _LAST_SHARE, TO))
        return source.fetched(check_ref(ref), root)

    def write(self, paths: Sequence[bytes]) -> None:
        """Write these files under `root`, byte for byte as committed. Raises Permanent when git refuses.

        A path that the file system can't hold (a name over 255 bytes) is left out.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        if not paths:
            return
        try:
            with self.git.running("read-tree", "--", self.commit, work_tree=self.root):
                pass
            arguments = ("checkout-index", "--force", "--quiet", "-z", "--stdin")
            with self.git.running(*arguments, work_tree=self.root) as child:
                assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018 - pipes were asked for
                _feed(child.stdin.write, paths)
        except Failed as failure:
            text = str(failure)
            if re.search(r"no space left|quota|invalid path|malformed|corrupt", text, re.IGNORECASE):
                raise explained(text, "", "") from None


def _feed(write: Callable[[bytes], object], paths: Sequence[bytes]) -> None:
    for start in range(0, len(paths), 1000):
        write(b"".join(path + b"\0" for path in paths[start : start + 1000]))


@dataclass(frozen=True)
class Reach:
    """How far back the history is fetched: so many commits, or those since a day (YYYY-MM-DD, UTC)."""

    commits: int = 1
    since: str = ""

    @property
    def argument(self) -> str:
        """As git takes it."""
        return f"--shallow-since={self.since}T00:00:00Z" if self.since else f"--depth={self.commits}"


@dataclass(frozen=True)
class Options:
    """What differs between production and tests, and from kind to kind."""

    limits: Limits = field(default_factory=Limits)
    reach: Reach = Reach()
    resolver: Resolve = resolve
    allow_file: bool = False
    credentials: Path = Path(CREDENTIALS_PATH)
    cache: CloneCache | None = field(default_factory=CloneCache.told)


def fetch(assignment: Assignment, workdir: Path, report: Report, options: Options = Options()) -> Checkout:
    """Fetch the assignment's commit into `workdir`. Raises Permanent or Transient."""
    repository = assignment.repository
    if repository is None:
        raise Permanent("The job names no repository; set spec.repository.url.")
    location = locate(repository.url, assignment.allowed_hosts, options.resolver, allow_file=options.allow_file)
    ref = check_ref(repository.ref)
    credentials = read_credentials(options.credentials, location.host) if repository.has_credentials else None
    report.progress(STAGE, FROM, f"Fetching {ref} from {location.host or 'a local folder'}")
    git = _prepared(
        location, workdir, credentials, replace(options.limits, seconds=min(options.limits.seconds, assignment.timeout))
    )
    hearing = Hearing(report, credentials.secrets() if credentials else (), FROM, TO - _LAST_SHARE)
    cached = Cached(options.cache, credentials) if options.cache and location.scheme != "file" else None
    return Source(location, options.limits, git, hearing, cached).fetched(ref, workdir / "tree", options.reach)


_NONE_SINCE: Final = ("no commits selected", "error processing shallow info")
"""When no commit is as new as a day: a server's own words, and what git makes of its silence by HTTP."""


def _prepared(location: Location, workdir: Path, credentials: Credentials | None, limits: Limits) -> Git:
    private = Path(tempfile.mkdtemp(prefix="git-", dir=workdir))
    home = private / "home"
    home.mkdir()
    environment = git_environment(location, home, limits)
    if credentials:
        environment |= credentials.environment(private)
    git = Git(environment, private / "repository.git", limits.seconds)
    git.output("init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(git.git_dir))
    (git.git_dir / "info").mkdir(exist_ok=True)
    (git.git_dir / "info" / "attributes").write_text(ATTRIBUTES)
    return git


@dataclass(frozen=True)
class Source:
    """Where commits come from, the store that they go into, and who hears of it."""

    location: Location
    limits: Limits
    git: Git
    hearing: "Hearing"
    cached: Cached | None = None

    def fetched(self, ref: str, root: Path, reach: Reach = Reach()) -> Checkout:
        """One commit, whose files go under `root` when they are asked for. Raises Permanent or Transient."""
        try:
            self._fetch(ref, reach)
            commit = self.git.output("rev-parse", "--verify", "--quiet", "FETCH_HEAD^{commit}")
            with self.git.running("ls-tree", "-r", "-l", "-z", "--full-tree", commit) as child:
                assert child.stdout is not None  # noqa: S101 - a pipe was asked for
                entries = read_entries(child.stdout, self.limits.entries)
        except Stopped as stopped:
            raise (
                Permanent(str(stopped))
                if "larger" in str(stopped)
                else Transient(f"The repository could not be fetched: {stopped}.")
            ) from None
        except Failed as failure:
            raise explained(str(failure), self.location.host, ref) from None
        return Checkout(root, commit, entries, self.git, self)

    def _fetch(self, ref: str, reach: Reach) -> None:
        if self.cached is not None:
            try:
                commit = self.cached.brought(ref)
                self._fetch_from(self.cached.way(self.git, self.limits), commit, reach)
            except (NoCache, Failed, Stopped) as error:
                why = cleaned(short(str(error)))
                self.hearing.say(f"The clone cache could not serve this clone, which is now a direct one: {why}")
            else:
                self.hearing.say(f"The clone cache served commit {commit}")
                return
        self._fetch_from(Way(self.location.url, self.git), ref, reach)

    def _fetch_from(self, way: Way, ref: str, reach: Reach) -> None:
        try:
            self._fetch_to(way, ref, reach)
        except Failed as failure:
            if not (reach.since and any(words in str(failure) for words in _NONE_SINCE)):
                raise
            self._fetch_to(way, ref, Reach())  # the newest commit is older than that

    def _fetch_to(self, way: Way, ref: str, reach: Reach) -> None:
        arguments = (
            "fetch",
            reach.argument,
            "--no-tags",
            "--no-recurse-submodules",
            "--no-auto-maintenance",
            "--progress",
            "--",
            way.url,
            ref,
        )
        heard = replace(way.git, hear=self.hearing)
        with heard.running(*arguments, check=lambda: _over(self.git.git_dir, self.limits.packed_bytes)):
            pass
        _check_size(self.git.git_dir, self.limits)


def _check_size(folder: Path, limits: Limits) -> None:
    """What came in faster than it was watched."""
    if reason := _over(folder, limits.packed_bytes):
        raise Stopped(reason)


def _over(folder: Path, limit: int) -> str:
    total = sum(_size(path) for path in (folder / "objects" / "pack").glob("*"))
    return (
        f"The repository is larger than {limit / 1024**3:.1f} GiB packed, which is more than one job takes."
        if total > limit
        else ""
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


class Hearing:
    """Turns git's progress into percentages from `start` to `end`, and what it says otherwise into log lines."""

    def __init__(self, report: Report, secrets: Iterable[str], start: float, end: float) -> None:
        self._report = report
        self._secrets = tuple(secrets)
        self._start, self._end = start, end
        self._lock = threading.Lock()

    def within(self, start: float, end: float) -> "Hearing":
        """The same for another fetch, which spans other percentages."""
        return Hearing(self._report, self._secrets, start, end)

    def say(self, line: str) -> None:
        """A line for the log."""
        self._report.log(cleaned(line, self._secrets))

    def __call__(self, line: str) -> None:
        with self._lock:
            if received := _RECEIVED.search(line):
                share = int(received[2]) / 100
                percent = self._start + share * (self._end - self._start)
                self._report.progress(STAGE, percent, "Receiving the repository")
            elif "%" not in line and (text := cleaned(line, self._secrets).strip()):
                self._report.log(f"git: {text}")


def files(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries that are files."""
    return tuple(entry for entry in entries if entry.kind is EntryKind.FILE)
