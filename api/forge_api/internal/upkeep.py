"""What clean-up runners have done here, a batch a call: usage, rows and artefacts past their time, orphans."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from forge_api import cursors
from forge_api.internal.ownerless import Ownerless
from forge_api.problems import Problem
from forge_core.history.caches import Caches
from forge_core.history.pages import Place
from forge_core.history.purge import Batch, Ended, Purge
from forge_core.history.usage import Usages
from forge_core.maintenance import Ask, Done, Step

_WRONG_PLACE = "after: take it unchanged from the last answer."
_UIDS = 2**128
_MORE = "more"


@dataclass(frozen=True)
class Kept:
    """How long the history keeps what has ended, and artefacts; `namespace` is the system tenant's ("" for none)."""

    namespace: str
    rows: timedelta
    artifacts: timedelta


@dataclass(frozen=True)
class Upkeep:
    """Every call raises HistoryUnavailable while PostgreSQL is away, and Problem 422 for a place that is none."""

    kept: Kept
    usages: Usages
    purge: Purge
    caches: Caches
    ownerless: Ownerless

    async def do(self, step: Step, ask: Ask, now: datetime) -> Done:
        """One batch."""
        match step:
            case Step.USAGE:
                return await self._close_hours(ask, now)
            case Step.ROWS:
                before = now - self.kept.rows
                return await self._counted(ask, before, await self.purge.rows(before, _ended(ask), dry=ask.dry_run))
            case Step.ARTIFACTS:
                return await self._old_artifacts(ask, now)
            case Step.CACHES:
                return await self._unused(ask, now - self.kept.artifacts)
            case Step.ORPHANS:
                return await self._sweep(ask, now)
            case Step.SECRETS | Step.JOBS | Step.REDIS:
                return await self.ownerless.do(step, ask, now)

    async def _close_hours(self, ask: Ask, now: datetime) -> Done:
        close = self.usages.would_close if ask.dry_run else self.usages.close
        closing = await close(now, _moment(ask))
        last = closing.last.isoformat() if closing.last and closing.left else ""
        counts = {"hours": closing.hours, "usage": closing.changed}
        return Done(
            after=last, looked_at=closing.hours, share=_share(ask.done + closing.hours, closing.left), counts=counts
        )

    async def _old_artifacts(self, ask: Ask, now: datetime) -> Done:
        before, after = now - self.kept.artifacts, _ended(ask)
        if ask.dry_run:
            return await self._counted(ask, before, await self.purge.would_go(before, now - self.kept.rows, after))
        return await self._counted(ask, before, await self.purge.artifacts(before, after))

    async def _counted(self, ask: Ask, before: datetime, batch: Batch) -> Done:
        left = await self.purge.older_than(before, batch.last) if batch.last else 0
        after = cursors.encode(Place(batch.last.at, batch.last.id)) if batch.last else ""
        counts = {**batch.gone, "kept": batch.kept}
        share = _share(ask.done + batch.looked_at, left)
        return Done(after=after, looked_at=batch.looked_at, share=share, counts=counts)

    async def _unused(self, ask: Ask, before: datetime) -> Done:
        if ask.after not in {"", _MORE}:
            raise Problem(422, _WRONG_PLACE)
        if ask.dry_run:
            unused = await self.caches.unused_since(before)
            return Done(after="", looked_at=unused, share=1, counts={"caches": unused})
        gone = await self.caches.purge(before)
        left = await self.caches.unused_since(before) if gone else 0
        after = _MORE if left else ""
        return Done(after=after, looked_at=gone, share=_share(ask.done + gone, left), counts={"caches": gone})

    async def _sweep(self, ask: Ask, now: datetime) -> Done:
        swept = await self.purge.orphans(now, _uid(ask), dry=ask.dry_run)
        # UIDs are spread evenly, so the last one's place among all says how much is done.
        share, after = (swept.last.int / _UIDS, str(swept.last)) if swept.last else (1.0, "")
        return Done(after=after, looked_at=swept.looked_at, share=share, counts=dict(swept.gone))


def _share(done: int, left: int) -> float:
    return done / (done + left) if left else 1.0


def _ended(ask: Ask) -> Ended | None:
    if not ask.after:
        return None
    place = cursors.decode(ask.after)
    return Ended(place.created_at, place.id)


def _moment(ask: Ask) -> datetime | None:
    try:
        moment = datetime.fromisoformat(ask.after) if ask.after else None
    except ValueError:
        raise Problem(422, _WRONG_PLACE) from None
    if moment is not None and moment.tzinfo is None:
        raise Problem(422, _WRONG_PLACE)
    return moment


def _uid(ask: Ask) -> UUID | None:
    try:
        return UUID(ask.after) if ask.after else None
    except ValueError:
        raise Problem(422, _WRONG_PLACE) from None
