"""Whether a function is pure, so far as its own text tells: it only makes a value of its arguments."""

import ast
from typing import Final

_REACHES: Final = frozenset(
    {"open", "print", "input", "exec", "eval", "compile", "globals", "locals", "vars", "setattr", "delattr", "id",
     "hash", "__import__", "exit", "quit", "breakpoint", "next", "iter"}
)  # fmt: skip
_WORLD: Final = frozenset(
    {"os", "sys", "time", "random", "secrets", "socket", "subprocess", "shutil", "tempfile", "threading", "asyncio",
     "logging", "warnings", "uuid", "datetime", "date", "locale", "io", "select", "signal", "ctypes", "getpass"}
)  # fmt: skip
_CHANGES: Final = frozenset(
    {"append", "extend", "insert", "remove", "pop", "popitem", "clear", "update", "setdefault", "add", "discard",
     "sort", "reverse", "write", "writelines", "read", "readline", "close", "send", "throw"}
)  # fmt: skip


def looks_pure(function: ast.FunctionDef) -> bool:
    """No global, no generator, no attribute or item set on what isn't its own, no call that reaches the world."""
    own = _own_names(function)
    return not any(_objection(node, own) for node in ast.walk(function))


def _own_names(function: ast.FunctionDef) -> frozenset[str]:
    """Names that the function binds itself and that aren't its parameters."""
    bound = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    every = function.args
    given = {each.arg for each in (*every.posonlyargs, *every.args, *every.kwonlyargs)}
    return frozenset(bound - given)


def _objection(node: ast.AST, own: frozenset[str]) -> bool:
    if isinstance(node, ast.Global | ast.Nonlocal | ast.Yield | ast.YieldFrom | ast.Await | ast.With | ast.Delete):
        return True
    if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
        return _root(node) not in own
    return isinstance(node, ast.Call) and _reaches(node.func, own)


def _reaches(called: ast.expr, own: frozenset[str]) -> bool:
    if isinstance(called, ast.Name):
        return called.id in _REACHES
    if isinstance(called, ast.Attribute):
        root = _root(called)
        return root in _WORLD or (called.attr in _CHANGES and root not in own)
    return False


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
