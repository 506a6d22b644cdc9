"""One job of a kind: its pods, what the history holds of it, and whether it ended as it is promised."""

import gzip
import sys
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from forge_core.assignment import Sandbox
from forge_core.cluster import Raw, analysis_jobs
from forge_core.history.records import JobRecord
from forge_core.names import ANALYSIS_JOB_KIND
from forge_core.phase import Phase
from tests.integration.runner.faults.kinds import Ended, Row
from tests.integration.runner.faults.live_pods import LivePod, until
from tests.integration.runner.faults.whole_platform import NAMESPACE, SYSTEM, TENANT, Platform
from tests.integration.runner.pods import Pod
from tests.services.sandbox import SandboxServer, sandbox_server

PROGRAM = (sys.executable, "-P", str(Path(__file__).with_name("runner_program.py")))


@dataclass(frozen=True)
class Attempt:
    """A row of the history."""

    number: int
    outcome: str
    failure_class: str
    refunded: bool
    stage: str
    message: str

    @property
    def told(self) -> tuple[str, bool]:
        """How it ended ("" well), and whether it was refunded."""
        return self.failure_class, self.refunded


@dataclass
class Job:
    """Recorded as running; the test is its operator. `attempts` is its budget."""

    row: Row
    platform: Platform
    attempts: int
    start: dict[str, Any]
    """What its kind begins with: Pod's keywords."""
    resource: Raw
    ending: ExitStack
    """Ends whatever lives for it."""
    pods: list[LivePod] = field(default_factory=list)
    sandboxes: list[SandboxServer] = field(default_factory=list)
    versions: int = 0

    @classmethod
    async def of(cls, row: Row, platform: Platform, ending: ExitStack, attempts: int = 2, **config: Any) -> "Job":
        """A new one; `config` goes over its kind's."""
        name = f"job-{uuid.uuid4().hex[:8]}"
        start = await row.start(platform, name)
        start["config"] = {**start["config"], **config}
        repository = start.get("repository")
        spec = {"queue": row.kind, **({"repository": {"url": repository.url}} if repository else {})}
        platform.cluster.queue(row.kind)
        path = analysis_jobs(SYSTEM if row.of_the_system else NAMESPACE, name)
        body = {"kind": ANALYSIS_JOB_KIND, "spec": spec, "status": {"phase": Phase.RUNNING}}
        job = cls(row, platform, attempts, start, platform.cluster.put(path, body), ending)
        await job.record(Phase.RUNNING)
        return job

    @property
    def uid(self) -> str:
        """The AnalysisJob's."""
        return str(self.resource["metadata"]["uid"])

    @property
    def name(self) -> str:
        """The AnalysisJob's."""
        return str(self.resource["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The AnalysisJob's."""
        return SYSTEM if self.row.of_the_system else NAMESPACE

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return "system" if self.row.of_the_system else TENANT

    # --- what the cluster does ---

    def pod(self, program: tuple[str, ...] = (), environment: dict[str, str] | None = None) -> LivePod:
        """Another pod of it, started. `program` goes before the runner's own."""
        identity = self.platform.cluster.pod(self.namespace, self.resource, self.attempts)
        around = {
            "FORGE_REDIS_URL": self.platform.redis.url, "FORGE_REDIS_PASSWORD": "", "FORGE_HEARTBEAT": "0.5",
            **(environment or {}),
        }  # fmt: skip
        more: dict[str, Any] = {}
        if self.row.sandboxed:
            self.sandboxes.append(self.ending.enter_context(sandbox_server()))
            around["FORGE_SANDBOX_PATH"] = str(self.sandboxes[-1].volume)
            more["sandbox"] = Sandbox()
        runner = Pod(
            folder=self.platform.folder / identity.name, api_url=self.platform.api_url, kind=self.row.kind,
            uid=self.uid, tenant=self.tenant, token=identity.token, attempts=self.attempts, timeout=600.0,
            environment=around, program=(*program, *PROGRAM, str(self.platform.gate.port)), **self.start, **more,
        )  # fmt: skip
        self.ending.callback(runner.kill)
        self.pods.append(LivePod(runner.start(), identity))
        return self.pods[-1]

    async def at_work(self, program: tuple[str, ...] = ()) -> LivePod:
        """Another pod of it, held in the midst of its work."""
        self.platform.gate.close_at(self.row.midst)
        pod = self.pod(program)
        await self.in_its_midst()
        return pod

    async def in_its_midst(self) -> None:
        """Wait until its newest pod's kind is held there, and the runner knows its stage."""
        await self.held()
        await self.pods[-1].comes_to(self.row.stage)

    async def held(self) -> None:
        """Wait until its kind has come to the gate."""
        gate, pod = self.platform.gate, self.pods[-1].runner
        await until(lambda: gate.taken or (pod.process and pod.process.poll() is not None), "its kind is at the gate")
        assert gate.taken, f"the runner ended before:\n{pod.output[-3000:]}"

    async def record(self, phase: Phase) -> None:
        """The operator writes the phase down."""
        self.versions += 1
        now = datetime.now(UTC)
        await self.platform.api.services.records.write([
            JobRecord(
                uid=uuid.UUID(self.uid), resource_version=self.versions, tenant=self.tenant, namespace=self.namespace,
                name=self.name, queue=self.row.kind, kind=self.row.kind, spec=self.resource["spec"], priority=1,
                phase=phase, created_at=now, completed_at=now if phase.terminal else None,
            )
        ])  # fmt: skip

    # --- what is stored of it ---

    async def stored(self) -> list[Attempt]:
        """Its attempts."""
        columns = "number, outcome, failure_class, refunded, stage, message"
        asked = f"select {columns} from attempts where job_uid = :uid order by number"
        return [Attempt(*row) for row in await self.platform.rows(asked, uid=self.uid)]

    async def artifacts(self, attempt: int) -> dict[str, bytes]:
        """What an attempt stored."""
        asked = "select name, body from artifacts where job_uid = :uid and attempt = :attempt"
        found = await self.platform.rows(asked, uid=self.uid, attempt=attempt)
        return {name: gzip.decompress(body) for name, body in found}

    async def failed(self, attempt: Attempt) -> None:
        """It left its log at most, and no result."""
        assert attempt.outcome == "failed"
        assert set(await self.artifacts(attempt.number)) <= {"log"}
        summaries = "select summary from attempts where job_uid = :uid and number = :number"
        assert await self.platform.rows(summaries, uid=self.uid, number=attempt.number) == [(None,)]

    async def ended_well(self, *failed: tuple[str, bool]) -> None:
        """After attempts that ended so (class of failure, whether refunded) one succeeded; its outcome is the job's."""
        *before, last = stored = await self.stored()
        assert [attempt.told for attempt in stored] == [*failed, ("", False)]
        assert (last.number, last.outcome) == (len(stored), "succeeded")
        for attempt in before:
            await self.failed(attempt)
        await self.record(Phase.COMPLETED)
        async with self.platform.api.client(self.tenant) as client:
            results = (await client.get(f"/analyses/{self.uid}/results")).json()
        assert results["attempt"] == last.number
        artifacts = await self.artifacts(last.number)
        assert set(artifacts) == {each["name"] for each in results["artifacts"]} == {*self.row.artifacts, "log"}
        await self.row.ended_well(self.platform, Ended(self.name, self.start, results["summary"], artifacts))
        await self.left_nothing()

    async def ended_without_result(self, phase: Phase) -> None:
        """The job is over, nobody is shown a result, and nothing of one is stored."""
        await self.record(phase)
        async with self.platform.api.client(self.tenant) as client:
            answer = await client.get(f"/analyses/{self.uid}/results")
        assert (answer.status_code, answer.json()["code"]) == (409, "not-completed")
        for attempt in await self.stored():
            await self.failed(attempt)
        await self.left_nothing()

    async def left_nothing(self) -> None:
        """No process of any of its pods, and nothing runs in a sandbox."""
        await until(lambda: not [each for pod in self.pods for each in pod.living], "its processes are gone")
        await until(lambda: not [each for server in self.sandboxes for each in server.others()], "the sandbox is empty")
