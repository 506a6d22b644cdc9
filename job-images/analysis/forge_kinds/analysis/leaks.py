"""Looks for secrets by detect-secrets' own detectors, offline; a secret itself never leaves this module.

The detectors are pure Python and slow (about 50 regular expressions a line), so they see only lines on which a few
cheap expressions found something. A test holds that nothing a detector finds is lost by that.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cache
from string import ascii_uppercase
from typing import Final

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.filters import heuristic
from detect_secrets.plugins import keyword
from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector
from detect_secrets.plugins.basic_auth import BasicAuthDetector
from detect_secrets.plugins.high_entropy_strings import HighEntropyStringsPlugin
from detect_secrets.util.filetype import determine_file_type

from forge_kinds.analysis.findings import content_digest
from forge_kinds.analysis.measures import Secret

MAX_LINE: Final = 5_000
"""Characters; some detectors take quadratic time on longer lines."""
MAX_PER_FILE: Final = 200
MASK: Final = "***"

# Not secrets: addresses. Everything else that detect-secrets knows is used.
_LEFT_OUT: Final = frozenset({"Public IP (ipv4)"})

# Each is cheap over a whole file (0.1 s for 8 MB), and together they let through every line on which a detector can
# find something. The second group is tried on the text in lower case.
_SUSPECT: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"""["'][A-Za-z0-9+/=_-]{16,}["']""",
        r"[A-Za-z0-9+/=_-]{32,}",
        r"://[^\s:/@]+:[^\s@]+@",
        r"\d{8,10}:[0-9A-Za-z_-]{35}",
        r"[MNO][a-zA-Z\d_-]{23,25}\.[a-zA-Z\d_-]{6}\.",
        r"A3T|ABIA|ACCA|AKIA|ASIA|AKC|AP[0-9A-F][a-zA-Z0-9]{8}",
        r"PRIVATE KEY|SSH2 ENCRYPTED|PuTTY-User-Key|GR1348941|eyJ|sq0csp|pypi-|_authToken|_live_|T3BlbkFJ|SG\.",
    )
)
_SUSPECT_LOWERED: Final = tuple(
    re.compile(pattern)
    for pattern in (
        "|".join(keyword.DENYLIST),
        r"hooks\.slack|xox[abpors]-|gh[pousr]_|gl[a-z]{2,8}-|cloudant|softlayer",
    )
)


@cache
def _detectors() -> tuple[BasePlugin, ...]:
    classes = get_mapping_from_secret_type_to_class()
    return tuple(classes[kind]() for kind in sorted(classes) if kind not in _LEFT_OUT)


def secret_kinds() -> tuple[str, ...]:
    """Every kind that can be reported."""
    return tuple(detector.secret_type for detector in _detectors())


def find_secrets(path: str, text: str) -> list[Secret]:
    """The secrets of one file, at most MAX_PER_FILE, one a line and kind. Lines end in \\n."""
    suspects = suspect_lines(text)
    if not suspects:
        return []
    lines = text.split("\n")
    found: list[Secret] = []
    for number in suspects:
        line = lines[number - 1].rstrip()
        if len(line) <= MAX_LINE:
            found += [_secret(kind, number, line, values) for kind, values in sorted(_on_line(path, line).items())]
        if len(found) >= MAX_PER_FILE:
            break
    return found[:MAX_PER_FILE]


def _secret(kind: str, number: int, line: str, values: Iterable[str]) -> Secret:
    for value in sorted(values, key=lambda value: (-len(value), value)):
        line = line.replace(value, MASK)
    return Secret(kind, number, content_digest(line))


def suspect_lines(text: str) -> list[int]:
    """Numbers (from 1) of the lines that the detectors have to see."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters grow when lowered; offsets must fit the text
        lowered = text.translate(_ASCII_LOWER)
    offsets = {found.start() for pattern in _SUSPECT for found in pattern.finditer(text)}
    offsets |= {found.start() for pattern in _SUSPECT_LOWERED for found in pattern.finditer(lowered)}
    if not offsets:
        return []
    ends = [found.start() for found in re.finditer("\n", text)]
    return sorted({bisect_left(ends, offset) + 1 for offset in offsets})


_ASCII_LOWER: Final = {ord(letter): letter.lower() for letter in ascii_uppercase}


def _on_line(path: str, line: str) -> dict[str, set[str]]:
    """Kind -> secrets. What a detector of one provider knows isn't told again as a keyword or as a random string."""
    finds: dict[str, set[str]] = {}
    for detector in _detectors():
        values = {value for value in _candidates(detector, path, line) if value and _likely(value, line, detector)}
        if values:
            finds[detector.secret_type] = values
    certain = {kind for kind in finds if kind not in _VAGUE}
    if certain:
        return {kind: finds[kind] for kind in certain}
    return {"Secret Keyword": finds["Secret Keyword"]} if "Secret Keyword" in finds else finds


_VAGUE: Final = frozenset({"Secret Keyword", "Base64 High Entropy String", "Hex High Entropy String"})


def _candidates(detector: BasePlugin, path: str, line: str) -> Iterator[str]:
    # `analyze_string` only matches; `analyze_line` may, by configuration, ask the provider whether the secret works.
    if isinstance(detector, keyword.KeywordDetector):
        expressions = keyword.REGEX_BY_FILETYPE.get(
            determine_file_type(path), keyword.QUOTES_REQUIRED_DENYLIST_REGEX_TO_GROUP
        )
        yield from detector.analyze_string(line, expressions)
    elif isinstance(detector, HighEntropyStringsPlugin):
        for value in detector.analyze_string(line):
            if len(value) >= 16 and detector.calculate_shannon_entropy(value) > detector.entropy_limit:
                yield value
    else:
        yield from detector.analyze_string(line)


def _likely(value: str, line: str, detector: BasePlugin) -> bool:
    if isinstance(detector, BasicAuthDetector):
        return value.lower() not in _PLACEHOLDERS and "example." not in line
    if isinstance(detector, RegexBasedDetector):
        return True
    unlikely = (
        heuristic.is_sequential_string(value)
        or heuristic.is_potential_uuid(value)
        or heuristic.is_likely_id_string(value, line, detector)
        or heuristic.is_templated_secret(value)
        or heuristic.is_prefixed_with_dollar_sign(value)
        or heuristic.is_not_alphanumeric_string(value)
    )
    if isinstance(detector, keyword.KeywordDetector):
        unlikely = unlikely or heuristic.is_indirect_reference(line) or not _PASSWORDLIKE.search(value)
    return not unlikely


_PLACEHOLDERS: Final = frozenset({"password", "passwd", "pass", "pw", "pwd", "secret", "token", "xxx", "xxxx", MASK})

# A keyword's value is worth a look when it has no space and is neither a word, a call nor a placeholder.
_PASSWORDLIKE: Final = re.compile(
    r"^(?=.*[0-9A-Z!#%&*+@^~])(?!.*(?:[\s(){}<>$]|example|placeholder|changeme|your))[^.].{5,}$"
)
