"""The way to a commit through the clone cache: no other shares its store, its environment or its credentials."""

from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from forge_core.clones import Wanted
from forge_core.git.command import Git
from forge_core.git.environment import git_environment
from forge_core.git.limits import Limits
from forge_runner.clone_cache import CloneCache, NoCache
from forge_runner.workspace.credentials import Credentials


@dataclass(frozen=True)
class Way:
    """Where a fetch goes, and git with what it needs for that."""

    url: str
    git: Git


@dataclass(frozen=True)
class Cached:
    """A clone cache, which has the same host asked with the same credentials."""

    cache: CloneCache
    credentials: Credentials | None

    def brought(self, ref: str) -> str:
        """The commit that the ref names, by its host's word; the cache has it. Raises NoCache."""
        username, password = self.credentials.values() if self.credentials else ("", "")
        try:
            wanted = Wanted(ref=ref, username=username, password=password)
        except ValidationError:
            raise NoCache("credentials with control characters are not handed to it") from None
        return self.cache.brought(wanted)

    def way(self, direct: Git, limits: Limits) -> Way:
        """The way there, into the same store, with nothing that is meant for the repository's host. Raises NoCache."""
        home = Path(direct.environment["HOME"])
        environment = git_environment(self.cache.location, home, limits, self.cache.settings())
        return Way(self.cache.location.url, replace(direct, environment=environment))


def short(complaint: str) -> str:
    """The last line of what git complains of, or of another sentence."""
    lines = complaint.strip().splitlines()
    return lines[-1] if lines else "git gave no reason"
