"""A repository's own `# noqa`: a decision about one place counts, a switch does not."""

import pytest

from forge_kinds.analysis.findings import Dimension
from forge_kinds.analysis.suppressing import commented_line, is_suppressed, without_literals


@pytest.mark.parametrize("comment", ["# noqa: F841", "# NoQA: E501, F841 - on purpose", "#noqa:F841,E501"])
def test_a_comment_that_names_the_rule_counts(comment: str) -> None:
    assert is_suppressed("F841", Dimension.MAINTAINABILITY, f"x = 1  {comment}")


@pytest.mark.parametrize("comment", ["# noqa", "# noqa: E501", "# ruff: noqa", "", "# noqa: F84"])
def test_a_comment_that_names_no_rule_or_another_does_not(comment: str) -> None:
    assert not is_suppressed("F841", Dimension.MAINTAINABILITY, f"x = 1  {comment}")


@pytest.mark.parametrize("dimension", [Dimension.SECURITY, Dimension.SECRETS])
def test_no_comment_hides_a_risk(dimension: Dimension) -> None:
    assert not is_suppressed("S602", dimension, "run(x, shell=True)  # noqa: S602")


def test_a_comment_on_an_imports_first_line_speaks_for_all_its_names() -> None:
    lines = ["import os", "from a import (  # noqa: F401", "    b,", "    c,", ")"]
    assert commented_line("F401", 4, lines) == lines[1]
    assert commented_line("F841", 4, lines) == lines[3]


def test_a_linters_message_quotes_no_string_of_the_code() -> None:
    message = 'Use `password == "hunter2"` instead of `"hunter2" == password`'
    assert without_literals(message) == 'Use `password == "…"` instead of `"…" == password`'
    assert "hunter2" not in without_literals("Replace with `x = 'hunter2'`")
    assert without_literals("`os` imported but unused") == "`os` imported but unused"
