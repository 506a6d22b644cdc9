"""The gate: its reasons, and that it never passes for more of what it is against."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_kinds.analysis.baseline.gate import Facts, Verdict, judge
from forge_kinds.analysis.config import AnalysisConfig, Gate
from forge_kinds.analysis.findings import Severity
from forge_runner.report import Permanent

WORDS = [severity.word for severity in Severity]
CLEAN = Facts(new={}, score=80.0, score_before=80.0, new_lines=100)
ALL = Gate.model_validate({"noNew": "high", "scoreNotLower": True, "maxNewDuplication": 3})

gates = st.builds(
    Gate,
    noNew=st.none() | st.sampled_from(WORDS),
    scoreNotLower=st.just(True),
    maxNewDuplication=st.none() | st.floats(0, 100),
)
facts = st.builds(
    Facts,
    new=st.dictionaries(st.sampled_from(WORDS), st.integers(0, 5)),
    score=st.floats(0, 100),
    score_before=st.floats(0, 100),
    new_lines=st.integers(50, 100),
    new_duplicated=st.integers(0, 49),
)


@given(gates, facts, st.sampled_from(WORDS))
def test_a_gate_that_failed_does_not_pass_when_things_get_worse(gate: Gate, found: Facts, word: str) -> None:
    worse = (
        replace(found, new={**found.new, word: found.new.get(word, 0) + 1}),
        replace(found, score=(found.score or 0.0) / 2),
        replace(found, new_duplicated=found.new_duplicated + 1),
    )
    if judge(gate, found)[0] is Verdict.FAILED:
        assert {judge(gate, each)[0] for each in worse} == {Verdict.FAILED}


@given(gates, facts)
def test_a_verdict_is_what_its_conditions_say(gate: Gate, found: Facts) -> None:
    verdict, conditions = judge(gate, found)
    assert (verdict is Verdict.PASSED) == all(each.passed for each in conditions)
    assert all(each.reason.endswith(".") for each in conditions)


def test_nothing_new_passes_with_a_reason_each() -> None:
    verdict, conditions = judge(ALL, CLEAN)
    assert verdict is Verdict.PASSED
    assert [each.reason for each in conditions] == [
        "New findings of high severity or graver: none.",
        "The score of 80 is not lower than the baseline's 80.",
        "0 of 100 new lines of code are duplicated: 0 %, and 3 % are allowed.",
    ]


@pytest.mark.parametrize(
    ("found", "name", "reason"),
    [
        (replace(CLEAN, new={"high": 2, "critical": 1}), "noNew", "graver: 1 critical, 2 high."),
        (replace(CLEAN, score=79.9), "scoreNotLower", "79.9 is lower than the baseline's 80."),
        (replace(CLEAN, new_duplicated=4), "maxNewDuplication", "4 of 100 new lines of code are duplicated: 4 %"),
        (replace(CLEAN, new_lines=None), "maxNewDuplication", "no longer in the repository; name a ref."),
    ],
)
def test_a_condition_fails_with_its_reason(found: Facts, name: str, reason: str) -> None:
    verdict, conditions = judge(ALL, found)
    [failed] = [each for each in conditions if not each.passed]
    assert (verdict, failed.name) == (Verdict.FAILED, name)
    assert reason in failed.reason


def test_a_lesser_finding_is_no_matter_of_the_gates() -> None:
    assert judge(ALL, replace(CLEAN, new={"medium": 9}))[0] is Verdict.PASSED


def test_without_code_on_one_side_no_score_was_lowered() -> None:
    assert judge(ALL, replace(CLEAN, score=None))[0] is Verdict.PASSED


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"gate": {"noNew": "high"}}, "name a baseline too"),
        ({"baseline": {}}, "either a ref or the id"),
        ({"baseline": {"ref": "main", "analysis": "6a0f2b9e-8a51-4d3e-9d5e-0c7c1f3b2a11"}}, "either a ref or the id"),
        ({"baseline": {"analysis": "../../etc/passwd"}}, "config.baseline.analysis"),
        ({"baseline": {"ref": "main"}, "gate": {}}, "at least one condition"),
        ({"baseline": {"ref": "main"}, "gate": {"noNew": "dreadful"}}, "write one of info, low"),
        ({"baseline": {"ref": "main"}, "gate": {"maxNewDuplication": 101}}, "maxNewDuplication"),
        ({"baseline": {"ref": "main"}, "gate": {"no_new": "high"}}, "no_new"),
        ({"baseline": "main"}, "config.baseline"),
    ],
)
def test_a_config_that_asks_for_the_impossible_says_so(config: dict[str, object], said: str) -> None:
    with pytest.raises(Permanent, match="config") as refused:
        AnalysisConfig.read(config)
    assert said in str(refused.value)
