"""A crowd of AnalysisJobs of several tenants on simulated nodes: submitted at a pace, watched, and ended when told."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from bench.place import PAUSE, analysis_job, unique
from bench.simulated import namespace_of
from forge_core.cluster import Cluster, Gone, NotFound, Raw, Unavailable, Unreachable, analysis_jobs, core, jobs
from forge_core.names import JOB_UID_LABEL, QUEUE_LABEL
from forge_core.phase import Phase

AT_ONCE: Final = 32
AHEAD: Final = 1000
"""Jobs submitted and not running yet: further ones wait, so that the cluster isn't buried."""
WATCH_SECONDS: Final = 60
_RUN: Final = "bench/run"
_EXIT: Final = "bench/exit"


@dataclass
class Crowd:
    """The jobs of one run: all carry its label. Times are of this machine's monotonic clock."""

    cluster: Cluster
    queue: str
    run: str = field(default_factory=lambda: unique("crowd"))
    phases: dict[str, Phase] = field(default_factory=dict)
    """By name, as last seen."""
    told: dict[str, str] = field(default_factory=dict)
    """`message` by name."""
    ended: dict[str, float] = field(default_factory=dict)
    """When each was seen to be over."""
    started: dict[str, float] = field(default_factory=dict)
    """When each one's Job was first seen, by the AnalysisJob's UID, in that order."""
    uids: dict[str, str] = field(default_factory=dict)
    """By name."""
    leaving: bool = False
    """Every pod that runs is to end."""
    _counts: Counter[Phase] = field(default_factory=Counter)
    _pods: dict[str, Raw] = field(default_factory=dict)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _ending: set[asyncio.Task[None]] = field(default_factory=set)
    _watches: list[asyncio.Future[None]] = field(default_factory=list)

    # --- what is done ---

    async def submit(self, tenants: Sequence[str], **spec: Any) -> list[str]:
        """One job for each of these tenants; answers their names."""
        names = [f"{self.run}-{len(self.uids) + at}" for at in range(len(tenants))]

        async def create(name: str, tenant: str) -> None:
            async with self._slots:
                while len(self.uids) - self.count(Phase.RUNNING) - len(self.ended) > AHEAD:
                    await asyncio.sleep(PAUSE)
                manifest = analysis_job(namespace_of(tenant), name, self.queue, "https://example.org/nothing.git")
                manifest["metadata"]["labels"] = {_RUN: self.run}
                manifest["spec"] |= spec
                made = await self.cluster.create(analysis_jobs(namespace_of(tenant)), manifest)
                self.uids[name] = made["metadata"]["uid"]

        await asyncio.gather(*map(create, names, tenants))
        return names

    async def end_one(self, tenant: str) -> str:
        """Let one running pod of a tenant end; answers its AnalysisJob's UID."""
        for pod in self._pods.values():
            if pod["metadata"]["namespace"] == namespace_of(tenant) and pod["status"].get("phase") == "Running":
                await self._end(pod)
                return str(pod["metadata"]["labels"][JOB_UID_LABEL])
        raise RuntimeError(f"no pod of tenant {tenant} runs")

    def leave(self) -> None:
        """Let every pod end, those to come too."""
        self.leaving = True
        for pod in list(self._pods.values()):
            self._note_pod("MODIFIED", pod)

    # --- what is waited for ---

    def count(self, phase: Phase) -> int:
        """How many were last seen in a phase."""
        return self._counts[phase]

    async def until(self, reached: Callable[[], bool], seconds: float, what: str) -> float:
        """Wait; answers the seconds it took. Raises RuntimeError that says what did not come about."""
        begun = time.monotonic()
        while not reached():
            for watch in self._watches:
                if watch.done():
                    watch.result()  # it never ends but by an error
            if time.monotonic() - begun > seconds:
                raise RuntimeError(f"not within {seconds:g} s: {what}; {self.summary()}")
            await asyncio.sleep(PAUSE)
        return time.monotonic() - begun

    def summary(self) -> str:
        """How many are in each phase."""
        counts = ", ".join(f"{self.count(phase)} {phase}" for phase in Phase if self.count(phase))
        return f"{len(self.uids)} submitted: {counts or 'none seen'}"

    # --- what is seen ---

    async def objects(self, path: str) -> list[Raw]:
        """All objects of a kind that are of this crowd's queue and run, in every namespace."""
        found: list[Raw] = []
        label = f"{_RUN}={self.run}" if path == analysis_jobs() else f"{QUEUE_LABEL}={self.queue}"
        async for page in self.cluster.pages(path, labelSelector=label):
            found += page["items"]
        mine = set(self.uids.values())
        return [each for each in found if path == analysis_jobs() or each["metadata"]["labels"][JOB_UID_LABEL] in mine]

    def _note_analysis_job(self, event: str, raw: Raw) -> None:
        name, status = raw["metadata"]["name"], raw.get("status", {})
        if event == "DELETED":
            return
        phase, before = Phase(status.get("phase", Phase.QUEUED)), self.phases.get(name)
        self.phases[name] = phase
        self._counts[phase] += 1
        if before is not None:
            self._counts[before] -= 1
        self.told[name] = status.get("message", "")
        if phase.terminal:
            self.ended.setdefault(name, time.monotonic())

    def _note_job(self, _event: str, raw: Raw) -> None:
        self.started.setdefault(raw["metadata"]["labels"][JOB_UID_LABEL], time.monotonic())

    def _note_pod(self, event: str, raw: Raw) -> None:
        uid, phase = raw["metadata"]["uid"], raw["status"].get("phase")
        if event == "DELETED" or phase in {"Succeeded", "Failed"}:
            self._pods.pop(uid, None)
            return
        self._pods[uid] = raw
        if self.leaving and phase == "Running" and _EXIT not in raw["metadata"].get("annotations", {}):
            task = asyncio.ensure_future(self._end(raw))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _end(self, pod: Raw) -> None:
        path = core("pods", pod["metadata"]["namespace"], pod["metadata"]["name"])
        async with self._slots:
            while True:
                with suppress(Unavailable, Unreachable):
                    with suppress(NotFound):
                        await self.cluster.patch(path, {"metadata": {"annotations": {_EXIT: "0"}}})
                    return
                await asyncio.sleep(PAUSE)

    async def _watch(self, path: str, label: str, note: Callable[[str, Raw], None]) -> None:
        while True:
            with suppress(Gone, Unavailable, Unreachable):
                page: Raw = {}
                async for page in self.cluster.pages(path, labelSelector=label):
                    for each in page["items"]:
                        note("ADDED", each)
                version = page["metadata"]["resourceVersion"]
                while True:
                    async for event, each in self.cluster.watch(path, version, WATCH_SECONDS, labelSelector=label):
                        version = each["metadata"]["resourceVersion"]
                        if event != "BOOKMARK":
                            note(event, each)
            await asyncio.sleep(PAUSE)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator["Crowd"]:
        """Watch the crowd until this is left; an error of a watch is raised by whoever waits next."""
        queue = f"{QUEUE_LABEL}={self.queue}"
        self._watches = [
            asyncio.ensure_future(self._watch(analysis_jobs(), f"{_RUN}={self.run}", self._note_analysis_job)),
            asyncio.ensure_future(self._watch(jobs(), queue, self._note_job)),
            asyncio.ensure_future(self._watch(core("pods"), queue, self._note_pod)),
        ]
        try:
            yield self
        finally:
            for task in (*self._watches, *self._ending):
                task.cancel()
            await asyncio.gather(*self._watches, *self._ending, return_exceptions=True)
