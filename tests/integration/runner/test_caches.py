"""What a kind keeps for the next job of its repository: given before, stored after its outcome, never needed."""

from typing import Any

import pytest

from forge_core.assignment import Repository
from forge_core.exits import Exit
from tests.integration.runner.conftest import PodMaker
from tests.integration.runner.standin import Ledger

ABOUT: dict[str, Any] = {"repository": Repository(url="https://git.example.com/shop.git")}
NAME = "tally"


def test_a_kind_is_given_what_the_job_before_kept_and_keeps_for_the_next(pod: PodMaker, ledger: Ledger) -> None:
    for count in range(3):
        runner = pod(kind=NAME, **ABOUT)
        assert runner.end() == Exit.SUCCEEDED, runner.output
        assert ledger.outcomes[1].summary == {"given": count}
        assert ledger.caches == {NAME: str(count + 1).encode()}
        ledger.claims.clear()
    assert [artifact for _, artifact in ledger.artifacts] == ["log"], "it is no part of the result"


@pytest.mark.parametrize("about", [{}, {**ABOUT, "config": {"cache": False}}], ids=["no repository", "not wanted"])
def test_a_job_that_keeps_nothing_asks_for_nothing(pod: PodMaker, ledger: Ledger, about: dict[str, Any]) -> None:
    ledger.caches[NAME] = b"7"
    assert pod(kind=NAME, **about).end() == Exit.SUCCEEDED
    assert (ledger.outcomes[1].summary, ledger.caches, ledger.caches_asked) == ({"given": 0}, {NAME: b"7"}, [])


@pytest.mark.parametrize("status", [403, 404, 405, 409, 413, 422, 500, 503])
def test_whatever_the_api_says_of_a_cache_the_result_is_stored(pod: PodMaker, ledger: Ledger, status: int) -> None:
    ledger.caches[NAME], ledger.refuse_caches = b"7", status
    runner = pod(kind=NAME, **ABOUT)
    assert runner.end() == Exit.SUCCEEDED, runner.output
    assert ledger.outcomes[1].summary == {"given": 0}
    assert "the cache could not be kept: " in runner.output


@pytest.mark.parametrize("kind", ["keep_too_much", "keep_a_link"])
def test_what_can_not_be_kept_costs_no_result(pod: PodMaker, ledger: Ledger, kind: str) -> None:
    runner = pod(kind=kind, **ABOUT)
    assert runner.end() == Exit.SUCCEEDED, runner.output
    assert ledger.caches == {}
    assert ledger.outcomes[1].status == "succeeded"


def test_more_than_a_cache_may_hold_is_not_taken(pod: PodMaker, ledger: Ledger) -> None:
    ledger.caches[NAME] = b"1" * (32 * 1024 * 1024 + 1)
    runner = pod(kind=NAME, **ABOUT)
    assert runner.end() == Exit.SUCCEEDED, runner.output
    assert ledger.outcomes[1].summary == {"given": 0}
