"""Findings and the fingerprints by which they are known again."""

from forge_kinds.analysis.findings import Severity, content_digest, fingerprinted
from tests.unit.analysis.builders import a_finding


def test_a_fingerprint_outlives_lines_added_above() -> None:
    before, after = fingerprinted([a_finding(line=3)]), fingerprinted([a_finding(line=300)])
    assert before[0].fingerprint == after[0].fingerprint


def test_a_fingerprint_outlives_indentation_and_spacing() -> None:
    assert content_digest("    if x  ==  1:") == content_digest("if x == 1:")
    assert content_digest("if x == 1:") != content_digest("if x == 2:")


def test_equal_lines_in_one_file_have_fingerprints_of_their_own() -> None:
    marked = fingerprinted([a_finding(line=9), a_finding(line=3), a_finding(line=6)])
    assert len({finding.fingerprint for finding in marked}) == 3
    assert [finding.line for finding in marked] == [3, 6, 9]


def test_mending_one_of_equal_lines_leaves_the_others_known() -> None:
    three = {each.fingerprint for each in fingerprinted([a_finding(line=n) for n in (3, 6, 9)])}
    two = {each.fingerprint for each in fingerprinted([a_finding(line=n) for n in (3, 9)])}
    assert two < three


def test_rule_and_path_are_part_of_a_fingerprint() -> None:
    marked = fingerprinted([a_finding(), a_finding(rule="F401"), a_finding(path="other.py")])
    assert len({finding.fingerprint for finding in marked}) == 3


def test_a_line_of_bytes_that_are_no_text_has_a_digest() -> None:
    assert len(content_digest(b"caf\xe9".decode(errors="surrogateescape"))) == 32


def test_the_least_severity_is_not_lowered_further() -> None:
    assert Severity.INFO.lowered() is Severity.INFO
    assert Severity.CRITICAL.lowered() is Severity.HIGH
