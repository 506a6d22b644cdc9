"""The delivered files: their names, their heads, and what stands above each test."""

import ast

import pytest

from forge_kinds.test_generation.composing import MAX_COMMENT_LINES, composed, folder_for, path_for
from forge_kinds.test_generation.covered import Item, Whole, percent, runs, told
from forge_kinds.test_generation.modules import Module
from forge_kinds.test_generation.splitting import Statement, Test, TestKind

P = "src/pkg/mod.py"
MODULE = Module("src/pkg/mod.py", "pkg.mod", "src")
ALIAS = Statement("mod_ = sys.modules['pkg.mod']", frozenset({"mod_"}), False)
HEADER = (
    Statement("import pytest", frozenset({"pytest"}), True), Statement("import sys", frozenset({"sys"}), True),
    Statement("import pkg.mod", frozenset({"pkg"}), False), ALIAS,
)  # fmt: skip


def a_test(name: str, kind: TestKind = TestKind.CHARACTERISATION) -> Test:
    return Test(name, kind, f"def {name}():\n    assert mod_.f(1) == 2", frozenset({"mod_"}), HEADER)


FOLDERS = [
    (["tests/test_a.py"], [], "tests/generated"), (["test/test_a.py"], [], "test/generated"),
    (["a.py"], [], "tests/generated"), (["tests"], [], "generated_tests"), (["a.py"], ["tests"], "generated_tests"),
    (["tests/a.py", "test/b.py"], [], "tests/generated"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "others", "folder"), FOLDERS)
def test_new_files_go_below_the_repositorys_own_tests(files: list[str], others: list[str], folder: str) -> None:
    assert folder_for(files, others) == folder


def test_a_file_that_is_there_is_never_replaced() -> None:
    first = path_for(MODULE, TestKind.CHARACTERISATION, "tests/generated", [])
    assert first == "tests/generated/test_generated_pkg_mod.py"
    assert path_for(MODULE, TestKind.CHARACTERISATION, "tests/generated", [first]).endswith("_mod_2.py")
    assert path_for(MODULE, TestKind.PROPERTY, "tests/generated", [first]).endswith("_mod_properties.py")


def test_a_file_says_what_it_is_and_each_test_what_it_adds() -> None:
    adds: dict[str, frozenset[Item]] = {"test_f": frozenset({(P, 3), (P, 4), (P, 9), (P, 3, -1)})}
    text = composed(MODULE, TestKind.CHARACTERISATION, [a_test("test_f")], adds).decode()
    ast.parse(text)
    assert text.startswith('"""Characterisation tests of pkg.mod: what it does today, right or not.')
    assert "import pytest" not in text  # nobody uses it
    assert "import sys\nimport pkg.mod\nmod_ = sys.modules['pkg.mod']\n" in text
    comment = " ".join(line[2:] for line in text.splitlines() if line.startswith("# "))
    assert comment == (
        "Characterisation. Covers what nothing covered before: lines 3-4, 9 and branches 3->out of src/pkg/mod.py."
    )


def test_properties_are_skipped_without_hypothesis_and_the_same_each_time() -> None:
    text = composed(MODULE, TestKind.PROPERTY, [a_test("test_f_same_result", TestKind.PROPERTY)], {}).decode()
    ast.parse(text)
    assert 'pytest.importorskip("hypothesis")' in text
    assert "derandomize=True, database=None, deadline=None" in text
    assert "\n@ALWAYS_THE_SAME\ndef test_f_same_result():\n" in text


def test_an_endless_comment_is_cut() -> None:
    adds = {"test_f": frozenset[Item](("src/pkg/mod.py", line) for line in range(1, 2000, 2))}
    text = composed(MODULE, TestKind.CHARACTERISATION, [a_test("test_f")], adds).decode()
    assert len([line for line in text.splitlines() if line.startswith("# ")]) == MAX_COMMENT_LINES + 1
    assert "all of it is in tests.json" in text


def test_runs_of_lines_and_percentages() -> None:
    assert runs([5, 1, 2, 3, 7, 8]) == ["1-3", "5", "7-8"]
    assert runs([]) == []
    assert (percent(1, 3), percent(0, 0), percent(0, 5)) == (33.3, 100.0, 0.0)
    assert told({("b.py", 1, -4), ("a.py", 2)}) == [
        {"path": "a.py", "lines": ["2"], "branches": []}, {"path": "b.py", "lines": [], "branches": ["1->out"]},
    ]  # fmt: skip


def test_what_is_missing_is_counted_in_statements_and_branches() -> None:
    statements, branches = frozenset({("a.py", 1), ("a.py", 2)}), frozenset({("a.py", 1, 2), ("a.py", 1, -1)})
    whole = Whole({"a.py": statements}, {"a.py": branches})
    covered: set[Item] = {("a.py", 1), ("a.py", 1, 2)}
    assert whole.missing("a.py", covered) == 2
    assert whole.missing_lines("a.py", covered) == [1, 2]
    assert whole.missing("b.py", covered) == 0
    assert whole.figures(covered)["lines"] == {"covered": 1, "of": 2, "percent": 50.0}
    (file,) = whole.by_file(set(), covered)
    assert (file["before"]["branches"]["percent"], file["after"]["branches"]["percent"]) == (0.0, 50.0)
