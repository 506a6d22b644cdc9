"""What a run of tests says, from its output: pytest's own, odd and hostile ones."""

import pytest

from forge_core.sandbox import Answer, Ended
from forge_kinds.refactoring.suites import Command, Pytest, Ran

SUMMARY = "=========================== short test summary info ============================"
FAILING = f"""..F.E
{SUMMARY}
FAILED tests/test_a.py::test_one - assert 1 == 2
FAILED tests/test_a.py::test_b[x y] - ValueError: a - b
ERROR tests/test_c.py - ImportError: no
2 failed, 7 passed, 1 skipped, 1 error in 0.12s
"""


def test_failures_of_pytest_are_known_by_name_and_counted() -> None:
    ran = Pytest().read(Answer(Ended.EXITED, 1, FAILING))
    assert ran.failing == {"tests/test_a.py::test_one", "tests/test_a.py::test_b[x y]", "tests/test_c.py"}
    assert ran.counts == {"failed": 2, "passed": 7, "skipped": 1, "error": 1}
    assert (ran.total, ran.broken) == (11, "")


def test_a_summary_that_a_test_prints_is_not_the_last_one() -> None:
    printed = f"{SUMMARY}\nFAILED forged.py::test - x\n" + FAILING
    assert "forged.py::test" not in Pytest().read(Answer(Ended.EXITED, 1, printed)).failing


BROKEN = {
    "no test": (Answer(Ended.EXITED, 5, "no tests ran in 0.01s\n"), "pytest finds no tests"),
    "a usage error": (Answer(Ended.EXITED, 4, "ERROR: usage\n"), "code 4: ERROR: usage"),
    "a crash": (Answer(Ended.EXITED, -11, "..."), "code -11"),
    "failures without their list": (Answer(Ended.EXITED, 1, "F\n1 failed in 1s\n"), "code 1: 1 failed"),
    "a list without failures": (Answer(Ended.EXITED, 0, FAILING), "code 0"),
    "a timeout": (Answer(Ended.TIMEOUT, 0, "..\n"), "did not end in its time: .."),
    "a flood": (Answer(Ended.OUTPUT), "printed more than it may: it printed nothing"),
    "memory": (Answer(Ended.MEMORY), "needed more memory"),
    "no program": (Answer(Ended.NOT_STARTED, 0, "x: no such file"), "could not be started: x: no such file"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_run_that_says_nothing_is_known_as_one(case: str) -> None:
    answer, said = BROKEN[case]
    ran = Pytest().read(answer)
    assert said in ran.broken
    assert ran.objection(Ran())


def test_a_command_fails_by_its_code_and_tells_its_last_line() -> None:
    assert Command(("make", "test")).read(Answer(Ended.EXITED, 0, "fine")) == Ran()
    [name] = Command(("make", "test")).read(Answer(Ended.EXITED, 2, "one\nmake: Error 1\n\n")).failing
    assert name == "the command, with code 2: make: Error 1"
    assert "127" in Command(("env", "x")).read(Answer(Ended.EXITED, 127, "")).broken


def test_what_failed_before_does_not_count_and_what_is_new_does() -> None:
    before = Ran(frozenset({"a", "b"}), {"passed": 3, "failed": 2})
    assert before.objection(before) == ""
    assert Ran(frozenset({"a"}), {"passed": 4, "failed": 1}).objection(before) == ""
    said = Ran(frozenset("abcdefgh"), {"passed": 0, "failed": 5}).objection(before)
    assert said == "With it fails what passed before: c, d, e and 3 more."


def test_a_change_that_makes_tests_vanish_does_not_hold() -> None:
    said = Ran(frozenset(), {"passed": 2}).objection(Ran(frozenset(), {"passed": 3}))
    assert said == "With it, 2 instead of 3 tests are found."


def test_what_is_told_is_bounded() -> None:
    document = Ran(frozenset(f"{number}" + "x" * 1000 for number in range(1000)), {"failed": 1000}).document()
    assert document["failing"] == 1000
    assert len(str(document)) < 10_000
