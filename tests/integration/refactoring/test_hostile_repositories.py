"""Repositories made to break a refactoring: each ends in a patch of the sane file, and tells what was left."""

import subprocess

import pytest

from tests.integration.refactoring.conftest import Refactor
from tests.integration.workspace.repositories import LINK, PROGRAM, SUBMODULE, Odd

FLAWED = b"import os\n\nx = 1\n"
MENDED = b"\nx = 1\n"
ALL = {"imports": ["sort", "remove-unused"], "modernize": "3.12"}


def test_links_and_submodules_are_never_followed(refactored: Refactor) -> None:
    files = {b"sane.py": FLAWED, b"link.py": Odd(LINK, b"sane.py"), b"etc.py": Odd(LINK, b"/etc/passwd"),
             b"sub.py": Odd(SUBMODULE, b"1" * 40), b"d/up.py": Odd(LINK, b"../sane.py")}  # fmt: skip
    done = refactored(files, **ALL)
    assert done.summary["files"] == {"looked": 1, "changed": 1}
    assert done.notes == {"symlink": ["d/up.py", "etc.py", "link.py"], "submodule": ["sub.py"]}


def test_a_file_over_the_limit_is_passed_over(refactored: Refactor) -> None:
    done = refactored({b"sane.py": FLAWED, b"big.py": b"import os\n" * 200_000}, **ALL)
    assert done.notes == {"too-large": ["big.py"]}
    assert done.now("sane.py").lstrip() == MENDED.lstrip()


def test_other_encodings_and_broken_syntax_are_passed_over(refactored: Refactor) -> None:
    files = {
        b"sane.py": FLAWED,
        b"latin.py": b"# coding: latin-1\nimport os\nx = '\xe9'\n",
        b"utf16.py": "import os\n".encode("utf-16"),
        b"nul.py": b"import os\n\0\n",
        b"broken.py": b"import os\ndef f(:\n",
        b"py2.py": b"import os\nprint 'x'\n",
    }
    done = refactored(files, **ALL)
    assert {each["path"] for each in done.listed["changes"]} == {"sane.py"}
    assert set(done.notes["not-utf-8"]) == {"latin.py", "utf16.py"}
    assert set(done.notes["unparsable"]) == {"nul.py", "broken.py", "py2.py"}
    assert {path: done.now(path.decode()) for path in files if path != b"sane.py"} == {
        path: body for path, body in files.items() if path != b"sane.py"
    }


NESTED = {
    b"brackets": b"x = " + b"(\n" * 100_000 + b"1" + b"\n)" * 100_000,
    b"never_closed": b"x = " + b"[\n" * 100_000,
    b"sums": b"x = (" + b"1 +\n" * 100_000 + b"1)\n",
    b"lambdas": b"x = " + b"lambda:\\\n" * 60_000 + b"1\n",
    b"blocks": b"".join(b" " * n + b"if x:\n" for n in range(1200)) + b" " * 1200 + b"x\n",
}


def test_nesting_that_breaks_parsers_spoils_only_its_own_file(refactored: Refactor) -> None:
    nested = {name + b".py": FLAWED + body for name, body in NESTED.items()}
    done = refactored({b"sane.py": FLAWED, **nested}, **ALL)
    assert "sane.py" in {each["path"] for each in done.listed["changes"]}
    assert b"import os" not in done.now("sane.py")


@pytest.mark.parametrize(
    "name", [b"--fix.py", b"-.py", b"a b.py", b"caf\xc3\xa9.py", b"$(touch x).py", b"a\nb.py", b'q"uote.py', b"@x.py"]
)
def test_a_file_is_a_file_whatever_it_is_called(refactored: Refactor, name: bytes) -> None:
    done = refactored({name: FLAWED, b"d/" + name: FLAWED}, **ALL)
    assert done.summary["files"] == {"looked": 2, "changed": 2}
    assert done.now(name.decode()).lstrip() == done.now("d/" + name.decode()).lstrip() == MENDED.lstrip()


def test_a_name_that_is_not_utf8_is_told(refactored: Refactor) -> None:
    done = refactored({b"sane.py": FLAWED, b"caf\xe9.py": FLAWED}, **ALL)
    assert done.notes == {"odd-name": ["caf\\xe9.py"]}


CONFIGURATION = {
    b"ruff.toml": b'exclude = ["*"]\nline-length = 10\n[lint]\nignore = ["F401", "I001"]\n',
    b".ruff.toml": b'extend = "/etc/passwd"\n',
    b"pyproject.toml": b'[tool.ruff]\nfix = false\nexclude = ["*.py"]\n[tool.isort]\nprofile = "black"\n',
    b"d/ruff.toml": b"this is no TOML",
    b".gitignore": b"*.py\n",
    b".gitattributes": b"*.py -diff binary filter=evil eol=crlf ident export-subst\n",
    b"setup.cfg": b"[isort]\nskip = sane.py\n",
    b"sitecustomize.py": b"raise SystemExit('run')\n",
    b"ruff.py": b"raise SystemExit('run')\n",
    b"forge_kinds/__init__.py": b"raise SystemExit('run')\n",
    b"json.py": b"raise SystemExit('run')\n",
    b".ropeproject/config.py": b"raise SystemExit('run')\n",
}


def test_the_repositorys_own_configuration_changes_nothing(refactored: Refactor) -> None:
    bare = refactored({b"sane.py": FLAWED, b"d/x.py": FLAWED}, **ALL)
    done = refactored({b"sane.py": FLAWED, b"d/x.py": FLAWED, **CONFIGURATION}, **ALL)
    for path in ("sane.py", "d/x.py"):
        assert done.now(path) == bare.now(path)
    assert {each["path"] for each in done.listed["changes"]} == {"sane.py", "d/x.py"}
    assert b"GIT binary patch" not in done.patch


def test_a_programs_mode_stays_and_is_no_part_of_the_patch(refactored: Refactor) -> None:
    done = refactored({b"run.py": Odd(PROGRAM, b"#!/usr/bin/env python3\nimport os\n")}, **ALL)
    assert b"mode" not in done.patch
    shown = subprocess.run(["git", "-C", str(done.after), "diff", "--raw"], capture_output=True, check=True).stdout
    assert shown.startswith(b":100755 100755")


def test_a_comment_of_the_author_is_obeyed(refactored: Refactor) -> None:
    kept = b"import os  # noqa: F401\n"
    assert refactored({b"a.py": kept}, imports=["remove-unused"]).now("a.py") == kept
