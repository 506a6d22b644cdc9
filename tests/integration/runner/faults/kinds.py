"""The kinds of work, one row each: how a job of it is started, where it is held in its midst, what its good end is.

A new kind takes a row here, and every promise under faults is tested for it.
"""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import uuid4

from forge_core.assignment import Repository
from forge_core.history.records import JobRecord
from forge_core.maintenance import STEPS, Ask, Step, Task
from forge_core.phase import Phase
from tests.integration.runner.faults.gate import pass_by
from tests.integration.runner.faults.whole_platform import RETENTION_DAYS, Platform
from tests.integration.workspace.repositories import a_repository, git
from tests.services.receiver import is_signed

Start = dict[str, Any]
"""Keywords of a Pod: config, repository, secret, hosts that the chart would allow."""


@dataclass(frozen=True)
class Ended:
    """What became of a job: its name, what it began with, and what is stored of its one success."""

    name: str
    start: Start
    summary: dict[str, Any]
    artifacts: Mapping[str, bytes]


@dataclass(frozen=True)
class Row:
    """One kind.

    `start` is given the job's name. `stage` is what the runner tells while the kind is held, `held_at` the gate's place
    for that; left out, the kind is held as it comes to `stage`. `artifacts` are a good end's, `ended_well` raises
    AssertionError for any other end.
    """

    kind: str
    stage: str
    start: Callable[[Platform, str], Awaitable[Start]]
    ended_well: Callable[[Platform, Ended], Awaitable[None]]
    artifacts: frozenset[str] = frozenset()
    held_at: str = ""
    sandboxed: bool = False
    of_the_system: bool = False
    """Its jobs are the system tenant's alone."""

    @property
    def midst(self) -> str:
        """The gate's place in the midst of its work."""
        return self.held_at or self.stage


# --- kinds that read a repository ----------------------------------------------------------------------------------
CODE: Final = b"import os\nimport sys\n\n\ndef good(text):\n    return eval(text)\n"
IN_THE_SANDBOX: Final = "in the sandbox"
CHECK: Final = b"""import socket

import code_of_ours

with socket.create_connection(("127.0.0.1", %d)) as gate:
    gate.sendall(b"in the sandbox\\n")
    gate.recv(16)
assert code_of_ours.good("1") == 1
print("good")
"""


async def _a_repository(platform: Platform, name: str, config: Mapping[str, Any]) -> Start:
    """With one module of ours, and a check of it that stops at the gate."""
    files = {b"code_of_ours.py": CODE, b"check.py": CHECK % platform.gate.port}
    a_repository(platform.git.root, f"{name}.git", files)
    repository = Repository(url=platform.git.url(f"{name}.git"))
    return {"repository": repository, "config": dict(config), "allowed_hosts": ("127.0.0.1",)}


def _commit(platform: Platform, ended: Ended) -> str:
    return git(platform.git.root / f"{ended.name}.git", "rev-parse", "main")


async def _analysed(platform: Platform, ended: Ended) -> None:
    assert ended.summary["commit"] == _commit(platform, ended)
    [run] = json.loads(ended.artifacts["results.sarif"])["runs"]
    found = {(each["ruleId"], _path(each)) for each in run["results"]}
    assert ("S307", "code_of_ours.py") in found, "eval"
    assert json.loads(ended.artifacts["report.json"])["score"] == ended.summary["score"]


def _path(result: dict[str, Any]) -> str:
    return str(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])


async def _refactored(platform: Platform, ended: Ended) -> None:
    assert ended.summary["commit"] == _commit(platform, ended)
    clone = platform.folder / f"{ended.name}-clone"
    git(platform.folder, "clone", "--quiet", str(platform.git.root / f"{ended.name}.git"), clone.name)
    git(clone, "apply", "-", stdin=ended.artifacts["changes.patch"])
    assert (clone / "code_of_ours.py").read_bytes().lstrip() == CODE.replace(b"import os\nimport sys\n\n\n", b"")


async def _refactored_and_verified(platform: Platform, ended: Ended) -> None:
    await _refactored(platform, ended)
    assert (ended.summary["tests"]["status"], ended.summary["tests"]["runs"]) == ("hold", 2)
    assert ended.artifacts["tests.log"].count(b"good") == 2


SIGNS: Final = b"def sign(number: int) -> str:\n    if number < 0:\n        return 'minus'\n    return 'plus'\n"
NEW_TESTS: Final = frozenset({"tests.patch", "tests.json", "coverage.json", "generation.log"})


async def _untested(platform: Platform, name: str) -> Start:
    """A repository with one module and no test."""
    a_repository(platform.git.root, f"{name}.git", {b"signs.py": SIGNS})
    repository = Repository(url=platform.git.url(f"{name}.git"))
    return {"repository": repository, "config": {"budget": "4m"}, "allowed_hosts": ("127.0.0.1",)}


