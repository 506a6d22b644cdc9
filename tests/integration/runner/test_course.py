"""The course of a runner, with real processes and a real HTTP server that keeps the internal API's contract."""

import fcntl
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from forge_core.assignment import Backoff
from forge_core.exits import Exit, FailureClass
from tests.integration.runner.conftest import PodMaker
from tests.integration.runner.pods import RUNNER, Pod, alive
from tests.integration.runner.standin import Ledger
from tests.services.waiting import wait_until


def free(lock: Path) -> bool:
    """Whether nobody holds the lock any more."""
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def at_work(pod: PodMaker, **kinds: Any) -> Pod:
    """A runner whose first attempt is at work, until it is let go."""
    runner = pod(kind="wait_for", config={"file": "go"}, **kinds)
    wait_until(runner.hold.parent.is_dir, what="the attempt begins")
    return runner


def longer_and_longer(ledger: Ledger, seconds: float) -> Iterator[float]:
    """A time that runs out in a test: as short as may be, and longer where a busy machine does too little within it."""
    for times in (1, 4, 16):
        ledger.claims.clear()
        ledger.outcomes.clear()
        ledger.calls = 0
        yield seconds * times


def test_a_success_is_stored_before_the_runner_exits_with_zero(pod: PodMaker, ledger: Ledger) -> None:
    runner = pod()
    assert runner.end() == Exit.SUCCEEDED, runner.output
    outcome = ledger.outcomes[1]
    assert (outcome.status, outcome.summary) == ("succeeded", {"score": "A"})
    assert {each.name for each in outcome.artifacts} == {"sarif", "log"}
    assert ledger.artifacts[1, "sarif"] == b'{"runs": []}'
    log = ledger.log_of(1)
    assert "queue analysis" in log
    assert "printed by a library" in log
    assert runner.words.message == "The result is stored."


def test_the_outcome_tells_what_the_attempt_went_through_and_when(pod: PodMaker, ledger: Ledger) -> None:
    began = datetime.now(UTC)
    assert pod().end() == Exit.SUCCEEDED
    stages = ledger.outcomes[1].stages
    assert (stages[0].stage, stages[-1].stage) == ("starting", "saving")
    assert len({told.stage for told in stages}) == len(stages)
    moments = [began, *(told.at for told in stages), datetime.now(UTC)]
    assert moments == sorted(moments)


def test_a_failure_tells_the_stages_up_to_it(pod: PodMaker, ledger: Ledger) -> None:
    assert pod(kind="fail_for_good").end() == Exit.PERMANENT
    assert [told.stage for told in ledger.outcomes[1].stages] == ["starting", "cloning"]


def test_an_api_that_takes_no_stages_is_told_the_outcome_without_them(pod: PodMaker, ledger: Ledger) -> None:
    ledger.older = True
    runner = pod()
    assert runner.end() == Exit.SUCCEEDED, runner.output
    assert (ledger.outcomes[1].status, ledger.outcomes[1].stages) == ("succeeded", ())


def test_the_first_line_tells_that_the_runner_started(pod: PodMaker) -> None:
    runner = pod(program=(sys.executable, "-m", "forge_runner"))
    runner.end()
    assert runner.output.startswith("runner started: a-pod\n")


def test_an_unknown_kind_fails_for_good_in_the_real_program(pod: PodMaker, ledger: Ledger) -> None:
    runner = pod(kind="poetry", program=(sys.executable, "-m", "forge_runner"))
    assert runner.end() == Exit.PERMANENT, runner.output
    assert "can't do 'poetry'" in ledger.outcomes[1].message


