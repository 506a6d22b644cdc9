"""Reads what one file defines and uses. Python by vulture's visitor over a tree that is parsed once; runs in a worker.

vulture looks at whole programs: a name that is used in any file is alive. Its visitor is used for each file alone, and
what it collects is put together afterwards (joining.py). Nothing of it reads configuration; its own handling of
`# noqa` is left out, for a bare one would hide anything (suppressing.py).
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from vulture import Vulture
from vulture.core import ERROR_CODES, Item
from vulture.utils import get_decorator_name

from forge_kinds.analysis.deadcode.names import UNKNOWN, Definition, Kind, Names, Unreachable, digest_of
from forge_kinds.analysis.findings import Dimension, content_digest
from forge_kinds.analysis.suppressing import is_suppressed

MAX_PARSED: Final = 256 * 1024
"""Characters of a file; of a longer one in Python every word counts as used."""
MAX_DEFINED: Final = 5_000
MAX_NAME: Final = 200
_KINDS: Final = {"function": Kind.FUNCTION, "class": Kind.CLASS, "method": Kind.METHOD, "property": Kind.METHOD}
_WORD: Final = re.compile(r"[^\W\d]\w*")
_DOTTED: Final = re.compile(r"[^\W\d]\w*(?:[.:][^\W\d]\w*)*")
_BEGUN: Final = re.compile(r"^[^\W\d]\w*")
_NAMED: Final = re.compile(r"(?<=\w[.:])[^\W\d]\w*")
_TEMPLATE: Final = re.compile(r"\{[{%]([^{}%]{1,300})[%}]\}")
_PLAIN: Final = frozenset(
    {"property", "staticmethod", "classmethod", "dataclass", "cache", "lru_cache", "cached_property", "contextmanager",
     "asynccontextmanager", "wraps", "final", "total_ordering", "unique", "runtime_checkable", "deprecated"}
)  # fmt: skip
"""Decorators that leave it to others to use what they decorate; any other one may have registered it."""
_ENTRIES: Final = frozenset(
    {"main", "setup", "upgrade", "downgrade", "application", "handler", "lambda_handler", "load_ipython_extension",
     "unload_ipython_extension", "setUpModule", "tearDownModule"}
)  # fmt: skip
"""Functions that a framework calls by these names."""
_ENTRY_PREFIXES: Final = ("test", "pytest_")
_VISITED: Final[tuple[type[ast.AST], ...]] = (
    ast.Attribute, ast.BinOp, ast.Call, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Import,
    ast.ImportFrom, ast.Name, ast.MatchClass, ast.Constant,
)  # fmt: skip
"""The nodes that define or use a name. Variables, arguments and attributes aren't looked for: ruff tells variables that
a function doesn't use, and what else is read through an object vulture can't know."""
_FLOW: Final = frozenset(
    {ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.With, ast.AsyncWith, ast.While, ast.For, ast.AsyncFor,
     ast.If, ast.IfExp, ast.Try, ast.Break, ast.Continue, ast.Return, ast.Raise}
)  # fmt: skip
"""The nodes that say where a run goes on."""


def read_python(text: str, path: str, lines: Sequence[str]) -> Names:
    """Of a Python file; when it can't be parsed, every word in it counts as used and nothing is defined."""
    if len(text) > MAX_PARSED:
        return mentioned(text, whole=True)
    reader = _Reader(path, lines)
    try:
        reader.visit(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return mentioned(text, whole=True)
    return reader.names()


def mentioned(text: str, *, whole: bool = False) -> Names:
    """Of any other file: the parts of dotted names (`app = "shop.cli:run"`), and what templates name.

    With `whole` every word is taken. A longer text is taken for data.
    """
    if whole:
        return Names(used=_joined(_WORD.findall(text)))
    if len(text) > MAX_PARSED:
        return Names()
    found = set(_NAMED.findall(text))
    for template in _TEMPLATE.finditer(text):
        found.update(_WORD.findall(template[1]))
    return Names(used=_joined(found))


def _joined(names: Iterable[str]) -> str:
    return " ".join(sorted({_digested(name) for name in names if len(name) <= MAX_NAME}))


def _digested(name: str) -> str:
    return name if name.endswith("*") else digest_of(name)


class _Shown(PurePosixPath):
    """A file's path as vulture asks for it, to know tests: without looking where this process stands."""

    def resolve(self) -> "_Shown":
        """Itself."""
        return self


class _Reader(Vulture):  # type: ignore[misc]
    """vulture's visitor, which also remembers classes' bases, and passes over what a framework may use."""

    def __init__(self, path: str, lines: Sequence[str]) -> None:
        super().__init__()
        self.noqa_lines: dict[str, set[int]] = defaultdict(set)
        self.filename = _Shown("/", path)
        self._lines = lines
        self._exports = PurePosixPath(path).name == "__init__.py"
        self._declares = path.endswith(".pyi")
        self._visitors = {kind: getattr(self, f"visit_{kind.__name__}") for kind in _VISITED}
        self._classes: list[tuple[str, tuple[str, ...]]] = []
        self._owners: dict[int, tuple[str, tuple[str, ...]]] = {}
        """By the lines of methods and classes."""

    def visit(self, node: ast.AST) -> None:
        """Children first, as vulture does, but asking only what concerns a node: in a third of the time.

        Leaves that mean nothing here (`Load()`, `Add()`) are passed over: they are half of a tree.
        """
        for name in node._fields:
            value = getattr(node, name, None)
            if value.__class__ is list:
                for each in value:
                    if isinstance(each, ast.AST):
                        self.visit(each)
            elif isinstance(value, ast.AST) and value._fields:
                self.visit(value)
        kind = node.__class__
        if kind in _FLOW:
            self.reachability.visit(node)
        if visitor := self._visitors.get(kind):
            visitor(node)

    def visit_Name(self, node: ast.Name) -> None:
        """Only uses."""
        if node.ctx.__class__ is not ast.Store:
            self.used_names.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Only uses."""
        if node.ctx.__class__ is not ast.Store:
            self.used_names.add(node.attr)

    def visit_Constant(self, node: ast.Constant) -> None:
        """A text that is a name, dotted or not, may be looked up: `"shop.cli:run"`, `__all__`, a registry's keys."""
        if node.value.__class__ is str and len(node.value) <= MAX_NAME and _DOTTED.fullmatch(node.value):
            self.used_names.update(_WORD.findall(node.value))

    def visit_Import(self, node: ast.Import) -> None:
        """ruff tells unused imports; an import alone is no use, but a renamed one hides the name that is."""
        self.used_names.update(each.name for each in node.names if each.asname)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """What `__init__.py` imports is offered to others."""
        self.used_names.update(each.name for each in node.names if each.asname or self._exports)

    def visit_Call(self, node: ast.Call) -> None:
        """`getattr(self, "visit_" + name)` uses all that begin so."""
        super().visit_Call(node)
        if isinstance(node.func, ast.Name) and node.func.id in {"getattr", "hasattr"} and len(node.args) > 1:
            self.used_names.update(f"{prefix}*" for prefix in _prefixes(node.args[1]))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Its methods were visited before it."""
        named = (_base(each) for each in node.bases)
        bases = tuple(base if base != node.name else UNKNOWN for base in named)  # another one, of the same name
        made = any(_base(each.value) != "ABCMeta" for each in node.keywords if each.arg == "metaclass")
        if made or not _plain(node.decorator_list):
            bases = (*bases, UNKNOWN)
        self._classes.append((node.name, bases))
        for each in node.body:
            if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self._owners[_first_line(each)] = (node.name, bases)
        if _plain(node.decorator_list):
            self._owners.setdefault(_first_line(node), ("", bases))
            super().visit_ClassDef(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """One with a decorator that may register it isn't looked at."""
        if _plain(node.decorator_list):
            super().visit_FunctionDef(node)

    def names(self) -> Names:
        """All that was collected."""
        defined = sorted(self._definitions(), key=lambda each: (each.line, each.name))[:MAX_DEFINED]
        unreachable = [self._unreachable(item) for item in self.unreachable_code if "redundant" not in item.message]
        return Names(tuple(defined), tuple(self._classes), _joined(self.used_names), tuple(unreachable[:MAX_DEFINED]))

    def _definitions(self) -> Iterator[Definition]:
        items = (*self.defined_funcs, *self.defined_classes, *self.defined_methods, *self.defined_props)
        for item in items if not self._declares else ():
            owner, bases = self._owners.get(item.first_lineno, ("", ()))
            kind = Kind.METHOD if owner else _KINDS[item.typ]
            if item.name not in self.used_names and not _entry(item.name, kind) and len(item.name) <= MAX_NAME:
                place = (owner, item.first_lineno, item.last_lineno)
                yield Definition(kind, item.name, *place, bases, self._suppressed(item))

    def _unreachable(self, item: Item) -> Unreachable:
        content = content_digest(self._line(item.first_lineno))
        return Unreachable(item.message, item.first_lineno, item.last_lineno, content, self._suppressed(item))

    def _suppressed(self, item: Item) -> bool:
        return is_suppressed(ERROR_CODES[item.typ], Dimension.MAINTAINABILITY, self._line(item.first_lineno))

    def _line(self, number: int) -> str:
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""


def _entry(name: str, kind: Kind) -> bool:
    if name.startswith("__") and name.endswith("__"):
        return True
    return kind is Kind.FUNCTION and (name in _ENTRIES or name.startswith(_ENTRY_PREFIXES))


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    """As vulture counts: with the decorators."""
    return node.decorator_list[0].lineno if node.decorator_list else node.lineno


def _plain(decorators: Sequence[ast.expr]) -> bool:
    return all(get_decorator_name(each).rpartition(".")[2].removeprefix("@") in _PLAIN for each in decorators)


def _base(node: ast.expr) -> str:
    """`Base` of `Base`, `shop.Base` and `Base[int]`."""
    while isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else UNKNOWN


def _prefixes(node: ast.expr) -> Iterator[str]:
    """What a name begins with that is put together: `"visit_" + kind`, `f"visit_{kind}"`, `"visit_%s" % kind`."""
    first = node
    while isinstance(first, ast.BinOp):
        first = first.left
    if isinstance(first, ast.JoinedStr) and first.values:
        first = first.values[0]
    if first is not node and isinstance(first, ast.Constant) and isinstance(first.value, str):
        yield from _BEGUN.findall(first.value)
