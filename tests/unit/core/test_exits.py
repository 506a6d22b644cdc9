"""Failure classes: one table, in the code and in the docs."""

from pathlib import Path

import pytest

from forge_core.exits import RULES, Exit, FailureClass

PAGE = Path(__file__).parents[3] / "docs/failures.md"


def test_every_class_has_its_rule() -> None:
    assert set(RULES) == set(FailureClass)


@pytest.mark.parametrize("failure_class", FailureClass, ids=str)
def test_the_docs_say_what_the_code_does(failure_class: FailureClass) -> None:
    rule = RULES[failure_class]
    words = {True: "yes", False: "no"}
    row = f"| `{failure_class}` | {rule.means} | {words[rule.tried_again]} | {words[rule.charged]} | {rule.by} |"
    assert row in PAGE.read_text().splitlines()


def test_only_what_the_cluster_did_is_not_charged() -> None:
    assert [each for each, rule in RULES.items() if not rule.charged] == [FailureClass.DISRUPTION]


def test_our_codes_are_neither_python_s_nor_the_shell_s() -> None:
    assert all(2 < code < 126 for code in Exit if code is not Exit.SUCCEEDED)
