"""Has mirrors brought up to date: whose turn it is, how long a runner waits, what gives way to what is new."""

import asyncio
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from forge_clones.eviction import making_room
from forge_clones.metrics import Metrics
from forge_clones.mirrors import Mirror, Mirrors, Rest, size_of
from forge_clones.refs import Advertised
from forge_clones.settings import Settings
from forge_clones.writing import Busy, DiskFull, Order, TooLarge, Writer
from forge_core.ending import ended
from forge_core.failures import Permanent, Transient
from forge_core.logs import get_logger

T = TypeVar("T")
ASKED_AT_ONCE: Final = 16
WAITING: Final = 256
"""Runners that may wait for their turn; further ones clone directly at once."""
FULL_REST: Final = 60.0
TOO_LARGE_REST: Final = 3600.0
ROOM_TRIES: Final = 4
LEAST_ROOM: Final = 0.05
"""A full disk is given at least this part of itself at once."""
log = get_logger("clones.bringing")


class HostRefused(Exception):
    """The repository's host refused or failed, or none may clone from it; the message is a sentence."""


class NotNow(Exception):
    """The same call may be answered later. Until then a runner clones directly."""


class NoRoom(Exception):
    """The disk is full, and nothing may give way."""


@dataclass
class _Turn:
    """One request's place in a mirror's line."""

    begun: bool = False


class Bringing:
    """One for the process."""

    def __init__(self, settings: Settings, mirrors: Mirrors, writer: Writer, metrics: Metrics) -> None:
        self._settings = settings
        self._mirrors = mirrors
        self._writer = writer
        self._metrics = metrics
        self._asking = ThreadPoolExecutor(ASKED_AT_ONCE, "asking")
        self._writing = ThreadPoolExecutor(settings.fetches_at_once, "writing")
        self._tasks: set[asyncio.Task[str]] = set()

    async def close(self) -> None:
        """Wait for what git still does; the writer has been told to stop."""
        await ended(*self._tasks)
        for pool in (self._asking, self._writing):
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)

    async def brought(self, mirror: Mirror, order: Order, pod: str) -> str:
        """The commit that the ref names, once the mirror holds it; from then on the pod may fetch for a while.

        Raises HostRefused, NotNow, NoRoom. Only those whom the host lets in learn anything about the mirror.
        """
        if len(self._tasks) >= WAITING:
            raise NotNow("Too many clones wait for the cache; clone directly.")
        turn = _Turn()
        task = asyncio.create_task(self._whole(mirror, order, pod, turn))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        done, _ = await asyncio.wait({task}, timeout=self._settings.patience)
        if not done:
            if not turn.begun:
                task.cancel()
            raise NotNow("The mirror is still being fetched; clone directly.")
        return task.result()

    def _ended(self, task: asyncio.Task[str]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited for it has been told; perhaps nobody did

    async def _whole(self, mirror: Mirror, order: Order, pod: str, turn: _Turn) -> str:
        try:
            with mirror.in_use():
                wanted = await self._in(self._asking, lambda: self._writer.asked(order))
                async with mirror.turn:
                    if mirror.rest is not None and mirror.rest.until > time.monotonic():
                        raise NotNow(f"{mirror.rest.reason} It is not tried again for a while; clone directly.")
                    turn.begun = True
                    commit = await self._written(mirror, order, wanted)
                mirror.touch()
                mirror.grant(pod, self._settings.grant_seconds)
                await self._keep_to_the_limit()
                return commit
        except (Permanent, Transient) as error:
            raise HostRefused(str(error)) from None
        finally:
            self._mirrors.forget(mirror)

    async def _written(self, mirror: Mirror, order: Order, wanted: Advertised) -> str:
        mirror.rest = None
        try:
            return await self._with_room(mirror, lambda: self._writer.bring(mirror, order, wanted))
        except Busy as error:
            raise NotNow(str(error)) from None
        except TooLarge as error:
            mirror.rest = Rest(str(error), time.monotonic() + TOO_LARGE_REST)
            await self._mirrors.emptied(mirror)
            raise NotNow(f"{error} Clone directly.") from None
        finally:
            mirror.size = await asyncio.to_thread(size_of, mirror.folder)

    async def _with_room(self, mirror: Mirror, work: Callable[[], str]) -> str:
        """`work`'s answer; while the disk is full for it, the least recently used mirrors give way."""
        for _ in range(ROOM_TRIES):
            try:
                return await self._in(self._writing, work)
            except DiskFull as full:
                disk = await asyncio.to_thread(shutil.disk_usage, self._settings.clones_path)
                wanted = max(full.wanted, int(disk.total * LEAST_ROOM))
                gone = await self._mirrors.removed(making_room(self._mirrors.held(), wanted))
                self._metrics.evicted.labels("disk").inc(len(gone))
                log.warning("the disk is full", mirror=mirror.key, wanted=wanted, removed=len(gone))
                if not gone:
                    break
        mirror.rest = Rest("The clone cache's disk is full.", time.monotonic() + FULL_REST)
        raise NoRoom("The clone cache's disk is full, and all that it holds is in use; clone directly.")

    async def _keep_to_the_limit(self) -> None:
        held = self._mirrors.held()
        excess = sum(each.size for each in held) - self._settings.max_size
        gone = await self._mirrors.removed(making_room(held, excess))
        self._metrics.evicted.labels("size").inc(len(gone))

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)
