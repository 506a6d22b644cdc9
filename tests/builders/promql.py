"""PromQL, read as far as a test needs it: which metrics and labels an expression asks for. promtool checks the rest."""

import re
from dataclasses import dataclass, field
from typing import Final

_TOKEN: Final = re.compile(
    r"""\s+|\#[^\n]*
    |(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
    |(?P<range>\[[^\]]*\])
    |(?P<number>\d[\d.]*(?:e[+-]?\d+)?(?:ms|[smhdwy])?|\.\d+)
    |(?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)
    |(?P<mark>=~|!~|!=|==|>=|<=|[-+*/%^<>=(){},@])""",
    re.VERBOSE,
)
_GROUPING: Final = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS: Final = frozenset({"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan", "start", "end"})


@dataclass(frozen=True)
class Selector:
    """A metric that is asked for: its matchers as (label, operator, value), and the function right around it."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    within: str


@dataclass
class Query:
    """What an expression asks for."""

    selectors: list[Selector] = field(default_factory=list)
    grouped: set[str] = field(default_factory=set)
    """Labels of by, on and their like."""


def parse(expression: str) -> Query:
    """Raises ValueError at what is no PromQL. Grafana's variables stand in strings and ranges only."""
    tokens, query, at, calls = _tokens(expression), Query(), 0, [""]
    while at < len(tokens):
        kind, text = tokens[at]
        following = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        if kind == "word" and text in _GROUPING:
            at = _labels(tokens, at + 1, query.grouped)
            continue
        if kind == "word" and following == "(":
            calls.append(text)
            at += 2
            continue
        if text == "(":
            calls.append("")
        elif text == ")":
            if len(calls) == 1:
                raise ValueError(f"a parenthesis too many in {expression}")
            calls.pop()
        elif kind == "word" and text.lower() not in _WORDS and following not in _GROUPING:
            at, matchers = _matchers(tokens, at + 1)
            query.selectors.append(Selector(text, matchers, calls[-1]))
            continue
        elif text == "{":
            raise ValueError(f"a selector without a metric's name in {expression}")
        at += 1
    if len(calls) != 1:
        raise ValueError(f"a parenthesis is open in {expression}")
    return query


def _tokens(expression: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if match is None:
            raise ValueError(f"not PromQL: {expression[at:]}")
        if match.lastgroup:
            found.append((match.lastgroup, match.group()))
        at = match.end()
    return found


def _labels(tokens: list[tuple[str, str]], at: int, into: set[str]) -> int:
    """Read `(a, b)`, which group_left may lack; answers where it ends."""
    if at >= len(tokens) or tokens[at][1] != "(":
        return at
    end = next(index for index in range(at, len(tokens)) if tokens[index][1] == ")")
    into.update(text for kind, text in tokens[at:end] if kind == "word")
    return end + 1


def _matchers(tokens: list[tuple[str, str]], at: int) -> tuple[int, tuple[tuple[str, str, str], ...]]:
    if at >= len(tokens) or tokens[at][1] != "{":
        return at, ()
    end = next(index for index in range(at, len(tokens)) if tokens[index][1] == "}")
    inner = tokens[at + 1 : end]
    found = [
        (text, inner[index + 1][1], inner[index + 2][1][1:-1])
        for index, (kind, text) in enumerate(inner)
        if kind == "word"
    ]
    return end + 1, tuple(found)