async def _tested(platform: Platform, ended: Ended) -> None:
    assert ended.summary["commit"] == _commit(platform, ended)
    lines = [ended.summary["coverage"][when]["lines"]["percent"] for when in ("before", "after")]
    assert lines == [0.0, 100.0]
    clone = platform.folder / f"{ended.name}-clone"
    git(platform.folder, "clone", "--quiet", str(platform.git.root / f"{ended.name}.git"), clone.name)
    git(clone, "apply", "-", stdin=ended.artifacts["tests.patch"])


# --- deliveries ----------------------------------------------------------------------------------------------------
IN_THE_ENDPOINT: Final = "in the endpoint"
SECRET: Final = f"whsec_{base64.b64encode(bytes(32)).decode()}"
PAYLOAD: Final = '{"type": "greeting"}'


async def _a_message(platform: Platform, name: str) -> Start:
    """The endpoint takes it, and answers once the gate lets it."""
    platform.receiver.pause = partial(pass_by, platform.gate.port, IN_THE_ENDPOINT)
    place = f"127.0.0.1:{platform.receiver.port}"
    secret = {"url": f"http://{place}/{name}", "secret": SECRET}
    return {"config": {"messageId": name, "payload": PAYLOAD}, "secret": secret, "allowed_hosts": (place,)}


async def _delivered(platform: Platform, ended: Ended) -> None:
    """At least once, and whoever got it twice can tell by its id."""
    assert ended.summary["response"]["status"] == 200
    received = [each for each in platform.receiver.received if each["path"] == f"/{ended.name}"]
    assert received
    for each in received:
        body = base64.b64decode(each["body"])
        assert (each["headers"]["webhook-id"], body.decode()) == (ended.name, PAYLOAD)
        assert is_signed(SECRET, each["headers"], body)


# --- clean-ups -----------------------------------------------------------------------------------------------------
async def _old_rows(platform: Platform, name: str) -> Start:
    """Two jobs past their time and one that isn't, all of which bear the clean-up's name."""
    ages = (RETENTION_DAYS + 1, RETENTION_DAYS + 1, RETENTION_DAYS - 1)
    records = [_ended(name, datetime.now(UTC) - timedelta(days=days)) for days in ages]
    await platform.api.services.records.write(records)
    await platform.api.services.records.deleted([record.uid for record in records])
    return {"config": {"task": Task.PURGE_HISTORY.value}}


def _ended(name: str, at: datetime) -> JobRecord:
    return JobRecord(
        uid=uuid4(), resource_version=1, tenant="acme", namespace="tenant-acme", name=f"{name}-old", queue="webhooks",
        kind="webhooks", spec={}, priority=1, phase=Phase.COMPLETED, created_at=at, completed_at=at,
    )  # fmt: skip


async def _cleaned(platform: Platform, ended: Ended) -> None:
    """What was past its time is gone, nothing else is, and the same again changes nothing."""
    assert set(ended.summary) == {"changed"}
    before = await _left(platform, ended)
    assert len(before) == 1
    for step in set(STEPS[Task.PURGE_HISTORY]) - {Step.USAGE}:  # an hour may have ended meanwhile
        done = await platform.api.services.upkeep.do(step, Ask(), datetime.now(UTC))
        assert {name for name, count in done.counts.items() if count} <= {"kept"}, step
    assert await _left(platform, ended) == before


async def _left(platform: Platform, ended: Ended) -> list[tuple[Any, ...]]:
    """Whole rows, with the transaction that wrote them."""
    return await platform.rows("select xmin, xmax, j.* from jobs j where name = :name", name=f"{ended.name}-old")


REMOVE: Final = {"imports": ["remove-unused"], "exclude": ["check.py"]}
KINDS: Final = {
    "analysis": Row(
        kind="analysis", stage="analysing", start=partial(_a_repository, config={}), ended_well=_analysed,
        artifacts=frozenset({"report.json", "results.sarif", "summary.md", "baseline.json"}),
    ),
    "refactoring": Row(
        kind="refactoring", stage="changing", start=partial(_a_repository, config=REMOVE), ended_well=_refactored,
        artifacts=frozenset({"changes.patch", "changes.json"}),
    ),
    "refactoring, verified": Row(
        kind="refactoring", stage="verifying", held_at=IN_THE_SANDBOX, sandboxed=True,
        start=partial(_a_repository, config={**REMOVE, "verify": {"command": ["python", "check.py"]}}),
        ended_well=_refactored_and_verified, artifacts=frozenset({"changes.patch", "changes.json", "tests.log"}),
    ),
    "test-generation": Row(
        kind="test-generation", stage="generating", sandboxed=True, start=_untested, ended_well=_tested,
        artifacts=NEW_TESTS,
    ),
    "webhooks": Row(
        kind="webhooks", stage="calling", held_at=IN_THE_ENDPOINT, start=_a_message, ended_well=_delivered,
    ),
    "cleanup": Row(
        kind="cleanup", stage="usage", start=_old_rows, ended_well=_cleaned, of_the_system=True,
    ),
}  # fmt: skip
