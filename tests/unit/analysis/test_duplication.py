"""Duplicated code: what counts, what doesn't, and that the answer depends on nothing else."""

import random

from hypothesis import given
from hypothesis import strategies as st

from forge_kinds.analysis import duplication
from forge_kinds.analysis.duplication import RUN, find, prints_of


def prints(*lines: str) -> bytes:
    return prints_of(enumerate(lines, 1))


def code(name: str, count: int = RUN) -> list[str]:
    return [f"{name}_{n} = compute({n})" for n in range(count)]


def test_a_run_in_two_files_is_found_in_both() -> None:
    found = find({"a.py": prints("head", *code("x"), "tail"), "b.py": prints(*code("x"))})
    assert found.duplicated == {"a.py": set(range(2, RUN + 2)), "b.py": set(range(1, RUN + 1))}
    [block] = found.blocks
    assert block.document() == {
        "lines": RUN,
        "places": [
            {"path": "b.py", "line": 1, "endLine": RUN},
            {"path": "a.py", "line": 2, "endLine": RUN + 1},
        ],
    }
    assert (found.total, found.count) == (2 * RUN + 2, 2 * RUN)


def test_a_shorter_run_is_no_duplication() -> None:
    assert find({"a.py": prints(*code("x", RUN - 1)), "b.py": prints(*code("x", RUN - 1))}).blocks == ()


def test_a_long_run_is_one_block() -> None:
    found = find({"a.py": prints(*code("x", 90)), "b.py": prints("before", *code("x", 90), "after")})
    assert [(block.length, block.lines) for block in found.blocks] == [(90, (2, 91))]


def test_a_run_may_stand_twice_in_one_file() -> None:
    found = find({"a.py": prints(*code("x"), "between", *code("x"))})
    assert found.count == 2 * RUN


def test_a_table_of_equal_rows_is_not_its_own_copy_within_a_run() -> None:
    assert find({"a.py": prints(*["row(1, 2)"] * (RUN + 3))}).count == 0


def test_three_copies_are_all_told() -> None:
    found = find({name: prints(*code("x")) for name in ("a.py", "b.py", "c.py")})
    assert (found.count, len(found.blocks)) == (3 * RUN, 2)


def test_imports_spacing_and_lines_without_a_word_do_not_matter() -> None:
    loose = [f"   {line.replace(' ', '   ')}" for line in code("x")]
    found = find({"a.py": prints("import os", *code("x")), "b.py": prints(*loose[:5], "})", "import re", *loose[5:])})
    assert found.count == 2 * RUN
    assert prints("from a import b", "#include <x>", "});", "----") == b""


def test_files_beyond_the_limit_are_left_out_and_counted(monkeypatch: object) -> None:
    import pytest

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(duplication, "MAX_LINES", RUN)
        found = find({"a.py": prints(*code("x")), "b.py": prints(*code("x"))})
    assert (found.left_out, found.count) == (1, 0)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.lists(st.sampled_from(["p", "q"]), max_size=40)))
def test_every_duplicated_line_is_one_that_was_compared(files: dict[str, list[str]]) -> None:
    packed = {path: prints(*lines) for path, lines in files.items()}
    found = find(packed)
    assert all(found.duplicated[path] <= set(found.lines[path]) for path in found.duplicated)
    shuffled = list(packed)
    random.Random(1).shuffle(shuffled)
    assert find({path: packed[path] for path in shuffled}) == found
