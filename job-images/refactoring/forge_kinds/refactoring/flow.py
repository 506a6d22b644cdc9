"""Which local names a run of statements needs and leaves behind, where that is certain (definite assignment)."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

Function = ast.FunctionDef | ast.AsyncFunctionDef
COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Uncertain(Exception):
    """A statement whose effect on names isn't known here; the message says which."""


class Flow:
    """Walks statements in order. `needs` collects names that may be read before they are bound."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self.needs: set[str] = set()
        self.entry: dict[int, frozenset[str]] = {}
        """id of a statement -> the names that are bound for certain when it begins; unreachable ones are missing."""

    def run(self, statements: Sequence[ast.stmt], bound: frozenset[str]) -> frozenset[str] | None:
        """What is bound for certain after them, None when their end is never reached. Raises Uncertain."""
        current: frozenset[str] | None = bound
        for statement in statements:
            if current is None:
                return None
            self.entry[id(statement)] = current
            current = self._one(statement, current)
        return current

    def _one(self, node: ast.stmt, bound: frozenset[str]) -> frozenset[str] | None:  # noqa: C901, PLR0911 - one a kind
        match node:
            case ast.If():
                self._read([node.test], bound)
                return _both(self.run(node.body, bound), self.run(node.orelse, bound))
            case ast.For() | ast.AsyncFor():
                self._read([node.iter], bound)
                self._read([node.target], bound)
                self.run(node.body, bound | stored([node.target]))
                self.run(node.orelse, bound)
                return bound
            case ast.While():
                self._read([node.test], bound)
                self.run(node.body, bound)
                self.run(node.orelse, bound)
                return bound
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self._read([item.context_expr, *filter(None, [item.optional_vars])], bound)
                    bound |= stored([item.optional_vars]) if item.optional_vars else frozenset()
                self.run(node.body, bound)  # the end of its body may never be reached: a manager can hide an exception
                return bound
            case ast.Try():
                return self._try(node, bound)
            case ast.Raise() | ast.Return() | ast.Break() | ast.Continue():
                self._read([node], bound)
                return None
            case ast.AugAssign():
                self._read([node.value], bound)
                self._read(
                    [ast.Name(node.target.id, ast.Load())] if isinstance(node.target, ast.Name) else [node.target],
                    bound,
                )
                return bound | stored([node])
            case ast.AnnAssign():
                self._read([node.target, *filter(None, [node.value])], bound)  # a local's annotation is not evaluated
                return bound | (stored([node.target]) if node.value else frozenset())
            case ast.Assign() | ast.Expr() | ast.Assert() | ast.Pass() | ast.Import() | ast.ImportFrom():
                self._read([node], bound)
                return bound | stored([node])
        raise Uncertain(f"it has a statement of the kind {type(node).__name__}")

    def _try(self, node: ast.Try, bound: frozenset[str]) -> frozenset[str]:
        self.run(node.body, bound)
        for handler in node.handlers:
            self._read([handler.type] if handler.type else [], bound)
            self.run(handler.body, bound | ({handler.name} if handler.name else frozenset()))
        self.run(node.orelse, bound)
        self.run(node.finalbody, bound)
        return bound

    def _read(self, nodes: Iterable[ast.AST], bound: frozenset[str]) -> None:
        self.needs |= (loaded(nodes) & self._names) - bound


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def loaded(nodes: Iterable[ast.AST]) -> set[str]:
    """Names that are read, comprehensions' own ones included; the target of `x += 1` is read too."""
    return {name for node in nodes for name in names_read(node)}


def names_read(node: ast.AST) -> Iterator[str]:
    """The same of one node, each name as often as it is read."""
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Store):
            yield each.id
        elif isinstance(each, ast.AugAssign) and isinstance(each.target, ast.Name):
            yield each.target.id


def stored(nodes: Iterable[ast.AST]) -> frozenset[str]:
    """Names that are bound, without those of comprehensions, which are their own."""
    found: set[str] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, COMPREHENSIONS):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name.partition(".")[0])
        waiting.extend(ast.iter_child_nodes(node))
    return frozenset(found)


def arguments(function: Function) -> frozenset[str]:
    """The names of its parameters."""
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, [given.vararg, given.kwarg])]
    return frozenset(each.arg for each in every)
