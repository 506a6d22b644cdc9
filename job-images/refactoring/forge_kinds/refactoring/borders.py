"""What may not cross the border of an extracted block, and what makes a whole function unfit for it (ADR 0021)."""

import ast
from collections.abc import Iterator, Sequence
from typing import Final

from forge_kinds.refactoring.flow import Function

_FRAMES: Final = frozenset(
    {"locals", "vars", "dir", "eval", "exec", "globals", "breakpoint", "super", "__class__", "warn", "_getframe",
     "currentframe", "stack", "extract_stack", "print_stack", "stacklevel", "findCaller"}
)  # fmt: skip
"""Names that look at the frame they are in."""
_CONSUMERS: Final = frozenset(
    {"any", "all", "sum", "min", "max", "list", "set", "tuple", "dict", "sorted", "frozenset"}
)
_NOT_IN_BLOCK: Final = (
    ast.Return, ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Delete, ast.NamedExpr, ast.Match,
    ast.TryStar,
)  # fmt: skip


def unfit(function: Function, module_names: frozenset[str]) -> str:
    """Why no block of a function may be extracted, "" when some may."""
    consumed = set(_consumed(function, module_names))
    for node in ast.walk(function):
        if node is not function and isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
        ):
            return "it has functions or classes of its own, which share its names"
        if isinstance(node, ast.GeneratorExp) and id(node) not in consumed:
            return "it has a generator that may be read later, when its names have changed"
        if isinstance(node, ast.Global | ast.Nonlocal):
            return "it has a global or nonlocal statement"
        if isinstance(node, ast.Delete):
            return "it deletes names"
        word = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        word = node.arg or "" if isinstance(node, ast.keyword) else word
        if word in _FRAMES:
            return f"it uses {word}, which may look at the function that it is called from"
    return ""


def _consumed(function: Function, module_names: frozenset[str]) -> Iterator[int]:
    """Generators that a builtin reads to the end at once."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp):
            called = node.func
            builtin = isinstance(called, ast.Name) and called.id in _CONSUMERS - module_names
            joined = (
                isinstance(called, ast.Attribute) and called.attr == "join" and isinstance(called.value, ast.Constant)
            )
            if builtin or joined:
                yield id(node.args[0])


def crossed(block: Sequence[ast.stmt], *, in_class: bool) -> bool:
    """Whether something in the block reaches over its border."""
    for statement in block:
        for node in ast.walk(statement):
            if isinstance(node, _NOT_IN_BLOCK) or (isinstance(node, ast.comprehension) and node.is_async):
                return True
            word = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            if in_class and word.startswith("__") and not word.endswith("__"):
                return True  # such a name means another thing outside of its class
    return any(_leaves(statement, in_loop=False) for statement in block)


def _leaves(node: ast.stmt, *, in_loop: bool) -> bool:
    """Whether a break or continue belongs to a loop around the block."""
    if isinstance(node, ast.Break | ast.Continue):
        return not in_loop
    loop = isinstance(node, ast.For | ast.While)
    for name in ("body", "orelse", "finalbody"):
        inside = in_loop or (loop and name == "body")
        if any(_leaves(each, in_loop=inside) for each in getattr(node, name, [])):
            return True
    return any(_leaves(each, in_loop=in_loop) for handler in getattr(node, "handlers", []) for each in handler.body)
