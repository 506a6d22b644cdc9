"""A job's timeline as a picture in text: bars on one time axis, then each entry in a line. Pure.

What pods and people wrote is shown without control characters: a terminal must not obey it.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from forge_api.timeline_spans import Span, spans_of
from forge_core.history.notes import What
from forge_core.history.timeline_entries import Entry

WIDTH: Final = 100
LABEL: Final = 22
FIGURES: Final = 16
"""Columns of a span's seconds and its part of the whole."""
AXIS: Final = WIDTH - LABEL - FIGURES
MAX_BARS: Final = 60
WORKS, WAITS, NOW = "█", "░", "▸"


@dataclass(frozen=True)
class Heading:
    """What the picture says above the bars."""

    id: str
    name: str
    queue: str
    status: str


def rendered(heading: Heading, entries: Sequence[Entry], now: datetime) -> str:
    """The whole text, no line wider than WIDTH columns; `now` ends what goes on."""
    spans = spans_of(entries)
    began = min([span.began for span in spans] + [entry.at for entry in entries], default=now)
    ends = [span.ended or now for span in spans] + [entry.at for entry in entries]
    ended = max([*ends, began])
    lines = [*_head(heading, began, ended), *_bars(spans, began, ended), "", *_list(entries, began)]
    return "".join(f"{cut(line).rstrip()}\n" for line in lines)


def _head(heading: Heading, began: datetime, ended: datetime) -> list[str]:
    took = length((ended - began).total_seconds())
    name = f"  {heading.name}" if heading.name != heading.id else ""
    first, last = _clock(began), _clock(ended)
    axis = f"{'':{LABEL}}{first}{last:>{AXIS - len(first)}}"
    return [f"{heading.id}{name}", f"queue {heading.queue}, {heading.status}, {took}", "", axis]


def _bars(spans: Sequence[Span], began: datetime, ended: datetime) -> list[str]:
    whole = (ended - began).total_seconds()
    shown = spans[:MAX_BARS]
    lines = [_bar(span, began, ended, whole) for span in shown]
    return lines + ([f"... and {len(spans) - len(shown)} more"] if len(spans) > len(shown) else [])


def _bar(span: Span, began: datetime, ended: datetime, whole: float) -> str:
    until = span.ended or ended
    seconds = max((until - span.began).total_seconds(), 0.0)
    first = _column((span.began - began).total_seconds(), whole)
    last = max(_column((until - began).total_seconds(), whole), first + 1)
    first = min(first, AXIS - 1)
    sign = (WAITS if span.waits else WORKS) * (min(last, AXIS) - first)
    sign = sign[:-1] + NOW if span.ended is None else sign
    part = f"{100 * seconds / whole:3.0f} %" if whole else ""
    label = cut(clean(span.label), LABEL - 1)
    return f"{label}{' ' * (LABEL - columns(label))}{'':{first}}{sign:{AXIS - first}}{length(seconds):>9}{part:>7}"


def _column(seconds: float, whole: float) -> int:
    return round(AXIS * seconds / whole) if whole else 0


def _list(entries: Sequence[Entry], began: datetime) -> list[str]:
    return [_line(entry, began) for entry in entries]


def _line(entry: Entry, began: datetime) -> str:
    after = f"+{length((entry.at - began).total_seconds())}"
    attempt = f"attempt {entry.attempt}: " if entry.attempt is not None else ""
    return clean(f"{after:>10}  {entry.what.value:<18} {attempt}{sentence(entry)}")


def sentence(entry: Entry) -> str:
    """An entry's detail in words, "" when there is nothing to add."""
    say = _SENTENCES.get(entry.what)
    if say is not None:
        return say(entry)
    pod = [entry.pod] if entry.pod and entry.attempt is None else []
    return ", ".join([*pod, *_pairs(entry.detail)])


def _took(entry: Entry) -> str:
    seconds = entry.detail.get("seconds")
    return length(float(seconds)) if isinstance(seconds, int | float) else "?"


def _submitted(entry: Entry) -> str:
    by = f" by {entry.detail['by']}" if entry.detail.get("by") else ""
    return f"{_THROUGH.get(str(entry.detail.get('through')), '')}{by}, queue {entry.detail.get('queue', '')}"


def _held(entry: Entry) -> str:
    detail = entry.detail
    long = f"for {_took(entry)}" if "seconds" in detail else "until now"
    times = f" in {detail['times']} spells" if detail.get("times", 1) != 1 else ""
    return f"{detail.get('gate', '')} {long}{times}: {detail.get('message', '')}"


def _pulled(entry: Entry) -> str:
    if entry.detail.get("present"):
        return f"{entry.pod}, the node had it already"
    return f"{entry.pod} in {_took(entry)}" if "seconds" in entry.detail else f"{entry.pod}"


def _asked(entry: Entry) -> str:
    through = _WAYS.get(str(entry.detail.get("through")), "Kubernetes")
    return f"by {entry.detail.get('by') or 'somebody'} through {through}"


def _refused(entry: Entry) -> str:
    detail = entry.detail
    times = f", {detail['times']} times" if detail.get("times", 1) != 1 else ""
    return f"{detail.get('sent', '')} of {entry.pod}{times}: {detail.get('why', '')}"


_THROUGH: Final = {"api": "through the API", "manifest": "by a manifest"}
_WAYS: Final = {"api": "the API", "kubernetes": "Kubernetes"}
_SENTENCES: Final[Mapping[What, Callable[[Entry], str]]] = {
    What.SUBMITTED: _submitted,
    What.HELD: _held,
    What.POD_SCHEDULED: lambda entry: f"{entry.pod} on {entry.detail.get('node', '')}",
    What.IMAGE_PULLED: _pulled,
    What.ATTEMPT_CLAIMED: lambda entry: f"by {entry.pod}",
    What.BACKOFF: lambda entry: f"for {_took(entry)}",
    What.UPLOADED: lambda entry: f"{entry.detail.get('artifacts')} artefacts, {entry.detail.get('bytes')} bytes",
    What.CANCEL_ASKED: _asked,
    What.CLAIM_REFUSED: _refused,
    What.UPLOAD_REFUSED: _refused,
    What.DROPPED: lambda entry: f"{entry.detail.get('count')} notes were lost while PostgreSQL was away",
}


def _pairs(detail: Mapping[str, Any]) -> list[str]:
    words = []
    for key, value in detail.items():
        told = length(float(value)) if key == "seconds" and isinstance(value, int | float) else str(value)
        words.append(told if key in _PLAIN else f"{key} {told}")
    return words


_PLAIN: Final = frozenset({"stage", "phase", "job", "message", "reason", "type", "seconds"})


# --- text for a terminal -----------------------------------------------------------------------------------------


def length(seconds: float) -> str:
    """0.42 s, 12.3 s, 4m05s, 2h13m."""
    seconds = max(seconds, 0.0)
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours < 48 else f"{hours // 24}d{hours % 24:02}h"


def _clock(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def clean(text: str) -> str:
    """On one line and without what a terminal would obey: control characters, escapes, changes of direction."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def columns(text: str) -> int:
    """How many columns a terminal gives it."""
    return sum(map(_width, text))


def _width(sign: str) -> int:
    if unicodedata.combining(sign):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def cut(text: str, most: int = WIDTH) -> str:
    """At most `most` columns of it; what was cut shows."""
    if columns(text) <= most:
        return text
    kept, used = [], 0
    for sign in text:
        used += _width(sign)
        if used > most - 1:
            break
        kept.append(sign)
    return "".join(kept) + "…"
