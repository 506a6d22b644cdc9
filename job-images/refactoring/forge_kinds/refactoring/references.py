"""Finds what means a symbol in one module, and renames it. Runs in the process that reads files, which parses only.

A reference is what the scopes of the module tell for certain: the symbol's own binding, an import of it, an attribute
of a module that is imported under a known name. Where they tell two things at once, the whole renaming is refused.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import libcst as cst
from libcst.helpers import get_full_name_for_node
from libcst.metadata import (
    ClassScope,
    MetadataWrapper,
    PositionProvider,
    QualifiedName,
    QualifiedNameProvider,
    QualifiedNameSource,
    ScopeProvider,
)

_BOM: Final = "\ufeff"


class Unsure(Exception):
    """The renaming can't be proved here; the message says why, `line` where."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


@dataclass(frozen=True)
class Sought:
    """What is renamed: every dotted name under which the symbol is known, all ending in `old`."""

    module: str
    package: str
    """What a relative import of one dot is relative to."""
    symbols: frozenset[str]
    old: str
    new: str


@dataclass
class Found:
    """What is renamed in one module."""

    text: str
    lines: list[int] = field(default_factory=list)
    exports: bool = False
    """Whether the module offers the symbol under its own name too, so that this name is one of the symbols."""
    binds: bool = False
    """Whether it is defined here, and not only imported."""

    def document(self) -> dict[str, Any]:
        """As an answer."""
        return {"text": self.text, "lines": self.lines, "exports": self.exports, "binds": self.binds}


def renamed(text: str, sought: Sought) -> Found:
    """The module with the symbol renamed. Raises Unsure, and cst.ParserSyntaxError."""
    bom = _BOM if text.startswith(_BOM) else ""
    wrapper = MetadataWrapper(cst.parse_module(text.removeprefix(_BOM)), unsafe_skip_copy=True)
    search = _Search(sought, wrapper.resolve(PositionProvider))
    wrapper.visit(search)
    search.check_scopes(set(wrapper.resolve(ScopeProvider).values()))
    if not search.nodes:
        return Found(text, exports=search.exports, binds=search.binds)
    changed = wrapper.module.visit(_Replace(search.nodes, sought.new))
    assert isinstance(changed, cst.Module)  # noqa: S101 - a module stays one
    _check_names(wrapper.module, changed, sought, len(search.nodes))
    return Found(bom + changed.code, sorted(set(search.lines)), search.exports, search.binds)


