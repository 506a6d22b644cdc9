"""The operator's answer to the API: only with the token, only while it leads, and never more than one job."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from forge_core.explanation import Explanation
from forge_operator.digests import Kind
from tests.builders.operator import make_job, make_picture
from tests.services.explaining import TOKEN, ExplainingOperator, explaining_operator

pytestmark = pytest.mark.anyio
UID = make_job()["metadata"]["uid"]
GOOD = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def operator() -> AsyncIterator[ExplainingOperator]:
    async with explaining_operator(make_picture([(Kind.ANALYSIS_JOB, make_job())])) as operator:
        yield operator


async def ask(url: str, path: str = f"/explain/{UID}", headers: dict[str, str] | None = None) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url + path, headers=headers or {}) as answer:
        return answer.status, await answer.text()


async def test_with_the_token_a_job_is_explained(operator: ExplainingOperator) -> None:
    status, text = await ask(operator.url, headers=GOOD)
    assert status == 200
    assert Explanation.model_validate_json(text).message == "Queued: it is its turn, and its Job is made now"


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer ", f"bearer {TOKEN}", f"Bearer {TOKEN}x", TOKEN, "Bearer \xff\\xfe"],
)
async def test_without_it_nothing_is_said(operator: ExplainingOperator, given: str) -> None:
    status, text = await ask(operator.url, headers={"Authorization": given} if given else {})
    assert (status, text) == (401, '{"error": "a token is needed"}')


async def test_an_operator_without_a_token_has_no_such_route() -> None:
    async with explaining_operator(token="") as operator:
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": ""}):
            assert (await ask(operator.url, headers=headers))[0] == 404


async def test_a_standby_and_one_that_has_not_listed_do_not_answer(operator: ExplainingOperator) -> None:
    operator.leads = False
    assert (await ask(operator.url, headers=GOOD))[0] == 503
    async with explaining_operator(make_picture(complete=False)) as blind:
        assert (await ask(blind.url, headers=GOOD))[0] == 503


@pytest.mark.parametrize("uid", ["nobody", "x" * 5000, "..%2f..%2fmetrics", "%00", "%ff", "'%20or%201=1"])
async def test_an_odd_uid_is_nobodys(operator: ExplainingOperator, uid: str) -> None:
    assert (await ask(operator.url, f"/explain/{uid}", GOOD))[0] == 404


async def test_a_job_that_came_a_moment_ago_is_explained_from_the_look_that_is_kept(
    operator: ExplainingOperator,
) -> None:
    assert (await ask(operator.url, headers=GOOD))[0] == 200
    other = make_job("other", queue="another")
    operator.picture.observe(Kind.ANALYSIS_JOB, "ADDED", other)
    status, text = await ask(operator.url, f"/explain/{other['metadata']['uid']}", GOOD)
    assert status == 200
    assert "there is no queue another" in Explanation.model_validate_json(text).message
