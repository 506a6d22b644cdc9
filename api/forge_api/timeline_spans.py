"""Where a job's time went: its entries as spans on one time axis. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from forge_core.durations import parse_timestamp
from forge_core.history.notes import What
from forge_core.history.timeline_entries import Entry

SAVING: Final = "saving"


@dataclass(frozen=True)
class Span:
    """`ended` is None while it goes on. `waits` says that nothing of the job's own was done in it."""

    label: str
    began: datetime
    ended: datetime | None
    waits: bool = False


def spans_of(entries: Sequence[Entry]) -> list[Span]:
    """In the order in which they began; those of gates may overlap, for two may hold a job at once."""
    spans = [*_waiting(entries), *_pods(entries), *_attempts(entries), *_ending(entries)]
    return sorted(spans, key=lambda span: span.began)


def _first(entries: Sequence[Entry], *whats: What) -> datetime | None:
    return next((entry.at for entry in entries if entry.what in whats), None)


def _waiting(entries: Sequence[Entry]) -> Iterator[Span]:
    submitted = _first(entries, What.SUBMITTED)
    if submitted is None:
        return
    sent = _first(entries, What.QUEUED)
    over = _first(entries, What.ADMITTED, What.ENDED)
    if sent is not None and sent - submitted >= timedelta(seconds=1):
        yield Span("on its way in", submitted, sent, waits=True)
    if over is None or over > submitted:
        yield Span("waiting for gates", max(submitted, sent or submitted), over, waits=True)
    for entry in entries:
        if entry.what is What.HELD:
            yield Span(f"· {entry.detail.get('gate', '')}", entry.at, _until(entry) or over, waits=True)


def _until(entry: Entry) -> datetime | None:
    try:
        return parse_timestamp(str(entry.detail["until"]))
    except (KeyError, ValueError):
        return None


def _pods(entries: Sequence[Entry]) -> Iterator[Span]:
    """Each pod from its making to its start."""
    by_pod: dict[str, dict[What, Entry]] = defaultdict(dict)
    for entry in entries:
        if entry.pod is not None:
            by_pod[entry.pod].setdefault(entry.what, entry)
    for seen in by_pod.values():
        scheduled, started = seen.get(What.POD_SCHEDULED), seen.get(What.POD_STARTED)
        if scheduled is None:
            continue
        yield Span("scheduling", _created(scheduled), scheduled.at, waits=True)
        ended = seen.get(What.POD_ENDED)
        up = started.at if started else ended.at if ended else None
        yield from _coming_up(scheduled.at, seen.get(What.IMAGE_PULLED), up)


def _created(scheduled: Entry) -> datetime:
    try:
        return min(parse_timestamp(str(scheduled.detail["created"])), scheduled.at)
    except (KeyError, ValueError):
        return scheduled.at


def _coming_up(scheduled: datetime, pulled: Entry | None, started: datetime | None) -> Iterator[Span]:
    """From the node to the runner's start; how long the image took is known only where its event was seen."""
    if pulled is None:
        yield Span("pulling, starting", scheduled, started)
        return
    seconds = pulled.detail.get("seconds")
    took = timedelta(seconds=float(seconds)) if isinstance(seconds, int | float) else timedelta()
    began = max(scheduled, pulled.at - took)
    if began > scheduled:
        yield Span("preparing pod", scheduled, began)
    yield Span("pulling image", began, pulled.at)
    if started is None or started > pulled.at:
        yield Span("starting", pulled.at, started)


def _attempts(entries: Sequence[Entry]) -> Iterator[Span]:
    """Each attempt's work and its saving, and what lies between two."""
    claims = [entry for entry in entries if entry.what is What.ATTEMPT_CLAIMED]
    over = _first(entries, What.ENDED)
    previous_end: datetime | None = None
    for claim in claims:
        mine = [entry for entry in entries if entry.attempt == claim.attempt]
        ended = _first(mine, What.ATTEMPT_SUCCEEDED, What.ATTEMPT_FAILED) or over
        saving = next((e.at for e in mine if e.what is What.STAGE and e.detail.get("stage") == SAVING), None)
        if previous_end is not None and claim.at > previous_end:
            yield Span("backoff", previous_end, claim.at, waits=True)
        yield Span(f"attempt {claim.attempt}", claim.at, saving or ended)
        if saving is not None:
            yield Span(SAVING, saving, ended)
        previous_end = ended


def _ending(entries: Sequence[Entry]) -> Iterator[Span]:
    asked = _first(entries, What.CANCELLING)
    over = _first(entries, What.ENDED)
    pods = [entry.at for entry in entries if entry.what is What.POD_ENDED]
    if asked is not None:
        yield Span("stopping pods", asked, max([*pods, over or asked]) if over else None)
    recorded, delivered = _first(entries, What.RECORDED), _first(entries, What.DELIVERED)
    if over is not None and recorded is not None and recorded > over:
        yield Span("recording", over, recorded)
    if recorded is not None and delivered is not None and delivered > recorded:
        yield Span("delivering", recorded, delivered)