class _Search(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (QualifiedNameProvider,)

    def __init__(self, sought: Sought, positions: Any) -> None:
        super().__init__()
        self.sought = sought
        self.positions = positions
        self.nodes: set[cst.CSTNode] = set()
        self.lines: list[int] = []
        self.exports = self.binds = self.bare = False
        self._taken = 0
        self._depth = 0

    def _line(self, node: cst.CSTNode) -> int:
        return int(self.positions[node].start.line)

    def _take(self, node: cst.CSTNode, *, bare: bool) -> None:
        self.nodes.add(node)
        self.lines.append(self._line(node))
        self.bare = self.bare or bare

    def _means(self, node: cst.CSTNode) -> bool:
        """Whether a name or attribute is the symbol. Raises Unsure when it may be something else as well."""
        names: Collection[QualifiedName] = self.get_metadata(QualifiedNameProvider, node, set()) or ()
        full = {self._absolute(each) for each in names}
        if not full & self.sought.symbols:
            return False
        if not full <= self.sought.symbols:
            raise Unsure(self._line(node), f"{self.sought.old} may be one of several things here")
        return True

    def _absolute(self, name: QualifiedName) -> str:
        if name.source is QualifiedNameSource.LOCAL:
            return f"{self.sought.module}.{name.name}"
        return _resolved(name.name, self.sought.package)

    def visit_Name(self, node: cst.Name) -> None:
        if node.value == self.sought.new and not self._taken:
            self._taken = self._line(node)
        if node.value == self.sought.old and node not in self.nodes and self._means(node):
            self._take(node, bare=True)

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        if node.attr.value == self.sought.old and self._means(node):
            self._take(node.attr, bare=False)
        node.value.visit(self)
        return False

    def visit_Arg(self, node: cst.Arg) -> bool:
        node.value.visit(self)
        return False

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self._defined(node)
        self._depth += 1

    def leave_FunctionDef(self, original_node: cst.FunctionDef) -> None:
        self._depth -= 1

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        self._defined(node)
        self._depth += 1

    def leave_ClassDef(self, original_node: cst.ClassDef) -> None:
        self._depth -= 1

    def _defined(self, node: cst.FunctionDef | cst.ClassDef) -> None:
        if node.name.value == self.sought.old and self._means(node):
            self.binds = True
            self._take(node.name, bare=True)

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        name = node.target
        if isinstance(name, cst.Name) and name.value == self.sought.old and self._means(name):
            self.binds = True

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        if isinstance(node.target, cst.Name) and node.target.value == self.sought.old and self._means(node.target):
            self.binds = True

    def visit_Global(self, node: cst.Global) -> bool:
        if f"{self.sought.module}.{self.sought.old}" in self.sought.symbols:
            for item in node.names:
                if item.name.value == self.sought.old:
                    self._take(item.name, bare=True)
        return False

    def visit_Import(self, node: cst.Import) -> bool:
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        module = get_full_name_for_node(node.module) if node.module else ""
        source = _resolved("." * len(node.relative) + (module or ""), self.sought.package)
        if f"{source}.{self.sought.old}" not in self.sought.symbols:
            return False
        if isinstance(node.names, cst.ImportStar):
            self.exports = True
            return False
        for alias in node.names:
            if isinstance(alias.name, cst.Name) and alias.name.value == self.sought.old:
                self._imported(alias, alias.name)
        return False

    def _imported(self, alias: cst.ImportAlias, name: cst.Name) -> None:
        kept = alias.asname.name if alias.asname else name
        same = isinstance(kept, cst.Name) and kept.value == self.sought.old
        self._take(name, bare=same)
        if same and kept is not name:  # `import old as old` offers it on purpose
            self._take(kept, bare=True)
        self.exports = self.exports or (same and self._depth == 0)

    def visit_SimpleString(self, node: cst.SimpleString) -> None:
        self._string(node)

    def _string(self, node: cst.SimpleString) -> None:
        if node.raw_value == self.sought.old and self._means(node):
            self._take(node, bare=True)

    def visit_Assign(self, node: cst.Assign) -> None:
        named = any(isinstance(each.target, cst.Name) and each.target.value == "__all__" for each in node.targets)
        if named and self._depth == 0 and f"{self.sought.module}.{self.sought.old}" in self.sought.symbols:
            for element in _elements(node.value):
                if isinstance(element, cst.SimpleString) and element.raw_value == self.sought.old:
                    self._take(element, bare=True)

    def visit_MatchAs(self, node: cst.MatchAs) -> None:
        if node.name and node.name.value == self.sought.old:
            raise Unsure(self._line(node), f"a pattern binds {self.sought.old}")

    def check_scopes(self, scopes: Collection[Any]) -> None:
        """Raises Unsure where the new name is taken, or a class has an attribute that hides the old one."""
        if not self.bare:
            return
        if self._taken:
            raise Unsure(self._taken, f"{self.sought.new} is in use here already")
        for scope in scopes:
            if isinstance(scope, ClassScope) and any(each.scope is scope for each in scope[self.sought.old]):
                raise Unsure(1, f"a class has an attribute {self.sought.old}, which may hide the symbol in its body")


def _elements(node: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    if isinstance(node, cst.List | cst.Tuple | cst.Set):
        yield from (element.value for element in node.elements)


def _resolved(name: str, package: str) -> str:
    """An import's name without leading dots."""
    rest = name.lstrip(".")
    dots = len(name) - len(rest)
    if not dots:
        return name
    parts = package.split(".") if package else []
    base = parts[: len(parts) - dots + 1]
    return ".".join([*base, rest] if rest else base)


class _Replace(cst.CSTTransformer):
    def __init__(self, nodes: Collection[cst.CSTNode], new: str) -> None:
        super().__init__()
        self._nodes = nodes
        self._new = new

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        return updated_node.with_changes(value=self._new) if original_node in self._nodes else updated_node

    def leave_SimpleString(self, original_node: cst.SimpleString, updated_node: cst.SimpleString) -> cst.SimpleString:
        if original_node not in self._nodes:
            return updated_node
        before, old = original_node.value, str(original_node.raw_value)
        start = before.index(old, len(original_node.prefix) + len(original_node.quote))
        return updated_node.with_changes(value=before[:start] + self._new + before[start + len(old) :])


class _Names(cst.CSTVisitor):
    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def visit_Name(self, node: cst.Name) -> None:
        self.counts[node.value] += 1

    def visit_SimpleString(self, node: cst.SimpleString) -> None:
        self.counts[node.value.strip("'\"")] += 1


def _check_names(before: cst.Module, after: cst.Module, sought: Sought, count: int) -> None:
    """The net: read anew, all other names are there as often as before."""
    old, new = _Names(), _Names()
    before.visit(old)
    cst.parse_module(after.code).visit(new)
    old.counts[sought.old] -= count
    old.counts[sought.new] += count
    if +old.counts != +new.counts:
        raise Unsure(1, "another name would change")


def mentions(text: str, old: str) -> list[int]:
    """Lines on which the word stands, whatever it means there."""
    word = re.compile(rf"(?<!\w){re.escape(old)}(?!\w)")
    return [number for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1) if word.search(line)]
