"""Names that no file uses: what one file says alone, and what many say together."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_kinds.analysis.deadcode.joining import unused
from forge_kinds.analysis.deadcode.names import Names, digest_of
from forge_kinds.analysis.deadcode.reading import MAX_PARSED, mentioned, read_python


def read(text: str, path: str = "shop/app.py") -> Names:
    return read_python(text, path, text.split("\n"))


def dead(*others: Names, **files: str) -> set[str]:
    """The names that may be unused in files by their paths, without `.py`."""
    names = {(path := f"{name}.py"): read(text, path) for name, text in files.items()}
    everything = {**names, **{f"other{number}.txt": each for number, each in enumerate(others)}}
    found = unused(everything, names)
    return {f"{each.within}.{each.name}".lstrip(".") for definitions in found.values() for each in definitions}


def test_what_no_file_names_may_be_unused() -> None:
    text = "def old(): pass\nclass Old: pass\nclass Kept:\n    def old_method(self): pass\n    def kept(self): pass\n"
    assert dead(a=text, b="from a import Kept\nKept().kept()\n") == {"old", "Old", "Kept.old_method"}


def test_a_name_used_in_any_file_is_alive_whatever_it_is_used_on() -> None:
    assert dead(a="class A:\n    def go(self): pass\nA()", b="def f(x): x.go()\nf(1)") == set()


@pytest.mark.parametrize("text", ["x = 'hunter2'", "def broken(:\n    x = 'hunter2'", "x.hunter2 = {'hunter2': 1}"])
def test_texts_that_may_be_secrets_are_told_by_their_digests(text: str) -> None:
    names = read(text)
    assert digest_of("hunter2") in names.used.split()
    assert "hunter2" not in json.dumps(names.encode())
    assert "hunter2" not in json.dumps(mentioned(f"{{{{ {text} }}}} a.hunter2").encode())


def test_an_import_alone_is_no_use_but_one_in_an_init_file_offers_it() -> None:
    assert dead(a="def f(): pass", b="from a import f") == {"f"}
    assert dead(**{"shop/a": "def f(): pass", "shop/__init__": "from shop.a import f"}) == set()
    assert dead(a="def f(): pass", b="from a import f as g\ng()") == set()


@pytest.mark.parametrize(
    "text",
    [
        "@app.route('/')\ndef index(): pass",
        "@register\nclass Plugin: pass",
        "@register\nclass Plugin:\n    def called_by_them(self): pass",
        "class A:\n    @override\n    def go(self): pass\nA()",
        "class A:\n    def __enter__(self): pass\nA()",
        "def __getattr__(name): pass",
        "__all__ = ['offered']\ndef offered(): pass",
        "def main(): pass",
        "def pytest_configure(config): pass",
        "def test_it(): pass",
        "class View(framework.View):\n    def get(self, request): pass",
        "class Model(Base, metaclass=Registry): pass",
        "class Mine(Theirs[int]):\n    def called_by_them(self): pass\nMine()",
        "class Middle(Theirs): pass\nclass Mine(Middle):\n    def called_by_them(self): pass\nMine()",
        "class Wrapper(textwrap.Wrapper):\n    def called_by_them(self): pass\nWrapper()",
        "class Made(make_base()): pass",
        "def late(): pass\ngetattr(module, 'late')",
        "def visit_name(): pass\ngetattr(module, 'visit_' + kind)",
        "def visit_name(): pass\ngetattr(module, f'visit_{kind}')",
        "def visit_name(): pass\ngetattr(module, 'visit_%s' % kind)",
        "def handler_of_x(): pass\nHANDLERS = {'x': 'shop.app:handler_of_x'}",
        "class A:\n    def value(self): pass\nmatch x:\n    case A(value=1): pass",
    ],
)
def test_what_a_framework_or_a_name_made_at_run_time_may_use_is_left_out(text: str) -> None:
    assert dead(a=text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "@functools.cache\ndef f(): pass",
        "@dataclass(frozen=True)\nclass f: pass",
        "class f(Exception): pass",
        "class f(Generic[T]): pass",
        "async def f(): pass",
        "def f(): pass\ngetattr(module, name)\ngetattr(module, 'other' + kind)",
        "def f(): pass\n'a sentence with f in it'",
    ],
)
def test_what_only_looks_used_is_told(text: str) -> None:
    assert dead(a=text) == {"f"}


def test_an_override_of_a_method_in_the_repository_is_told_only_when_nobody_calls_it() -> None:
    base = (
        "class Base:\n    def go(self): pass\n    def stay(self): pass\nclass Sub(Base):\n    def go(self): pass\nSub()"
    )
    assert dead(a=base) == {"Base.go", "Base.stay", "Sub.go"}
    assert dead(a=base, b="def run(each): each.go()\nrun(1)") == {"Base.stay"}


def test_a_property_is_a_method_and_its_setter_no_definition() -> None:
    text = "class A:\n    @property\n    def p(self): pass\n    @p.setter\n    def p(self, value): pass\nA()"
    assert [(each.kind, each.line, each.end_line) for each in read(text).defined] == []
    assert dead(a=text.replace("    @p.setter\n    def p(self, value): pass\n", "")) == {"A.p"}


@pytest.mark.parametrize(
    "text",
    ['[project.scripts]\nshop = "shop.app:run_it"', "{{ order.run_it }}", "{% if run_it %}", "see `shop.app.run_it`"],
)
def test_other_files_name_entry_points_and_what_templates_use(text: str) -> None:
    assert dead(mentioned(text), a="def run_it(): pass") == set()


def test_a_word_in_a_text_is_no_use() -> None:
    assert dead(mentioned("How to run_it, and why: run_it"), a="def run_it(): pass") == {"run_it"}


def test_a_file_that_cannot_be_parsed_uses_all_its_words_and_defines_nothing() -> None:
    broken = read("def broken(:\n    helper()\ndef spare(): pass")
    assert (broken.defined, set(broken.used.split()) >= {digest_of("helper"), digest_of("spare")}) == ((), True)
    assert dead(broken, a="def helper(): pass") == set()


def test_stubs_declare_and_define_nothing() -> None:
    assert read("def declared(): ...\n", "shop/app.pyi").defined == ()


def test_a_file_does_not_depend_on_where_it_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    text = "class A:\n    def test_print(self): pass\nclass TestPrinter: pass"
    (tmp_path / "tests").mkdir()
    monkeypatch.chdir(tmp_path / "tests")
    assert {each.name for each in read(text).defined} == {"A", "test_print", "TestPrinter"}


def test_only_a_comment_that_names_the_rule_hides_it() -> None:
    said = {
        each.name: each.suppressed
        for each in read(
            "def one(): pass  # noqa: V103\ndef two(): pass  # noqa\ndef three(): pass  # noqa: F401\n"
            "class Four: pass  # noqa: E501, V102\n"
        ).defined
    }
    assert said == {"one": True, "two": False, "three": False, "Four": True}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def f():\n    return 1\n    g()\n    h()", ("unreachable code after 'return'", 3, 4)),
        ("def f():\n    raise x\n    g()", ("unreachable code after 'raise'", 3, 3)),
        ("while 1:\n    continue\n    g()", ("unreachable code after 'continue'", 3, 3)),
        ("if False:\n    g()", ("unsatisfiable 'if' condition", 1, 2)),
        ("if True:\n    g()", None),
        ("def f():\n    return 1\n", None),
        ("if TYPE_CHECKING:\n    import x", None),
    ],
)
def test_code_that_is_never_reached(text: str, why: tuple[str, int, int] | None) -> None:
    found = [(each.why, each.line, each.end_line) for each in read(text).unreachable]
    assert found == ([why] if why else [])


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "(" * 100_000,
        "x = " + "-" * 100_000 + "1",
        "x = a" + ".b" * 100_000,
        "x = " + "lambda:" * 30_000 + "1",
        "".join(" " * n + "if x:\n" for n in range(99)) + " " * 99 + "x\n",
        "x = '\udcff'\ndef f(): pass",
        "\0",
        "def " + "f" * 10_000 + "(): pass",
        "getattr(x, " + "'a' + " * 5_000 + "b)",
        "y = 1\n" * (MAX_PARSED // 6 + 1),
        "class A(A): pass\nclass B(C): pass\nclass C(B): pass",
    ],
    ids=range(11),
)
def test_no_text_breaks_the_reading(text: str) -> None:
    names = read(text)
    assert Names.decode(json.loads(json.dumps(names.encode()))) == names
    assert unused({"a.py": names}, ["a.py"]) is not None


def test_a_template_of_braces_takes_no_time() -> None:
    assert mentioned("{{" * 500_000).used == ""


TEXTS = st.lists(
    st.sampled_from(
        ["def a(): b()", "def b(): pass", "class C:\n    def a(self): c()", "a()", "x.b()", "import c", "C()"]
    ),
    max_size=5,
)


@given(st.dictionaries(st.sampled_from(["p", "q", "r"]), TEXTS), TEXTS)
def test_one_file_more_never_makes_a_name_unused(files: dict[str, list[str]], more: list[str]) -> None:
    told = {name: "\n".join(texts) for name, texts in files.items()}
    before, after = dead(**told), dead(**told, z="\n".join(more))
    own = {each.name for each in read("\n".join(more)).defined}
    assert {name for name in after if name.rpartition(".")[2] not in own} <= before


@given(st.dictionaries(st.sampled_from(["p", "q", "r"]), TEXTS))
def test_the_order_of_files_says_nothing(files: dict[str, list[str]]) -> None:
    told = {f"{name}.py": read("\n".join(texts)) for name, texts in files.items()}
    backwards = dict(reversed(told.items()))
    assert list(unused(told, told).items()) == list(unused(backwards, backwards).items())
