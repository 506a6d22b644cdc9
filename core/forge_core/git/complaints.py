"""What git's complaints mean to a person, and whether trying again can help."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from forge_core.failures import Permanent, Transient
from forge_core.logs import redact

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_DAMAGE: Final = re.compile(
    "bad object|corrupt|missing|unable to read|not match index|inflate|loose object|object file|necessary objects",
    re.IGNORECASE,
)


class NoSuchCommit(Permanent):
    """The server is there and answers, but has no such branch, tag or commit."""


@dataclass(frozen=True)
class _Meaning:
    """`signs` are patterns of git's own texts (C locale, 2.39 and later); {host}, {ref} and {detail} are filled in."""

    signs: tuple[str, ...]
    sentence: str
    failure: type[Permanent] | type[Transient] = Permanent

    def fits(self, complaint: str) -> bool:
        return any(re.search(sign, complaint, re.IGNORECASE) for sign in self.signs)


# The first that fits decides.
_MEANINGS: Final = (
    _Meaning(
        ("no space left on device", "disk quota exceeded"),
        "The repository does not fit on the job's disk; use a larger resource class.",
    ),
    _Meaning(("couldn't find remote ref HEAD",), "The repository is empty: it has no commit yet."),
    _Meaning(
        ("couldn't find remote ref", "not our ref", "no such remote ref", "unadvertised object"),
        "The repository has no branch, tag or commit '{ref}'.",
        NoSuchCommit,
    ),
    _Meaning(
        ("authentication failed", "could not read (username|password)", "prompts disabled", "returned error: 40[13]"),
        "The host {host} refused access to the repository: it is private or not there; "
        "give credentials that may read it (credentialsSecretRef).",
    ),
    _Meaning(
        ("repository .*not found", "returned error: 404", "does not appear to be a git repository", "not a git repo"),
        "The host {host} has no such repository, or one that these credentials may not see; check the URL.",
    ),
    _Meaning(
        (r"returned error: 3\d\d", "redirect"),
        "The host {host} redirects this URL elsewhere, which is not followed; give the repository's present URL.",
    ),
    _Meaning(
        ("invalid path", "malformed", "bad tree", "corrupt", "not a tree object", "too-short tree", "empty filename"),
        "The repository has content that git refuses as unsafe or broken: {detail}",
    ),
    _Meaning(
        ("transport '.*' not allowed", "protocol .* is not supported", "unable to find remote helper"),
        "The repository's URL uses a transport that is not allowed; write it as https://host/path.",
    ),
    _Meaning(
        ("dumb http transport does not support shallow",),
        "The host {host} serves the repository in a way that git can't fetch one commit of.",
    ),
    _Meaning(
        ("ssl certificate", "certificate verif", "self[- ]signed", "unable to get local issuer"),
        "The host {host} has a certificate that is not trusted here; have the operator's chart add its authority.",
    ),
    _Meaning(
        ("could not resolve host",), "The host {host} could not be found: the name service did not answer.", Transient
    ),
    _Meaning((r"returned error: (429|5\d\d)",), "The host {host} answered that it is overloaded or broken.", Transient),
    _Meaning(("timed out", "too slow", "less than 1000 bytes"), "The host {host} was too slow to answer.", Transient),
)


def explained(complaint: str, host: str, ref: str) -> Permanent | Transient:
    """The failure that git's standard error stands for; anything unknown counts as the network's."""
    words = {"host": host or "(local)", "ref": ref, "detail": cleaned(_last_words(complaint))}
    for meaning in _MEANINGS:
        if meaning.fits(complaint):
            return meaning.failure(meaning.sentence.format_map(words))
    return Transient("The repository could not be fetched from {host}: {detail}".format_map(words))


def tells_of_damage(complaint: str) -> bool:
    """Whether git complains of objects or packs on our own disk. It errs on the side of yes: an fsck finds out."""
    return bool(_DAMAGE.search(complaint))


def _last_words(complaint: str) -> str:
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    verdicts = [line for line in lines if line.startswith(("fatal: ", "error: "))]
    return verdicts[-1].partition(": ")[2] if verdicts else (lines or ["git gave no reason"])[-1]


def cleaned(line: str, secrets: Iterable[str] = ()) -> str:
    """A line fit for a log: no control characters (a server may send terminal codes), no credentials, bounded."""
    for secret in secrets:
        line = line.replace(secret, "***")
    return redact(_CONTROL.sub(" ", line))[:300]
