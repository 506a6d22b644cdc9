"""rename: everything that means the symbol and nothing else, or nothing at all."""

from typing import Any

import pytest

from forge_runner.report import Permanent
from tests.integration.refactoring.conftest import Refactor

FILES = {
    b"pkg/__init__.py": b'from .mod import old, other\n\n__all__ = ["old", "other"]\n',
    b"pkg/mod.py": b'''def old(old_value, x=1):  # old is kept in comments
    """old does it."""
    return old_value


def other(old):
    return old + 1


def again():
    global counter
    return old(old_value=old(1))
''',
    b"src/app/__init__.py": b"",
    b"src/app/a.py": b"import pkg\nimport pkg.mod as m\nfrom pkg import mod\n\nprint(pkg.old(), m.old())\nmod.old(3)\n",
    b"src/app/b.py": b"from pkg import old as renamed\n\n\nclass Old:\n    old = 1\n\n\nprint(renamed(1), Old.old)\n",
    b"src/app/c.py": b"def f():\r\n    from pkg.mod import old\r\n\r\n    return f'{old(1)}' + old(2)\r\n",
    b"src/app/d.py": b"old = 3\nprint(old, dict(old=old))\n",
    b"notes.md": b"old\n",
}


def test_a_symbol_is_renamed_wherever_it_is_meant_and_nowhere_else(refactored: Refactor) -> None:
    done = refactored(FILES, rename={"symbol": "pkg.mod.old", "to": "fresh"})
    assert done.now("pkg/__init__.py") == b'from .mod import fresh, other\n\n__all__ = ["fresh", "other"]\n'
    assert done.now("pkg/mod.py") == FILES[b"pkg/mod.py"].replace(b"def old(", b"def fresh(").replace(
        b"return old(old_value=old(1))", b"return fresh(old_value=fresh(1))"
    )
    assert done.now("src/app/a.py").endswith(b"print(pkg.fresh(), m.fresh())\nmod.fresh(3)\n")
    assert done.now("src/app/b.py") == FILES[b"src/app/b.py"].replace(b"import old", b"import fresh")
    assert done.now("src/app/c.py") == FILES[b"src/app/c.py"].replace(b"old", b"fresh")
    for untouched in ("src/app/d.py", "notes.md"):
        assert done.now(untouched) == FILES[untouched.encode()]
    places = {(each["path"], each["line"]) for each in done.listed["dropped"]}
    assert {("pkg/mod.py", 1), ("pkg/mod.py", 2), ("src/app/b.py", 5), ("src/app/d.py", 1)} <= places
    assert {each["operation"] for each in done.listed["changes"]} == {"rename"}


def test_renaming_back_gives_the_same_bytes(refactored: Refactor) -> None:
    plain = {path: FILES[path].replace(b"other(old)", b"other(x)").replace(b"old + 1", b"x + 1") for path in FILES}
    plain = {path: body for path, body in plain.items() if path not in {b"src/app/d.py", b"src/app/b.py"}}
    done = refactored(plain, rename={"symbol": "pkg.mod.old", "to": "fresh"})
    again = {path: done.now(path.decode()) for path in plain}
    back = refactored(again, rename={"symbol": "pkg.mod.fresh", "to": "old"})
    assert {path: back.now(path.decode()) for path in plain} == plain


TARGET = b"old = 1\n"
REFUSED: dict[str, tuple[dict[bytes, bytes], dict[str, Any], str]] = {
    "a name that is taken": (
        {b"m.py": TARGET, b"x.py": b"from m import old\nnew = 1\nprint(old)\n"}, {}, "x.py, line 2: new is in use"),
    "a name that may be two things": (
        {b"m.py": TARGET, b"x.py": b"try:\n    from m import old\nexcept ImportError:\n    old = 2\nprint(old)\n"}, {},
        "one of several things"),
    "a class attribute that may hide it": (
        {b"m.py": b"old = 1\nclass A:\n    old = old\n"}, {}, "class has an attribute"),
    "a module that is not there": ({b"m.py": TARGET}, {"symbol": "n.old"}, "no module n"),
    "a method": ({b"m.py": b"class A:\n    def old(self): ...\n"}, {"symbol": "m.A.old"}, "no module m.A"),
    "a symbol that is not there": ({b"m.py": b"x = 'old'\n"}, {}, "does not define old"),
    "a symbol from elsewhere": (
        {b"m.py": b"from n import old\n", b"n.py": TARGET}, {}, "does not define old; name it where it is defined"),
    "a submodule of that name": (
        {b"p/__init__.py": TARGET, b"p/new.py": b""}, {"symbol": "p.old"}, "has a module of that name"),
    "a use in a file that may not change": (
        {b"m.py": TARGET, b"x.py": b"import m\nprint(m.old)\n"}, {"paths": ["m.py"]}, "x.py uses the symbol"),
    "a use in a file that can't be read": (
        {b"m.py": TARGET, b"x.py": b"from m import old\nprint old\n"}, {}, "can't be read"),
    "a name that is itself a finding": ({b"m.py": TARGET}, {"to": "l"}, "m.py: The file would have 1 findings"),
    "a keyword": ({b"m.py": TARGET}, {"to": "class"}, "config.rename.to"),
    "no dotted name": ({b"m.py": TARGET}, {"symbol": "old"}, "config.rename.symbol"),
    "code as a name": ({b"m.py": TARGET}, {"to": "x; import os"}, "config.rename.to"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_renaming_that_cannot_be_proved_is_refused_with_the_place(refactored: Refactor, case: str) -> None:
    files, changes, said = REFUSED[case]
    rename = {"symbol": changes.get("symbol", "m.old"), "to": changes.get("to", "new")}
    with pytest.raises(Permanent, match=said):
        refactored(files, rename=rename, paths=changes.get("paths", []))
