"""A clean-up in the real program: each step until nothing is left, through outages, with progress from what is done."""

import sys

import pytest

from forge_core.exits import Exit
from forge_core.maintenance import Ask, Done, Step
from tests.integration.runner.conftest import PodMaker
from tests.integration.runner.standin import Ledger
from tests.services.waiting import wait_until

PROGRAM = (sys.executable, "-m", "forge_runner")
BATCHES = {
    Step.USAGE: [Done(after="h", looked_at=48, share=0.5, counts={"hours": 48}), Done(after="", looked_at=2, share=1)],
    Step.ROWS: [
        Done(after="a", looked_at=200, share=0.4, counts={"jobs": 190, "kept": 10}),
        Done(after="b", looked_at=200, share=0.8, counts={"jobs": 200, "kept": 0}),
        Done(after="", looked_at=100, share=1, counts={"jobs": 100, "kept": 0}),
    ],
}


def script(ledger: Ledger) -> None:
    """What the API does: each step has its batches, and any other is done at once."""
    ends = {step: [""] + [batch.after for batch in batches] for step, batches in BATCHES.items()}

    def answer(step: Step, ask: Ask) -> Done:
        if step not in BATCHES:
            return Done(after="", looked_at=0, share=1)
        return BATCHES[step][ends[step].index(ask.after)]

    ledger.maintain = answer


def test_a_purge_does_its_steps_in_order_each_until_nothing_is_left(pod: PodMaker, ledger: Ledger) -> None:
    script(ledger)
    runner = pod(kind="cleanup", program=PROGRAM, attempts=1, config={"task": "purge-history"})
    assert runner.end() == Exit.SUCCEEDED, runner.output
    asked = [(step, ask.after, ask.done) for step, ask in ledger.asks]
    assert asked == [
        ("usage", "", 0), ("usage", "h", 48), ("rows", "", 0), ("rows", "a", 200), ("rows", "b", 400),
        ("artifacts", "", 0), ("caches", "", 0), ("orphans", "", 0), ("secrets", "", 0),
        ("jobs", "", 0), ("redis", "", 0),
    ]  # fmt: skip
    assert ledger.outcomes[1].summary == {"changed": {"hours": 48, "jobs": 490, "kept": 10}}
    assert "rows: 500 looked at" in ledger.log_of(1)
    assert set(ledger.tokens) == {"Bearer first-token"}


def test_a_dry_run_asks_for_one_in_every_batch_and_says_that_nothing_was_changed(pod: PodMaker, ledger: Ledger) -> None:
    script(ledger)
    runner = pod(kind="cleanup", program=PROGRAM, attempts=1, config={"task": "purge-history", "dryRun": True})
    assert runner.end() == Exit.SUCCEEDED, runner.output
    assert len(ledger.asks) == 11
    assert all(ask.dry_run for _, ask in ledger.asks)
    told = {"hours": 48, "jobs": 490, "kept": 10}
    assert ledger.outcomes[1].summary == {"dryRun": True, "wouldChange": told}
    assert "Nothing was changed." in ledger.log_of(1)


def test_an_outage_in_the_middle_is_waited_for_and_nothing_is_asked_for_twice(pod: PodMaker, ledger: Ledger) -> None:
    script(ledger)
    ledger.stumble_at = 3
    runner = pod(kind="cleanup", program=PROGRAM, attempts=1, config={"task": "purge-history"})
    wait_until(lambda: ledger.away, what="the API goes away")
    ledger.away = False
    assert runner.end() == Exit.SUCCEEDED, runner.output
    assert "trying again: the API answered 503" in ledger.log_of(1)
    assert len(ledger.asks) == 11


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"task": "everything"},
        {"task": "purge-history", "before": "2030"},
        {"task": "purge-history", "dryRun": "yes"},
    ],
)
def test_a_config_that_is_none_fails_for_good_with_a_sentence(
    pod: PodMaker, ledger: Ledger, config: dict[str, object]
) -> None:
    runner = pod(kind="cleanup", program=PROGRAM, attempts=1, config=config)
    assert runner.end() == Exit.PERMANENT, runner.output
    assert ledger.outcomes[1].message.startswith("config.")
    assert ledger.asks == []


def test_a_runner_that_may_not_ask_fails_for_good(pod: PodMaker, ledger: Ledger) -> None:
    ledger.refuse_maintenance = 403
    runner = pod(kind="cleanup", program=PROGRAM, attempts=1, config={"task": "retire-orphans"})
    assert runner.end() == Exit.PERMANENT, runner.output
    assert "The API refuses this clean-up" in ledger.outcomes[1].message


def test_sigterm_ends_it_between_two_batches(pod: PodMaker, ledger: Ledger) -> None:
    ledger.maintain = lambda step, ask: Done(after="more", looked_at=1, share=0.0)
    runner = pod(kind="cleanup", program=PROGRAM, attempts=1, config={"task": "retire-orphans"})
    wait_until(lambda: len(ledger.asks) > 3, what="it is at work")
    assert runner.process
    runner.process.terminate()
    assert runner.end() == Exit.INTERRUPTED, runner.output
