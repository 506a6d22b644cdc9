"""What two failures have in common: a message without what varies from job to job, and a fingerprint of the cause.

Pure and stable: the same cause has the same fingerprint in every process and release, so that groups of dead letters
last. Whatever a message holds, reading it takes a bounded time (at most MAX_READ characters, no nested repetition).
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

MAX_READ: Final = 4096
"""Characters of a message that are looked at."""
COMPARED: Final = 400
"""Characters of a normalised message that take part: messages are cut when they are stored, so their tails vary."""
SHOWN: Final = 500
"""Characters of a normalised message that a person is shown."""
LENGTH: Final = 32
VARYING: Final = "*"
"""Stands for whatever varies: numbers, ids, names, paths, quoted values. One sign for all of them, for a short commit
id may be all digits, and a version may have one part more."""


@dataclass(frozen=True)
class Cause:
    """Why a job failed and where: its queue and kind of work, the stage of the last attempt, the operator's reason."""

    message: str
    failure_class: str
    queue: str
    kind: str
    stage: str
    reason: str


def fingerprint(cause: Cause) -> str:
    """32 lower-case hex characters, equal for equal causes."""
    place = (cause.failure_class, cause.queue, cause.kind, cause.stage, cause.reason)
    told = "\x1f".join(_SEPARATORS.sub(" ", part[:MAX_READ]) for part in (*place, normalised(cause.message)[:COMPARED]))
    return sha256(told.encode(errors="replace")).hexdigest()[:LENGTH]


def normalised(message: str) -> str:
    """One line that is the same for every job which fails like this one; at most SHOWN characters.

    Kept are words, hosts, names of exceptions and fields, and the numbers that are names: status and exit codes,
    signals, rule codes such as E501.
    """
    line = " ".join(_SEPARATORS.sub(" ", message[:MAX_READ]).split())
    line = _VARIES.sub(_varying, line)
    line = _JOINED.sub(VARYING, line)
    return line[:SHOWN].rstrip()


def _varying(found: re.Match[str]) -> str:
    kept = found.group("kept")
    if kept is not None:
        return kept
    if found.group("host") is not None:
        return f"{found.group('host')}/{VARYING}"
    if found.group("root") is not None:
        return f"{found.group('root')}/{VARYING}"
    if found.group("stem") is not None:
        return f"{found.group('stem')}{VARYING}"
    return VARYING


_SEPARATORS: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\s]+")
_MONTHS: Final = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_ENDINGS: Final = (
    "py|pyi|js|mjs|cjs|ts|tsx|jsx|go|java|rb|rs|c|h|cc|cpp|hpp|cs|php|json|yaml|yml|toml|ini|cfg|md|rst|txt|lock|sh|sql"
    "|html|css|scss|xml|kt|swift|scala|vue|log|patch|sarif"
)
_UNITS: Final = "%|[kKMGTP]?i?[bB]|[kKMGTP]i?|bytes?|[smhdnuµ]|[mnuµ]s|secs?|seconds?|mins?|minutes?|hours?|hrs?|days?"
# Numbers that name a cause rather than measure it.
_KEPT: Final = (
    r"(?P<kept>\b(?:code|status|signal|errno|error|HTTP|http)(?:[ ]?[:=]|[ ])[ ]?\d{1,3}(?![\w.:/-])"
    r"|(?<![\w.-])[A-Z]{1,4}\d{2,5}(?![\w.-]))"
)
# An apostrophe inside a word opens no quotation.
_QUOTED: Final = r"`[^`]{0,500}`|\"[^\"]{0,500}\"|(?<!\w)'[^']{0,500}'(?!\w)|“[^”]{0,500}”|‘[^’]{0,500}’|«[^»]{0,500}»"
# Of a URL the host tells who failed, the rest which job.
_URL: Final = r"(?P<host>\b[a-z][a-z0-9+.]{1,15}://[^\s/?#\"'<>`]{1,255})(?:[/?#][^\s\"'<>`]{0,2048})?"
_MAIL: Final = r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
_TIME: Final = (
    r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d{1,9})?)?[ ]?(?:Z\b|UTC\b|[+-]\d\d:?\d\d\b)?"
    rf"|\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?[ ])?(?:(?:{_MONTHS})[ ]\d{{1,2}}|\d{{1,2}}[ ](?:{_MONTHS}))"
    r"(?:,?[ ]\d{4})?(?:[ ]\d\d:\d\d(?::\d\d)?)?(?:[ ](?:GMT|UTC|\d{4}))?\b"
)
# UUIDs, digests with their algorithm or 0x, IPv6 addresses, anything long with a digit in it.
_ID: Final = (
    r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"
    r"|\b(?:sha\d{1,3}|md5)[:-][0-9a-fA-F]{4,128}\b|\b0[xX][0-9a-fA-F]{1,64}\b"
    r"|\[[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]{1,48}(?:%\w{1,16})?\]"
    r"|(?<![\w:])(?=::|[0-9a-fA-F:]{0,39}\d)(?:[0-9a-fA-F]{0,4}:){2,8}[0-9a-fA-F]{0,4}(?:%\w{1,16})?(?:/\d{1,3})?(?![\w:])"
    r"|(?<![\w+/=-])(?=[\w+=-]{0,200}\d)[\w+=-]{24,4096}"
)
# The first folder of an absolute path stays; a relative one has two slashes or the ending of a file.
_PATH: Final = (
    r"(?<![\w/.~*])(?P<root>~|/[A-Za-z][\w.-]{0,63})/[^\s\"'<>`:,;()*]{1,1024}"
    r"|(?<![\w/.])(?:[\w.@+-]{1,255}/){2,64}[\w.@+-]{0,255}"
    rf"|(?<![\w/.])(?:[\w.@+-]{{1,255}}/)?[\w@+-][\w.@+-]{{0,254}}\.(?:{_ENDINGS})(?![\w/.-]*\w)"
)
# Pods, Jobs, nodes: parts joined by dashes, one of which has a digit.
_NAME: Final = r"(?<![\w.-])(?=[A-Za-z-]{0,253}\d)[A-Za-z0-9]{1,63}(?:-{1,9}[A-Za-z0-9]{1,63}){1,32}(?![\w-])"
# With their parts (1.2.3, 1,000, 10:30, 3/5) and units; then durations (1h30m).
_NUMBER: Final = (
    rf"(?<![\w])[+-]?\d{{1,64}}(?:[.,:/x_e+-]{{1,2}}\d{{1,64}}){{0,32}}(?:[ ]?(?:{_UNITS})(?!\w))?(?!\w)"
    r"|(?<![\w])\d{1,9}(?:ms|[smhd])(?:\d{1,9}(?:ms|[smhd])){0,4}(?!\w)"
)
# Commit ids; a word with digits behind it keeps the word, anything more mixed is an id.
_MIXED: Final = (
    r"(?<![\w-])(?=[a-fA-F]{0,64}\d)[0-9a-fA-F]{7,64}(?![\w-])|(?<![\w-])[0-9a-f]{16,64}(?![\w-])"
    r"|(?<![^\W_])(?P<stem>[^\W\d_]{1,64})\d{1,64}(?![^\W_])|(?<![^\W_])[^\W\d_]{0,64}\d[^\W_]{0,255}"
)
_VARIES: Final = re.compile("|".join((_KEPT, _QUOTED, _URL, _MAIL, _TIME, _ID, _PATH, _NAME, _NUMBER, _MIXED)))
"""The first that fits at a place decides."""
_JOINED: Final = re.compile(r"\[?\*[\]%]?(?:(?:, |[.,:/_=+-]{1,3})?\[?\*[\]%]?)*")
