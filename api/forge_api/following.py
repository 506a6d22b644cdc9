"""One client's view of one job from now to its end, the same by websocket and by server-sent events.

snapshot   the job's whole state; `id` is the resume token
progress   one step
gap        messages were lost (the resume token is too old, or Redis was emptied); a snapshot follows
terminal   the job's end, as its row or its AnalysisJob says; nothing follows
closed     the server ends the connection with `message`; connect again with the last `id`
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import Field

from forge_api.current import current
from forge_api.problems import Problem
from forge_api.relay import Changed, Closed, Gap, Item, Listener, newer
from forge_api.services import Services
from forge_api.shapes import View
from forge_api.views import Analysis, Status
from forge_core.history.queries import Job, State
from forge_core.messages import BadMessage, ProgressMessage, ProgressUnavailable, decode_message
from forge_core.phase import Phase
from forge_core.progress import BEGINNING, Entry

_TOKEN: Final = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


class Told(View):
    """One message to a client."""

    type: Literal["snapshot", "progress", "gap", "terminal", "closed"]
    id: Annotated[str, Field(description="Resume token; empty while Redis is away.", examples=["1769000000000-0"])]
    analysis_id: UUID
    status: Status | None = None
    progress: Annotated[int | None, Field(examples=[45])] = None
    stage: str | None = None
    attempt: int | None = None
    message: str = ""
    at: datetime


def resume_token(text: str | None) -> str:
    """A token from a client, "" for none. Raises Problem 422."""
    if not text:
        return ""
    if not _TOKEN.fullmatch(text):
        raise Problem(422, "The resume token is an id of an earlier message, such as 1769000000000-0.")
    return text


@dataclass
class Following:
    """The state of one client's view."""

    services: Services
    job: Job
    expires: datetime
    """When the client's token does, and with it the connection."""
    last: str = ""
    """The resume token of what was told last."""

    async def messages(self, after: str) -> AsyncGenerator[Told]:
        """From a snapshot, or from what was missed since `after`, to the end."""
        relay = self.services.relay
        state = State(self.job.phase, self.job.uid)
        async with relay.listening(self.job.tenant, self.job.id, state) as (listener, position):
            async for told in self._beginning(after, position):
                yield told
            while not self.job.phase.terminal:
                item = await self._next(listener)
                async for told in self._heard(item):
                    yield told
                if isinstance(item, Closed):
                    return
            yield self._told("terminal", self.last)

    async def _beginning(self, after: str, position: str) -> AsyncIterator[Told]:
        self.last = position
        if not after or after == BEGINNING:  # nothing was told before that could have been followed
            yield await self._snapshot()
            return
        lost = not position
        if position:
            try:
                async for entry in self.services.relay.missed(self.job.tenant, after, position):
                    lost = lost or isinstance(entry, Gap)
                    if not isinstance(entry, Gap) and (told := self._step_of(entry)):
                        yield told
            except ProgressUnavailable:
                lost = True
        if lost:
            yield self._gap()
            yield await self._snapshot()
        else:
            self.last = after if newer(after, position) else position
            await self._look()

    def _step_of(self, entry: Entry) -> Told | None:
        try:
            message = decode_message(entry.payload)
        except BadMessage:
            return None
        ours = isinstance(message, ProgressMessage) and message.uid == str(self.job.uid)
        return self._step(entry.id, message) if isinstance(message, ProgressMessage) and ours else None

    async def _next(self, listener: Listener) -> Item:
        left = (self.expires - datetime.now(UTC)).total_seconds()
        try:
            async with asyncio.timeout(max(0.0, left)):
                return await listener.next()
        except TimeoutError:
            return Closed("the token has expired")

    async def _heard(self, item: Item) -> AsyncIterator[Told]:
        if isinstance(item, Closed):
            yield self._told("closed", self.last, message=item.reason)
        elif isinstance(item, Gap):
            yield self._gap()
            yield await self._snapshot()
        elif isinstance(item, Changed):
            snapshot = await self._snapshot()
            if not self.job.phase.terminal:
                yield snapshot
        elif self.last and not newer(item.id, self.last):
            return
        elif isinstance(item.message, ProgressMessage):
            yield self._step(item.id, item.message)
        else:  # a pod may write to its tenant's stream: an end is believed only when the row or the resource says so
            self.last = item.id
            await self._look()

    async def _look(self) -> None:
        row = await self.services.queries.job(self.job.tenant, self.job.id)
        self.job = await current(self.services.kube, row or self.job)

    async def _snapshot(self) -> Told:
        await self._look()
        step = await self._last_step()
        if step is None or self.job.phase != Phase.RUNNING:
            return self._told("snapshot", self.last)
        view = self._told("snapshot", self.last)
        return view.model_copy(update=_of_step(step))

    async def _last_step(self) -> ProgressMessage | None:
        uid = str(self.job.uid or "")
        try:
            found = await self.services.progress.snapshots(self.job.tenant, [uid] if uid else [])
            message = decode_message(found[uid].payload) if uid in found else None
        except (ProgressUnavailable, BadMessage):
            return None
        return message if isinstance(message, ProgressMessage) and message.uid == uid else None

    def _step(self, entry_id: str, message: ProgressMessage) -> Told:
        self.last = entry_id
        return Told(type="progress", id=entry_id, analysis_id=self.job.id, status=Status.RUNNING, **_of_step(message))

    def _gap(self) -> Told:
        lost = "Messages were lost; a snapshot follows."
        return Told(type="gap", id=self.last, analysis_id=self.job.id, message=lost, at=datetime.now(UTC))

    def _told(self, kind: Literal["snapshot", "terminal", "closed"], entry_id: str, message: str | None = None) -> Told:
        view = Analysis.of(self.job)
        return Told(
            type=kind,
            id=entry_id,
            analysis_id=view.id,
            status=view.status,
            progress=view.progress,
            stage=view.stage,
            attempt=view.attempts,
            message=view.message if message is None else message,
            at=(self.job.completed_at if kind == "terminal" else None) or datetime.now(UTC),
        )


def _of_step(message: ProgressMessage) -> dict[str, Any]:
    return {
        "progress": int(message.percent),
        "stage": message.stage,
        "attempt": message.attempt,
        "message": message.message,
        "at": message.at,
    }
