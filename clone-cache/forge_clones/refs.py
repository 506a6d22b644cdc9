"""What a ref means to its host: as git itself would take it, from what the host advertises."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

_OID: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LINE: Final = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})\t(\S+)")
# gitrevisions(7): in which order a short name is looked for.
_PLACES: Final = ("{}", "refs/{}", "refs/tags/{}", "refs/heads/{}", "refs/remotes/{}", "refs/remotes/{}/HEAD")


@dataclass(frozen=True)
class Advertised:
    """A ref's whole name at its host and the object that it names."""

    name: str
    oid: str


def is_commit_id(ref: str) -> bool:
    """Whether git takes it as an object's id rather than as a name."""
    return bool(_OID.fullmatch(ref))


def advertised(ref: str, listing: str) -> Advertised | None:
    """The ref among the lines of `git ls-remote`, None when the host has none of that name."""
    found = {match[2]: match[1] for line in listing.splitlines() if (match := _LINE.fullmatch(line))}
    for place in _PLACES:
        if (name := place.format(ref)) in found:
            return Advertised(name, found[name])
    return None


def kept_as(ref: str) -> str:
    """The mirror's own name for a ref: no ref's name, however odd, becomes a path."""
    return f"refs/forge/{hashlib.sha256(ref.encode()).hexdigest()}"
