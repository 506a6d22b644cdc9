"""modernize, fix and imports: what is changed, what is left as it is, and what the result tells."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_runner.report import Permanent
from tests.integration.refactoring.conftest import Refactor

OLD = b"""import sys
import os
from typing import List, Optional


mapping = {"a": 1}


def f(a: List[int], b: Optional[str] = None) -> List[int]:
    for key in mapping.keys():
        print("%s" % key, b)
    return a  # as it was
"""


MENDED = b"""
mapping = {"a": 1}


def f(a: list[int], b: str | None = None) -> list[int]:
    for key in mapping:
        print("%s" % key, b)
    return a  # as it was
"""


def test_a_file_is_written_as_its_python_has_it_and_its_imports_are_put_in_order(refactored: Refactor) -> None:
    done = refactored({b"a.py": OLD}, modernize="3.10", imports=["sort", "remove-unused"], fix=["SIM118"])
    assert done.now("a.py").strip() == MENDED.strip()
    assert {"UP006", "UP045", "F401", "SIM118"} <= done.rules()
    assert done.summary["files"] == {"looked": 1, "changed": 1}
    assert done.summary["message"].endswith("changes in 1 files.")


def test_every_change_has_a_place_a_rule_and_a_reason(refactored: Refactor) -> None:
    done = refactored({b"a.py": OLD}, modernize="3.10", imports=["remove-unused"])
    changes = done.listed["changes"]
    assert len(changes) == done.summary["changes"]["total"] == sum(done.summary["changes"]["byRule"].values())
    lines = OLD.decode().splitlines()
    for change in changes:
        assert change["path"] == "a.py"
        assert 1 <= change["line"] <= len(lines)
        assert change["reason"]
    unused = [each for each in changes if each["rule"] == "F401" and "`sys`" in each["reason"]]
    assert [lines[each["line"] - 1] for each in unused] == ["import sys"]


def test_findings_are_counted_before_and_after(refactored: Refactor) -> None:
    done = refactored({b"a.py": b"import os\nimport sys\n"}, imports=["remove-unused"])
    assert done.summary["findings"] == {"before": 2, "after": 0, "byRule": {"F401": [2, 0]}}


def test_an_import_that_a_change_leaves_unused_goes_with_it_and_no_other(refactored: Refactor) -> None:
    body = b"from typing import List\n\nx: List[int] = []\n"
    clean, littered = body, b"import os\n" + body
    done = refactored({b"clean.py": clean, b"littered.py": littered, b"kept/__init__.py": body}, modernize="3.12")
    assert done.now("clean.py").lstrip() == b"x: list[int] = []\n"
    assert done.rules() == {"UP006", "follow-up"}
    assert done.now("littered.py") == littered
    assert "instead of 1; new ones are of F401" in done.why["littered.py"]
    assert "F401" in done.why["kept/__init__.py"]


def test_only_the_rule_that_spoils_a_file_is_dropped(refactored: Refactor) -> None:
    body = b"import os\nfrom typing import List\n\n\nclass A(object):\n    x: List[int] = []\n"
    done = refactored({b"a.py": body}, modernize="3.12")
    assert done.now("a.py") == body.replace(b"(object)", b"")
    assert [each["rule"] for each in done.listed["changes"]] == ["UP004"]
    assert [each["rule"] for each in done.listed["dropped"]] == ["UP006"]


def test_nothing_to_change_is_a_result_that_says_so(refactored: Refactor) -> None:
    done = refactored({b"a.py": b"x = 1\n"}, imports=["sort"])
    assert done.summary["message"] == "Nothing to change in 1 files."
    assert done.summary["patch"] == {}
    assert [artifact.name for artifact in done.result.artifacts] == ["changes.json"]
    assert done.report.percents[-1] == 95.0


def test_only_what_was_asked_for_is_done(refactored: Refactor) -> None:
    done = refactored({b"a.py": OLD}, fix=["SIM118"])
    assert done.now("a.py") == OLD.replace(b"mapping.keys()", b"mapping")
    assert done.rules() == {"SIM118"}


def test_changes_that_ruff_calls_unsafe_are_left(refactored: Refactor) -> None:
    unsafe = b"def f(x):\n    return x == None\n"
    done = refactored({b"a.py": unsafe}, fix=["E711"])
    assert done.patch == b""


@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_marks_are_kept(refactored: Refactor, end: bytes, bom: bytes) -> None:
    body = bom + b"import sys\nimport os\n\nprint(sys, os, 'caf\xc3\xa9')\nx = 1".replace(b"\n", end)
    done = refactored({b"a.py": body}, imports=["sort"])
    wanted = bom + b"import os\nimport sys\n\nprint(sys, os, 'caf\xc3\xa9')\nx = 1".replace(b"\n", end)
    assert done.now("a.py") == wanted


def test_mixed_line_ends_are_kept_or_the_change_is_dropped(refactored: Refactor) -> None:
    body = b"import os\r\nx = 1\ny = x\r\n"
    done = refactored({b"a.py": body}, imports=["remove-unused"])
    assert done.now("a.py") == b"x = 1\ny = x\r\n"


def test_modules_of_the_repository_are_sorted_as_its_own(refactored: Refactor) -> None:
    files = {
        b"src/mine/__init__.py": b"",
        b"src/mine/a.py": b"import mine.b\nimport os\nimport zlib\nimport foreign\n\nprint(mine.b, os)\n",
        b"src/mine/b.py": b"x = 1\n",
        b"tomllib_user.py": b"import requests\nimport tomllib\n\nprint(tomllib, requests)\n",
    }
    done = refactored(files, imports=["sort"], paths=["src/mine/a.py", "tomllib_user.py"])
    assert done.now("src/mine/a.py").startswith(b"import os\nimport zlib\n\nimport foreign\n\nimport mine.b\n")
    assert done.now("tomllib_user.py").startswith(b"import tomllib\n\nimport requests\n")


def test_only_files_that_are_asked_for_change(refactored: Refactor) -> None:
    old = OLD.replace(b"import sys\nimport os\n", b"")
    files = {b"a/x.py": old, b"b/x.py": old, b"a/skipped.py": old, b"a/notes.txt": b"import sys\n"}
    done = refactored(files, modernize="3.12", paths=["a"], exclude=["*/skipped.py"])
    assert {each["path"] for each in done.listed["changes"]} == {"a/x.py"}
    for path in ("b/x.py", "a/skipped.py", "a/notes.txt"):
        assert done.now(path) == files[path.encode()]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing to do": ({}, "say what to do"),
    "a rule that isn't one": ({"fix": ["ZZZ9"]}, "ruff knows no rule ZZZ9"),
    "a rule that can't be mended": ({"fix": ["F821"]}, "can't mend it"),
    "a rule like an option": ({"fix": ["--config"]}, "config.fix.0"),
    "a Python that isn't one": ({"modernize": "2.7"}, "config.modernize"),
    "a path out of the repository": ({"imports": ["sort"], "paths": ["../x"]}, "config.paths"),
    "a field of another kind": ({"imports": ["sort"], "languages": ["Python"]}, "config.languages"),
    "running the repository's tests": ({"imports": ["sort"], "verify": {"command": ["make"]}}, "config.verify"),
    "no file": ({"imports": ["sort"], "paths": ["nowhere"]}, "No Python file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_a_sentence(refactored: Refactor, case: str) -> None:
    config, said = REFUSED[case]
    with pytest.raises(Permanent, match=said):
        refactored({b"a.py": OLD}, **config)


TRIED = "try:\n    import q\nexcept ImportError:\n    q = None"
IMPORTS = st.lists(
    st.sampled_from(["import sys", "import os", "from typing import List, Dict", "import b.c", "from . import z",
                     "from os import path as p", "# a comment", "", "import os, sys", TRIED]),
    max_size=8,
)  # fmt: skip
USES = st.lists(
    st.sampled_from(["x: List[int] = []", "print(os)", "y = dict()", "def f(a: Dict[str, int]):\n\treturn a.keys()",
                     "for k in mapping.keys():\n    pass", "z = 'é'",
                     "class A(object):\n    pass\n", "print('%s' % 1)"]),
    max_size=8,
)  # fmt: skip


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(IMPORTS, USES, st.sampled_from(["\n", "\r\n"]))
def test_refactoring_the_result_again_changes_nothing(
    refactored: Refactor, imports: list[str], uses: list[str], end: str
) -> None:
    body = "\n".join([*imports, *uses, ""]).replace("\n", end).encode()
    asked: dict[str, Any] = {"modernize": "3.11", "imports": ["sort", "remove-unused"], "fix": ["SIM", "PIE", "C4"]}
    first = refactored({b"a.py": body, b"b/c.py": b"", b"other.txt": b"\xff"}, **asked)
    assert first.now("other.txt") == b"\xff"
    again = refactored({b"a.py": first.now("a.py"), b"b/c.py": first.now("b/c.py")}, **asked)
    assert again.patch == b""