def test_the_work_finds_the_project_where_an_image_keeps_it(pod: PodMaker, ledger: Ledger, tmp_path: Path) -> None:
    project = tmp_path / "project"
    for name in ("forge_core", "forge_runner"):
        found = find_spec(name)
        assert found
        assert found.submodule_search_locations
        shutil.copytree(found.submodule_search_locations[0], project / name)
    child = project / "forge_runner/child.py"
    child.write_text(child.read_text().replace("This image can't do", "This very copy can't do"))
    runner = pod(
        kind="poetry", program=(sys.executable, "-m", "forge_runner"), environment={"PYTHONPATH": f"{project}:"}
    )
    assert runner.end() == Exit.PERMANENT, runner.output
    assert "This very copy can't do 'poetry'" in ledger.outcomes[1].message


def test_a_permanent_failure_is_stored_with_its_log_and_not_tried_again(pod: PodMaker, ledger: Ledger) -> None:
    runner = pod(kind="fail_for_good")
    assert runner.end() == Exit.PERMANENT, runner.output
    assert list(ledger.outcomes) == [1]
    outcome = ledger.outcomes[1]
    assert outcome.failure_class is FailureClass.PERMANENT
    assert outcome.message == "There is no ref 'nope' in https://***@example.org/x.git."
    assert outcome.stage == "cloning"
    assert "attempt 1 failed" in ledger.log_of(1)
    assert runner.words.message == outcome.message
    assert "hunter2" not in runner.output


