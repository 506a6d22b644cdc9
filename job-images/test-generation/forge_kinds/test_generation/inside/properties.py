"""Properties of a module's pure functions as texts of tests: hypothesis' ghostwriter, and what annotations promise.

What it writes are guesses; the runner keeps those that hold, each time.
"""

import ast
import importlib
import inspect
import os
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final, get_type_hints

from hypothesis.extra import ghostwriter

from forge_kinds.test_generation.inside import tables
from forge_kinds.test_generation.inside.child import Told
from forge_kinds.test_generation.inside.purity import looks_pure

MOST_FUNCTIONS: Final = 60
_PLAIN: Final = (bool, bytes, complex, dict, float, frozenset, int, list, set, str, tuple)
_SPLIT: Final = "\n# ---\n"
"""Between the texts of two modules of tests."""

Function = Callable[..., Any]


def texts(module: ModuleType, path: Path) -> Iterator[str]:
    """Modules of tests. One on which the ghostwriter breaks is left out."""
    pure = list(pure_functions(module, ast.parse(path.read_bytes())))[:MOST_FUNCTIONS]
    functions = [function for function, _node in pure]
    if functions:
        yield from _written(lambda: ghostwriter.magic(*functions))
    for function, node in pure:
        if _takes_one(function):
            yield from _written(lambda function=function: ghostwriter.idempotent(function))  # type: ignore[misc]
        yield from promise(module, function, node)


def pure_functions(module: ModuleType, tree: ast.Module) -> Iterator[tuple[Function, ast.FunctionDef]]:
    """The module's own public functions that look pure, without decorators, in order."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not node.decorator_list:
            function = getattr(module, node.name, None)
            if function and _is_its_own(function, module) and _gives_a_value(node) and looks_pure(node):
                yield function, node


def _is_its_own(function: Any, module: ModuleType) -> bool:
    return inspect.isfunction(function) and function.__module__ == module.__name__


def _gives_a_value(node: ast.FunctionDef) -> bool:
    return any(isinstance(each, ast.Return) and each.value is not None for each in ast.walk(node))


def promise(module: ModuleType, function: Function, node: ast.FunctionDef) -> Iterator[str]:
    """That it returns what its annotations say, or raises what it is seen to raise, for all arguments that they say."""
    try:
        hints = get_type_hints(function)
    except Exception:
        return
    names = _required(function)
    returned = hints.pop("return", None)
    if returned not in _PLAIN or not names or not all(_is_plain(hints.get(name)) for name in names):
        return
    given = ", ".join(f"{name}=st.from_type({_shown(hints[name])})" for name in names)
    passed = ", ".join(f"{name}={name}" for name in names)
    raised = sorted(_raised(node))
    body = f"result = {module.__name__}.{function.__name__}({passed})"
    if raised:
        body = f"try:\n    {body}\nexcept ({', '.join(raised)},):\n    reject()"
    yield (
        f"import {module.__name__}\n"
        f"from hypothesis import given, reject, strategies as st\n\n\n"
        f"@given({given})\n"
        f"def test_{function.__name__}_returns_as_annotated({', '.join(names)}):\n"
        f"{textwrap.indent(body, '    ')}\n"
        f"    assert isinstance(result, {returned.__name__})\n"
    )


def _written(write: Callable[[], str]) -> Iterator[str]:
    try:
        text = write()
    except Exception:
        return
    tree = ast.parse(text)
    # Functions whose arguments it can't guess: the others of the same text are good.
    tree.body = [_asserting(node) for node in tree.body if "nothing()" not in ast.unparse(node)]
    yield ast.unparse(tree) + "\n"


def _asserting(node: ast.stmt) -> ast.stmt:
    """A call that the ghostwriter makes to see whether it raises, as a promise: equal arguments, equal results."""
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_fuzz_"):
        call = node.body[-1]
        if isinstance(call, ast.Expr) and isinstance(call.value, ast.Call):
            same = ast.Compare(call.value, [ast.Eq()], [call.value])
            node.body[-1] = ast.Assert(test=same, msg=None)
            node.name = f"test_{node.name.removeprefix('test_fuzz_')}_same_result"
            ast.fix_missing_locations(node)
    return node


def _takes_one(function: Function) -> bool:
    return len(_required(function)) == 1


def _required(function: Function) -> list[str]:
    kinds = inspect.Parameter
    parameters = inspect.signature(function).parameters.values()
    if any(each.kind is kinds.POSITIONAL_ONLY for each in parameters):
        return []
    return [
        each.name
        for each in parameters
        if each.default is kinds.empty and each.kind in {kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY}
    ]


def _is_plain(hint: Any) -> bool:
    if hint in _PLAIN:
        return True
    arguments = getattr(hint, "__args__", ())
    return getattr(hint, "__origin__", None) in _PLAIN and bool(arguments) and all(map(_is_plain, arguments))


def _shown(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not hasattr(hint, "__args__") else repr(hint)


def _raised(node: ast.FunctionDef) -> Iterator[str]:
    """Built-in exceptions that the function itself raises by name."""
    for each in ast.walk(node):
        if isinstance(each, ast.Raise) and each.exc is not None:
            raised = each.exc.func if isinstance(each.exc, ast.Call) else each.exc
            if isinstance(raised, ast.Name) and raised.id in vars(__builtins__):
                yield raised.id


def main() -> None:
    """Write, and leave the texts."""
    told = Told()
    tables.lay_out()
    told.make_importable()
    told.step("importing")
    module = importlib.import_module(told.options["module"])
    written = []
    for text in texts(module, Path(told.options["path"])):
        told.step("wrote")
        written.append(text)
    told.leave(_SPLIT.join(dict.fromkeys(written)))
    os._exit(0)


if __name__ == "__main__":
    main()
