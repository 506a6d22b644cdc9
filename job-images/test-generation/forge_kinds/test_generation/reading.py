"""The process that takes texts of tests apart: a text in, its parts out. A text may end it; none is ever run.

Started with `-P` from a neutral folder and bounded in CPU and memory, as everything that parses what a stranger wrote.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator
from typing import Any, Final

import black
from black.parsing import InvalidInput

_WIDTH: Final = 100
_MOST_TESTS: Final = 400
_MOST_BYTES: Final = 16 * 1024
"""Of one test; a longer one is nothing that anybody reads."""


def parts(text: str, stem: str) -> dict[str, Any]:
    """`header`: statements around the tests, each with the names that it binds; `tests` in order, and why one is none.

    `stem` is how the module under test is called in the text.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return {"header": [], "tests": [], "broken": type(error).__name__}
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    header = [
        {"source": ast.unparse(node), "binds": sorted(_bound(node)), "only_names": _only_names(node)}
        for node in tree.body
        if node not in tests and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    return {"header": header, "tests": [_test(node, stem) for node in tests[:_MOST_TESTS]], "broken": ""}


def _test(node: ast.FunctionDef, stem: str) -> dict[str, Any]:
    name, called = node.name, _called(node, stem)
    if any("xfail" in ast.unparse(each) for each in node.decorator_list):
        # The last call failed in a way that the code doesn't announce: what came before it may be worth something.
        node.decorator_list, node.body = [], node.body[:-1]
    node.body = [each for each in node.body if not _is_about_the_module(each, node)]
    why = _objection(node)
    source = "" if why else _formatted(ast.unparse(node))
    if len(source.encode()) > _MOST_BYTES:
        why, source = "it is too long to be read", ""
    names = sorted({each.id for each in ast.walk(node) if isinstance(each, ast.Name)}) if source else []
    return {"name": name, "about": called, "source": source, "names": names, "why": why}


def _formatted(source: str) -> str:
    try:
        return black.format_str(source, mode=black.Mode(line_length=_WIDTH)).rstrip("\n")
    except (InvalidInput, ValueError, RecursionError):
        return source


def _objection(node: ast.FunctionDef) -> str:
    asserted = [each for each in ast.walk(node) if isinstance(each, ast.Assert)]
    if not any(not isinstance(each.test, ast.Constant) for each in asserted) and not _expects(node):
        return "it asserts nothing"
    # An address, in what an object shows of itself, is another one each time.
    if any(isinstance(each, ast.Constant) and " at 0x" in str(each.value)[:10_000] for each in ast.walk(node)):
        return "it asserts an address"
    return ""


def _expects(node: ast.FunctionDef) -> bool:
    """Whether it says that an exception is raised."""
    return any(
        isinstance(each, ast.withitem) and "pytest.raises" in ast.unparse(each.context_expr) for each in ast.walk(node)
    )


def _is_about_the_module(statement: ast.stmt, test: ast.FunctionDef) -> bool:
    """An assertion that names nothing which the test made: the module's constants, again and again."""
    if not isinstance(statement, ast.Assert):
        return False
    made = {each.id for each in ast.walk(test) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    made |= {each.arg for each in (*test.args.args, *test.args.kwonlyargs)}
    named = {each.id for each in ast.walk(statement) if isinstance(each, ast.Name)}
    return made.isdisjoint(named) and not any(isinstance(each, ast.Call) for each in _other_calls(statement))


def _other_calls(statement: ast.Assert) -> Iterator[ast.Call]:
    """Calls in it, but for those that only look at an object."""
    for each in ast.walk(statement):
        if isinstance(each, ast.Call):
            shown = ast.unparse(each.func)
            if shown not in {"len", "type", "isinstance", "re.compile", "pytest.approx"}:
                yield each


def _called(node: ast.FunctionDef, stem: str) -> str:
    """The last function or class of the module under test that is called, "" for none."""
    found = re.findall(rf"\b{re.escape(stem)}\.(?:[A-Z]\w*\.)?([A-Za-z]\w*)\(", ast.unparse(node))
    return found[-1][:60] if found else ""


def _bound(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield (alias.asname or alias.name).partition(".")[0]
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            yield each.id


def _only_names(node: ast.stmt) -> bool:
    """Whether it does nothing but give names, which can go when nobody uses them."""
    if isinstance(node, ast.ImportFrom):
        return True
    return isinstance(node, ast.Import) and all("." not in alias.name for alias in node.names)


def main() -> None:
    """Answer one list of texts."""
    asked = json.loads(sys.stdin.buffer.read())
    json.dump([parts(each["text"], each["stem"]) for each in asked], sys.stdout)


if __name__ == "__main__":
    main()