def test_transient_failures_are_tried_again_with_the_queues_backoff(
    pod: PodMaker, ledger: Ledger, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    runner = pod(kind="fail_twice", backoff=Backoff(type="exponential", delay=0.5), config={"notes": str(notes)})
    assert runner.end() == Exit.SUCCEEDED, runner.output
    assert [ledger.outcomes[n].status for n in (1, 2, 3)] == ["failed", "failed", "succeeded"]
    first, second, third = (float(line) for line in notes.read_text().splitlines())
    assert second - first >= 0.5
    assert third - second >= 1.0
    assert runner.leftovers == ["attempt-3"]


def test_a_spent_budget_ends_with_the_last_error(pod: PodMaker, ledger: Ledger, tmp_path: Path) -> None:
    ledger.budget = 2
    runner = pod(kind="fail_twice", attempts=2, config={"notes": str(tmp_path / "notes")})
    assert runner.end() == Exit.EXHAUSTED, runner.output
    assert len(ledger.outcomes) == 2
    assert runner.words.message == "The git server did not answer."
    assert runner.words.failure_class is FailureClass.TRANSIENT


def test_a_pod_that_comes_too_late_says_what_the_api_says(pod: PodMaker, ledger: Ledger) -> None:
    ledger.budget, ledger.last_error = 0, "All 3 attempts are spent; the last one ended so: Out of memory."
    runner = pod()
    assert runner.end() == Exit.EXHAUSTED
    assert runner.words.message == ledger.last_error


def test_a_mistake_in_a_kind_is_a_transient_failure_with_its_traceback_in_the_log(
    pod: PodMaker, ledger: Ledger
) -> None:
    ledger.budget = 1
    assert pod(kind="stumble", attempts=1).end() == Exit.EXHAUSTED
    assert ledger.outcomes[1].failure_class is FailureClass.TRANSIENT
    assert "KeyError" in ledger.outcomes[1].message
    assert "Traceback" in ledger.log_of(1)


def test_a_process_killed_by_a_stranger_is_a_transient_failure(pod: PodMaker, ledger: Ledger) -> None:
    ledger.budget = 1
    assert pod(kind="be_killed", attempts=1).end() == Exit.EXHAUSTED
    assert ledger.outcomes[1].message == "The attempt's process was killed by signal 9 before it had finished."


def test_a_timeout_ends_every_descendant_even_those_that_left_the_group(
    pod: PodMaker, ledger: Ledger, tmp_path: Path
) -> None:
    ledger.budget, pids = 1, tmp_path / "pids"
    for limit in longer_and_longer(ledger, 3):
        pids.unlink(missing_ok=True)
        runner = pod(kind="hang", attempts=1, timeout=limit, config={"pids": str(pids)})
        assert runner.end() == Exit.EXHAUSTED, runner.output
        assert ledger.outcomes[1].failure_class is FailureClass.TIMEOUT
        assert ledger.outcomes[1].message == f"The attempt ran over its limit of {limit:g}s."
        if "hanging now" in ledger.log_of(1):
            break
    assert "hanging now" in ledger.log_of(1)
    written = [int(line) for line in pids.read_text().splitlines()]
    assert len(written) == 8
    assert not [pid for pid in written if alive(pid)]


def test_processes_that_multiply_outside_of_the_group_are_ended_too(
    pod: PodMaker, ledger: Ledger, tmp_path: Path
) -> None:
    lock = tmp_path / "lock"
    as_first_process = ("unshare", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc", *RUNNER)
    for limit in longer_and_longer(ledger, 3):
        pod(
            kind="bomb", timeout=limit, backoff=Backoff(type="fixed", delay=600), config={"lock": str(lock)},
            program=as_first_process,
        )  # fmt: skip
        wait_until(lambda: ledger.outcomes, 90, "the attempt's end")
        if "bombing now" in ledger.log_of(1):
            break
    wait_until(lambda: free(lock), what="all of them are gone while the runner lives on")
    assert "bombing now" in ledger.log_of(1)
    assert "could not be ended" not in ledger.log_of(1)


def test_sigterm_ends_the_work_quickly_and_says_so(pod: PodMaker, ledger: Ledger, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    runner = pod(kind="hang", config={"pids": str(pids)})
    wait_until(lambda: pids.exists() and len(pids.read_text().splitlines()) == 8, what="the kind hangs")
    assert runner.process
    runner.process.terminate()
    assert runner.end() == Exit.INTERRUPTED, runner.output
    assert ledger.outcomes[1].failure_class is FailureClass.DISRUPTION
    assert runner.words.failure_class is FailureClass.DISRUPTION
    assert not [line for line in pids.read_text().splitlines() if alive(int(line))]


def test_sigterm_ends_the_pause_before_the_next_attempt(pod: PodMaker, ledger: Ledger, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    runner = pod(kind="fail_twice", backoff=Backoff(type="fixed", delay=600), config={"notes": str(notes)})
    wait_until(lambda: 1 in ledger.outcomes, what="the first attempt is stored")
    assert runner.process
    runner.process.terminate()
    assert runner.end() == Exit.INTERRUPTED, runner.output
    assert list(ledger.claims) == [1]


def test_sigterm_before_any_claim_is_not_charged(pod: PodMaker, ledger: Ledger) -> None:
    ledger.away = True
    runner = pod()
    wait_until(lambda: ledger.calls, what="the first try to claim")
    assert runner.process
    runner.process.terminate()
    assert runner.end() == Exit.BEFORE_CLAIM, runner.output


def test_an_api_that_stays_away_ends_the_pod_before_its_claim(pod: PodMaker, ledger: Ledger) -> None:
    ledger.away = True
    for allowance in longer_and_longer(ledger, 1):
        runner = pod(environment={"FORGE_CLAIM_ALLOWANCE": str(allowance)})
        assert runner.end() == Exit.BEFORE_CLAIM, runner.output
        assert "503" in runner.words.message
        if ledger.calls > 1:
            break
    assert ledger.calls > 1


def test_a_refused_claim_fails_for_good_rather_than_in_pod_after_pod(pod: PodMaker, ledger: Ledger) -> None:
    ledger.refuse_claims = 403
    runner = pod()
    assert runner.end() == Exit.PERMANENT, runner.output
    assert runner.words.message == "No attempt could be claimed: the API answered 403: not a runner's."


def test_a_claim_waits_for_an_api_that_comes_back(pod: PodMaker, ledger: Ledger) -> None:
    ledger.away = True
    runner = pod()
    wait_until(lambda: ledger.calls >= 2, what="a second try")
    ledger.away = False
    assert runner.end() == Exit.SUCCEEDED, runner.output


def test_finished_work_that_nobody_takes_ends_as_not_saved(pod: PodMaker, ledger: Ledger) -> None:
    runner = at_work(pod, environment={"FORGE_SAVE_ALLOWANCE": "1"})
    ledger.away = True
    runner.let_go()
    assert runner.end() == Exit.NOT_SAVED, runner.output
    assert runner.words.message.startswith("The work was done but could not be stored")
    assert ledger.outcomes == {}


def test_finished_work_waits_for_an_api_that_comes_back_and_reads_its_token_again(
    pod: PodMaker, ledger: Ledger
) -> None:
    runner = at_work(pod)
    ledger.away, calls = True, ledger.calls
    runner.let_go()
    wait_until(lambda: ledger.calls > calls + 1, what="two tries to save")
    (runner.folder / "token").write_text("second-token")
    ledger.away = False
    assert runner.end() == Exit.SUCCEEDED, runner.output
    assert ledger.tokens[0] == "Bearer first-token"
    assert ledger.tokens[-1] == "Bearer second-token"


def test_a_fenced_attempt_ends_quietly_and_never_with_zero(pod: PodMaker, ledger: Ledger) -> None:
    runner = at_work(pod)
    ledger.fenced = True
    runner.let_go()
    assert runner.end() == Exit.INTERRUPTED, runner.output
    assert runner.words.failure_class is None
    assert ledger.outcomes == {}


def test_the_successor_of_a_pod_that_was_lost_after_its_success_does_nothing_again(
    pod: PodMaker, ledger: Ledger
) -> None:
    ledger.done = "Attempt 1 has succeeded, and its result is stored."
    runner = pod()
    assert runner.end() == Exit.SUCCEEDED, runner.output
    assert (runner.words.attempt, runner.words.message, runner.words.stage) == (0, ledger.done, "done")
    assert (ledger.claims, ledger.artifacts, ledger.outcomes) == ({}, {}, {})


def test_a_result_that_the_api_refuses_is_a_permanent_failure(pod: PodMaker, ledger: Ledger) -> None:
    ledger.refuse_artifacts = 413
    runner = pod()
    assert runner.end() == Exit.PERMANENT, runner.output
    assert ledger.outcomes[1].message == "The result could not be stored: the API answered 413: too much of it."


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("bring_a_link", "The result can't be stored: 0 is not a regular file."),
        ("bring_too_much", "The result can't be stored: the summary has 300012 bytes, more than the limit of 262144."),
    ],
)
def test_an_unfit_result_is_refused_with_a_sentence(pod: PodMaker, ledger: Ledger, kind: str, sentence: str) -> None:
    assert pod(kind=kind).end() == Exit.PERMANENT
    assert ledger.outcomes[1].message == sentence


def test_hostile_lines_are_passed_over(pod: PodMaker, ledger: Ledger) -> None:
    runner = pod(kind="speak_nonsense")
    assert runner.end() == Exit.SUCCEEDED, runner.output[-2000:]
    log = ledger.log_of(1)
    assert "8 lines of the attempt's report were not understood" in log
    assert "eyJ" not in log
    assert "\\x1b[31mred\\x00" in log
    assert max(len(line) for line in log.splitlines()) < 2100


def test_a_long_log_keeps_its_beginning_and_its_end(pod: PodMaker, ledger: Ledger) -> None:
    runner = pod(kind="write_much")
    assert runner.end() == Exit.SUCCEEDED
    log = ledger.artifacts[1, "log"]
    assert 9 * 1024 * 1024 < len(log) < 10 * 1024 * 1024 + 200
    assert b" line 0 x" in log
    assert b" line 119999 x" in log
    assert b"lines left out" in log


def test_an_assignment_that_cannot_be_read_is_a_permanent_failure(pod: PodMaker) -> None:
    runner = pod(environment={"FORGE_ASSIGNMENT": "{}"})
    assert runner.end() == Exit.PERMANENT
    assert runner.words.message == "The pod can't be used: uid: Field required."
