"""How texts of tests are taken apart: what asserts nothing is none, what is said about the module alone is left out."""

import ast

import pytest

from forge_kinds.test_generation.inside.purity import looks_pure
from forge_kinds.test_generation.reading import parts

ABOVE = "import pytest\nimport sys\nimport pkg.mod\n\nmod_ = sys.modules['pkg.mod']\n\n"


def one(body: str, decorator: str = "") -> dict[str, object]:
    """What is read of one test."""
    indented = body.replace("\n", "\n    ")
    text = f"{ABOVE}{decorator}\ndef test_0():\n    {indented}\n"
    (test,) = parts(text, "mod_")["tests"]
    found: dict[str, object] = test
    return found


ASSERTING = {
    "a value": "x = mod_.f(1)\nassert x == 2",
    "a kind": "x = mod_.f(1)\nassert isinstance(x, int)",
    "an exception": "with pytest.raises(ValueError):\n    mod_.f(-1)",
    "a call": "assert mod_.f(1) == mod_.f(1)",
}
ASSERTING_NOTHING = {
    "a call alone": "mod_.f(1)",
    "a truth": "x = mod_.f(1)\nassert True",
    "a constant of the module": "x = mod_.f(1)\nassert mod_.LIMIT == 7\nassert len(mod_.NAMES) == 3",
    "a text": "x = mod_.f(1)\nassert 'x'",
}


@pytest.mark.parametrize("case", ASSERTING)
def test_a_test_that_asserts_is_taken(case: str) -> None:
    read = one(ASSERTING[case])
    assert (read["why"], read["about"]) == ("", "f")
    assert read["source"]


@pytest.mark.parametrize("case", ASSERTING_NOTHING)
def test_a_test_that_asserts_nothing_of_what_it_made_is_none(case: str) -> None:
    assert one(ASSERTING_NOTHING[case])["why"] == "it asserts nothing"


def test_what_a_test_says_about_the_module_alone_is_left_out() -> None:
    source = one("x = mod_.f(1)\nassert x == 2\nassert mod_.LIMIT == 7")["source"]
    assert source == "def test_0():\n    x = mod_.f(1)\n    assert x == 2"


def test_of_a_failing_call_only_what_came_before_is_taken() -> None:
    mark = "@pytest.mark.xfail(strict=True)"
    read = one("x = mod_.f(1)\nassert x == 2\nmod_.g(x)", mark)
    assert read["source"] == "def test_0():\n    x = mod_.f(1)\n    assert x == 2"
    assert one("mod_.g(None)", mark)["why"] == "it asserts nothing"


def test_an_address_is_nothing_to_assert() -> None:
    assert one("x = mod_.f(1)\nassert str(x) == '<f object at 0x7f00>'")["why"] == "it asserts an address"


def test_a_test_that_nobody_reads_is_none() -> None:
    assert one("x = mod_.f(1)\nassert x == '" + "y" * 20_000 + "'")["why"] == "it is too long to be read"


def test_what_stands_above_is_known_by_the_names_it_gives() -> None:
    text = "import pytest\nimport pkg.mod\nfrom re import Pattern as P\nX = 1\n\ndef test_0():\n    assert X == 1\n"
    header = parts(text, "mod_")["header"]
    assert [(each["source"], each["binds"], each["only_names"]) for each in header] == [
        ("import pytest", ["pytest"], True), ("import pkg.mod", ["pkg"], False),
        ("from re import Pattern as P", ["P"], True), ("X = 1", ["X"], False),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["def test_0(:", "x = 1\0", "(" * 500 + ")" * 500, "\udcff"])
def test_what_is_no_python_is_told(text: str) -> None:
    read = parts(text, "mod_")
    assert read["broken"]
    assert read["tests"] == []


PURE = [
    "return a + b", "x = [a]\nx.append(b)\nreturn x", "if a < 0:\n    raise ValueError(a)\nreturn a",
    "x = {}\nx['k'] = a\nreturn x", "return sorted(a)", "return [y for y in a if y]",
]  # fmt: skip
IMPURE = [
    "global G\nG = a", "print(a)", "return open(a).read()", "a.append(b)", "a.x = 1", "a['k'] = b", "yield a",
    "return time.time()", "return random.random()", "return os.getcwd()", "with a:\n    return 1", "del a[0]",
    "return next(a)", "return a.pop()", "return datetime.now()", "return id(a)",
]  # fmt: skip


@pytest.mark.parametrize(("body", "pure"), [*((each, True) for each in PURE), *((each, False) for each in IMPURE)])
def test_a_function_is_pure_that_only_makes_a_value_of_its_arguments(body: str, pure: bool) -> None:
    indented = body.replace("\n", "\n    ")
    node = ast.parse(f"def f(a, b):\n    {indented}\n").body[0]
    assert isinstance(node, ast.FunctionDef)
    assert looks_pure(node) is pure
