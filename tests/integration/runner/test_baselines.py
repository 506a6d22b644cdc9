"""What a job names of an earlier analysis is there before its kind begins; without it no work is done."""

import pytest

from forge_core.exits import Exit, FailureClass
from tests.integration.runner.conftest import PodMaker
from tests.integration.runner.standin import Ledger
from tests.services.waiting import wait_until

NAMED = {"baseline": {"analysis": "6a0f2b9e-8a51-4d3e-9d5e-0c7c1f3b2a11"}}


def test_the_kind_is_given_the_baseline_as_a_file_and_no_token(pod: PodMaker, ledger: Ledger) -> None:
    ledger.baseline = b'{"findings": []}'
    runner = pod(kind="tell_baseline", config=NAMED)
    assert runner.end() == Exit.SUCCEEDED, runner.output
    assert ledger.outcomes[1].summary == {"given": '{"findings": []}'}
    assert set(ledger.tokens) == {"Bearer first-token"}


def test_a_baseline_that_is_refused_ends_the_job_with_the_apis_sentence(pod: PodMaker, ledger: Ledger) -> None:
    runner = pod(kind="tell_baseline", config=NAMED)
    assert runner.end() == Exit.PERMANENT, runner.output
    assert ledger.outcomes[1].failure_class is FailureClass.PERMANENT
    assert "There is no such analysis; name a ref." in ledger.outcomes[1].message
    assert len(ledger.claims) == 1


def test_an_api_that_is_away_is_waited_for(pod: PodMaker, ledger: Ledger) -> None:
    ledger.baseline = b"{}"
    ledger.away = True
    runner = pod(kind="tell_baseline", config=NAMED)
    wait_until(lambda: ledger.calls > 0, what="the runner asks")
    ledger.away = False
    assert runner.end() == Exit.SUCCEEDED, runner.output
    assert ledger.baselines_given == 1


@pytest.mark.parametrize("config", [{}, {"baseline": {"ref": "main"}}, {"baseline": "analysis"}, {"baseline": None}])
def test_a_job_that_names_none_asks_for_none(pod: PodMaker, ledger: Ledger, config: dict[str, object]) -> None:
    assert pod(config=config).end() == Exit.SUCCEEDED
    assert ledger.baselines_given == 0


def test_an_answer_over_the_limit_is_refused(pod: PodMaker, ledger: Ledger) -> None:
    ledger.baseline = b"x" * (64 * 1024 * 1024 + 1)
    runner = pod(kind="tell_baseline", config=NAMED)
    assert runner.end() == Exit.PERMANENT, runner.output
    assert "larger than 67108864 bytes" in ledger.outcomes[1].message
