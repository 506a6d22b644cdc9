"""How a repository's scores went: its own analyses alone, in pages, whatever a summary holds."""

import itertools
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from forge_core.history.records import JobRecord
from forge_core.phase import Phase
from tests.builders.api import Api

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
VERSIONS = itertools.count(1)
SUMMARY = {
    "commit": "c" * 40,
    "score": {"value": 81.2, "grade": "B", "dimensions": {"security": {"value": 70.1}, "size": {"value": None}}},
    "findings": {"total": 12, "bySeverity": {"high": 2, "low": 10}},
    "codeLines": 1200,
    "duplication": {"duplicatedPercent": 2.5, "blocks": ["x" * 1000]},
    "baseline": {"new": {"total": 3}},
    "gate": {"verdict": "failed"},
}


async def registered(api: Api, tenant: str = "acme") -> str:
    async with api.client(tenant) as client:
        asked = {"url": f"https://git.example.com/{uuid.uuid4()}.git"}
        return str((await client.post("/repositories", json=asked)).json()["id"])


async def analysed(api: Api, repository: str, hours: int = 0, summary: Any = SUMMARY, **changes: Any) -> str:
    """A row as the recorder and a runner leave it; returns its id."""
    tenant, config = changes.get("tenant", "acme"), changes.get("config", {})
    record = JobRecord(
        uid=uuid.uuid4(), resource_version=next(VERSIONS), tenant=tenant, namespace=f"tenant-{tenant}", name="a",
        queue="analysis", kind="analysis", priority=1, phase=changes.get("phase", Phase.COMPLETED),
        created_at=NOON + timedelta(hours=hours),
        spec={"repositoryId": repository, "repository": {"ref": changes.get("ref", "main")}, "config": config},
    )  # fmt: skip
    await api.services.records.write([record])
    async with api.services.queries._history.begin() as connection:
        await connection.execute(
            text("update jobs set summary = cast(:summary as jsonb) where id = :id"),
            {"summary": json.dumps(summary), "id": record.uid},
        )
    return str(record.uid)


async def page(api: Api, repository: str, tenant: str = "acme", **asked: Any) -> Any:
    async with api.client(tenant) as client:
        answer = await client.get(f"/repositories/{repository}/trends", params=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def test_a_point_tells_score_counts_and_verdict(api: Api) -> None:
    repository = await registered(api)
    analysis = await analysed(api, repository)
    assert (await page(api, repository)) == {
        "items": [
            {
                "analysisId": analysis, "at": "2026-11-01T12:00:00Z", "ref": "main", "partial": False,
                "commit": "c" * 40, "score": 81.2, "grade": "B", "dimensions": {"security": 70.1}, "findings": 12,
                "bySeverity": {"high": 2, "low": 10}, "codeLines": 1200, "duplicatedPercent": 2.5, "newFindings": 3,
                "gate": "failed",
            }
        ],
        "nextCursor": None,
    }  # fmt: skip


async def test_only_completed_analyses_of_this_repository_are_points(api: Api) -> None:
    repository, other = await registered(api), await registered(api)
    mine = await analysed(api, repository)
    await analysed(api, other)
    await analysed(api, repository, tenant="other")
    for phase in (Phase.RUNNING, Phase.FAILED, Phase.CANCELLED):
        await analysed(api, repository, phase=phase)
    await analysed(api, repository, summary={"counted": 3})
    assert [item["analysisId"] for item in (await page(api, repository))["items"]] == [mine]


async def test_pages_are_newest_first_and_hold_every_point_once(api: Api) -> None:
    repository = await registered(api)
    made = [await analysed(api, repository, hours) for hours in (0, 1, 1, 2, 3)]
    seen, cursor = [], None
    while True:
        asked: dict[str, Any] = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        found = await page(api, repository, **asked)
        seen += [item["analysisId"] for item in found["items"]]
        cursor = found["nextCursor"]
        if cursor is None:
            break
    assert (seen[0], seen[-1], sorted(seen)) == (made[4], made[0], sorted(made))


async def test_points_are_chosen_by_ref_and_time_and_a_part_is_told(api: Api) -> None:
    repository = await registered(api)
    for hours, ref in enumerate(("main", "change", "main")):
        await analysed(api, repository, hours, ref=ref, config={"paths": ["src"]} if hours else {"paths": []})
    assert len((await page(api, repository, ref="main"))["items"]) == 2
    late = await page(api, repository, since=(NOON + timedelta(hours=1)).isoformat())
    assert [item["ref"] for item in late["items"]] == ["main", "change"]
    early = (await page(api, repository, until=(NOON + timedelta(hours=1)).isoformat()))["items"]
    assert [item["partial"] for item in (*early, *late["items"])] == [False, True, True]


@pytest.mark.parametrize(
    "summary",
    [
        {"score": {}},
        {"score": {"value": "high", "grade": 7, "dimensions": [1]}, "findings": 3, "codeLines": -1, "gate": "x"},
        {"score": {"value": 1e300}, "findings": {"total": 2**80, "bySeverity": {"high": None}}, "commit": "x" * 5000},
        {"score": {"dimensions": {str(n): {"value": n} for n in range(1000)}}, "baseline": [], "duplication": 1},
    ],
)
async def test_whatever_a_runner_wrote_a_page_is_a_page(api: Api, summary: dict[str, Any]) -> None:
    repository = await registered(api)
    await analysed(api, repository, summary=summary)
    [point] = (await page(api, repository))["items"]
    assert (point["score"], point["dimensions"], point["bySeverity"]) == (None, {}, {})
    assert len(point["commit"] or "") <= 200


async def test_another_tenants_repository_is_not_there(api: Api) -> None:
    repository = await registered(api, "other")
    async with api.client() as client:
        for named in (repository, str(uuid.uuid4())):
            answer = await client.get(f"/repositories/{named}/trends")
            assert (answer.status_code, answer.json()["error"]) == (404, "Repository not found")
        refused = await client.get("/repositories/1-or-1/trends")
        assert refused.status_code == 422


@pytest.mark.parametrize("asked", [{"limit": 101}, {"limit": 0}, {"cursor": "x"}, {"since": "now"}, {"all": "1"}])
async def test_what_can_t_be_asked_is_refused(api: Api, asked: dict[str, Any]) -> None:
    repository = await registered(api)
    async with api.client() as client:
        assert (await client.get(f"/repositories/{repository}/trends", params=asked)).status_code == 422
