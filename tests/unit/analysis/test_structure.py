"""Imports, cycles and folders: what a file says it imports, and what that makes of many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_kinds.analysis.imports import imports_of
from forge_kinds.analysis.languages import PYTHON
from forge_kinds.analysis.lines import natures
from forge_kinds.analysis.structure import MAX_CYCLES, Structure, structure


def read(text: str) -> tuple[str, ...]:
    lines = text.split("\n")
    return tuple(each.name for each in imports_of(lines, natures(lines, PYTHON)) if not each.late)


def of(**files: str) -> Structure:
    """Files by their paths, with `__` for a slash."""
    return structure({f"{name.replace('__', '/')}.py": read(text) for name, text in files.items()})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import a.b, c as d", ("a.b", "c")),
        ("from a.b import c as d, e  # f", ("a.b:c", "a.b:e")),
        ("from . import x\nfrom ..y import z", (".:x", "..y:z")),
        ("from a import (\n    b,  # of, course\n    c,\n)", ("a:b", "a:c")),
        ("from a import *", ()),
        ("def f():\n    import late\nif TYPE_CHECKING:\n    from a import b", ()),
        ('"""\nimport told\n"""\nimportant = 1\n', ()),
        ("from a import (b", ("a:b",)),
        ("from import import", ()),
        ("import " + "a" * 400, ()),
        ("from " + "." * 19_000 + " x", ()),
        ("from " + " " * 19_000 + "x", ()),
    ],
)
def test_what_is_imported_when_a_file_is_loaded(text: str, told: tuple[str, ...]) -> None:
    assert read(text) == told


def test_a_cycle_is_found_however_its_imports_are_written() -> None:
    told = of(
        src__shop__init="",
        src__shop__a="from shop.b import x",
        src__shop__b="from . import c",
        src__shop__c="import shop.a",
    )
    assert told.cycles == (("src/shop/a.py", "src/shop/b.py", "src/shop/c.py"),)
    assert told.document()["largestCycles"] == [
        {"modules": 3, "paths": ("src/shop/a.py", "src/shop/b.py", "src/shop/c.py")}
    ]


def test_a_late_import_breaks_a_cycle() -> None:
    assert of(a="import b", b="def f():\n    import a").cycles == ()


def test_a_package_is_its_init_file() -> None:
    told = structure({"shop/__init__.py": (".:app",), "shop/app.py": ("shop:VERSION",)})
    assert told.cycles == (("shop/__init__.py", "shop/app.py"),)


def test_modules_of_the_standard_library_are_no_files_of_the_repository() -> None:
    assert structure({"json.py": ("tool",), "tool.py": ("json",)}).cycles == ()


def test_a_name_inside_a_package_is_not_one_at_the_root() -> None:
    told = structure({"shop/__init__.py": (), "shop/requests.py": ("client",), "client.py": ("requests",)})
    assert (told.cycles, told.imports) == ((), 1)


def test_a_name_that_fits_two_files_is_passed_over() -> None:
    assert structure({"one/x.py": (), "two/x.py": (), "y.py": ("x",)}).imports == 0


def test_folders_that_import_each_other_are_told_and_a_folder_within_is_not() -> None:
    told = structure(
        {
            "web/a.py": ("store.b",),
            "web/c.py": ("store.b",),
            "store/b.py": ("web.d",),
            "web/d.py": (),
            "web/x/e.py": ("web.a",),
        }
    )
    assert told.mutual == (("store", "web", 1, 2),)


def test_relative_imports_do_not_leave_the_repository() -> None:
    assert structure({"a.py": ("...b", "..:c", "....")}).imports == 0


def test_a_chain_as_long_as_a_repository_takes_no_stack() -> None:
    count = 20_000
    told = structure({f"m{n}.py": (f"m{(n + 1) % count}",) for n in range(count)})
    assert [len(cycle) for cycle in told.cycles] == [count]


def test_only_the_largest_cycles_are_listed() -> None:
    pairs = {f"{side}{n}.py": (f"{other}{n}",) for n in range(50) for side, other in (("p", "q"), ("q", "p"))}
    told = structure(pairs).document()
    assert (told["cycles"], len(told["largestCycles"])) == (50, MAX_CYCLES)


NAMES = [f"m{n}" for n in range(6)]


@given(st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=4)))
def test_two_files_are_in_one_cycle_when_each_reaches_the_other(graph: dict[str, list[str]]) -> None:
    files = {f"{name}.py": tuple(graph.get(name, ())) for name in NAMES}
    reach = {name: {*graph.get(name, ())} for name in NAMES}
    for _ in NAMES:
        reach = {name: found.union(*(reach[each] for each in found)) for name, found in reach.items()}
    together = {
        frozenset((one, two))
        for one in NAMES
        for two in NAMES
        if one != two and two in reach[one] and one in reach[two]
    }
    cycles = [{path.removesuffix(".py") for path in cycle} for cycle in structure(files).cycles]
    assert together == {frozenset((one, two)) for each in cycles for one in each for two in each if one != two}
