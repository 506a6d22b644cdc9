"""Moves a block of a function that is hard to follow into a function of its own, where behaviour is kept for certain.

Runs in the process that reads files, which parses only. The rules are in borders.py and flow.py; docs/refactoring.md
tells them.
"""

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, NamedTuple

from forge_kinds.refactoring.borders import crossed, unfit
from forge_kinds.refactoring.complexity import functions_of
from forge_kinds.refactoring.cutting import Cut, Moved, Place, Source, moved_text
from forge_kinds.refactoring.flow import Flow, Uncertain, arguments, loaded, names_read, stored

MAX_STEPS: Final = 100
"""Functions that are made in one file."""
MAX_RUNS: Final = 3_000
MAX_TRIED: Final = 150
MAX_PARAMETERS: Final = 6
MAX_RESULTS: Final = 3
_BOM: Final = "\ufeff"


class Step(NamedTuple):
    """A function that was made (`reason`), or one that was left as it is and why."""

    line: int
    function: str
    reason: str


@dataclass
class Extraction:
    """The text after all steps."""

    text: str
    made: list[Step] = field(default_factory=list)
    left: list[Step] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """As an answer."""
        return {
            "text": self.text,
            "made": [list(each) for each in self.made],
            "left": [list(each) for each in self.left],
        }


class _Run(NamedTuple):
    """A block, and what is around it inside its function."""

    block: Sequence[ast.stmt]
    in_loop: bool
    guarded: bool


def extracted(text: str, limit: int) -> Extraction:
    """Extract until no function is over the limit or no further block may be moved. Raises SyntaxError, ValueError."""
    result = Extraction(text.removeprefix(_BOM))
    left: dict[str, Step] = {}
    while len(result.made) < MAX_STEPS and _stepped(result, limit, left):
        pass
    result.left = list(left.values())
    result.text = (_BOM if text.startswith(_BOM) else "") + result.text
    return result


def _stepped(result: Extraction, limit: int, left: dict[str, Step]) -> bool:
    """Make the first step that can be made; functions without one are added to `left`."""
    hard = {each.name: each for each in functions_of(result.text) if each.complexity > limit}
    if not hard.keys() - left.keys():
        return False
    module = ast.parse(result.text)
    places = {place.name: place for place in _places(module)}
    names = frozenset({*stored([module]), *_defined(module)})
    source = Source.of(result.text)
    for name, function in hard.items():
        if name in left:
            continue
        place = places.get(name)
        why = (
            "it is nested, or not the only one of its name"
            if place is None
            else unfit(place.function, names) or _improved(result, source, place, function.complexity)
        )
        if not why:
            return True
        left[name] = Step(function.line, name, f"Complexity {function.complexity}: {why}.")
    return False


def _places(module: ast.Module) -> Iterator[Place]:
    found: dict[str, list[Place]] = {}
    for outer in module.body:
        inner = outer.body if isinstance(outer, ast.ClassDef) else [outer]
        for each in inner:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                of_class = isinstance(outer, ast.ClassDef)
                name = f"{outer.name}::{each.name}" if isinstance(outer, ast.ClassDef) else each.name
                found.setdefault(name, []).append(Place(each, outer, of_class, name))
    return (places[0] for places in found.values() if len(places) == 1)


def _improved(result: Extraction, source: Source, place: Place, complexity: int) -> str:
    """Make the best step; "" when one was made, else why none was."""
    try:
        cuts = list(_cuts(place))
    except Uncertain as uncertain:
        return str(uncertain)
    best: tuple[tuple[int, int, int, int], Cut, str] | None = None
    for cut in cuts[:MAX_TRIED]:
        moved = moved_text(source, place, cut)
        rank = _rank(moved, place, cut) if moved else None
        if moved and rank and rank[0] < complexity and (best is None or rank < best[0]):
            best = (rank, cut, moved.text)
    if best is None:
        return "no block can be moved that surely keeps its behaviour and makes it easier to follow"
    _, cut, text = best
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return "the block's text can't be moved as it stands"
    reason = f"{place.name} had a complexity of {complexity}; {len(cut.block)} of its statements became a function"
    result.made.append(Step(cut.block[0].lineno, place.name, reason))
    result.text = text
    return ""


def _defined(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            yield from ("any", "all", "sum", "min", "max", "list", "set", "tuple", "dict", "sorted", "frozenset")


def _rank(moved: Moved, place: Place, cut: Cut) -> tuple[int, int, int, int] | None:
    """Lower is better: the worse of the two functions, then both together, then names that cross, then where."""
    try:
        found: dict[str, int] = {each.name: each.complexity for each in functions_of(moved.concerned)}
    except ValueError:
        return None
    if moved.name not in found or place.name not in found or found[moved.name] < 2:
        return None
    pair = (found[moved.name], found[place.name])
    return max(pair), pair[0] + pair[1], len(cut.inputs) + len(cut.outputs), cut.block[0].lineno


class _Facts:
    """What is known of a function's statements, each looked at once: a block's is that of its statements together."""

    def __init__(self, place: Place) -> None:
        self.names = arguments(place.function) | stored(place.function.body)
        handlers = (node for node in ast.walk(place.function) if isinstance(node, ast.ExceptHandler))
        self.unstable = {node.name for node in handlers if node.name}
        self._reads = Counter(names_read(place.function))
        self._of_one = cache(self._looked_at)
        self._in_class = place.in_class

    def of(self, block: Sequence[ast.stmt]) -> "_Fact":
        """Of these statements together."""
        each = [self._of_one(statement) for statement in block]
        return _Fact(
            crossed=any(one.crossed for one in each),
            stored=frozenset().union(*(one.stored for one in each)),
            reads=sum((one.reads for one in each), Counter[str]()),
        )

    def read_outside(self, fact: "_Fact") -> set[str]:
        """Names that the rest of the function reads."""
        return set(self._reads - fact.reads)

    def _looked_at(self, statement: ast.stmt) -> "_Fact":
        reads = Counter(names_read(statement))
        return _Fact(crossed([statement], in_class=self._in_class), stored([statement]), reads)


class _Fact(NamedTuple):
    """Of a block: whether something reaches over its border, the names it binds, and how often it reads which."""

    crossed: bool
    stored: frozenset[str]
    reads: Counter[str]


def _cuts(place: Place) -> Iterator[Cut]:
    function = place.function
    facts = _Facts(place)
    whole = Flow(facts.names)
    whole.run(function.body, arguments(function))
    read = loaded(function.body)
    for number, run in enumerate(_runs(function.body, in_loop=False, guarded=False)):
        if number == MAX_RUNS:
            return
        entry = whole.entry.get(id(run.block[0]))
        fact = facts.of(run.block) if entry is not None else None
        if entry is None or fact is None or fact.crossed or not fact.stored <= read | facts.unstable:
            continue
        cut = _cut(run, facts, fact, entry)
        if cut and not facts.unstable & {*cut.inputs, *cut.outputs}:
            yield cut


def _cut(run: _Run, facts: _Facts, fact: _Fact, entry: frozenset[str]) -> Cut | None:
    inside = Flow(facts.names)
    sure = inside.run(run.block, frozenset())
    if sure is None:
        return None
    inputs = set(inside.needs)
    outputs = fact.stored & (facts.read_outside(fact) | (inputs if run.in_loop else set()))
    inputs |= outputs - sure
    if not inputs <= entry or (run.guarded and outputs):
        return None
    if len(inputs) > MAX_PARAMETERS or len(outputs) > MAX_RESULTS:
        return None
    return Cut(run.block, tuple(sorted(inputs, key=_self_first)), tuple(sorted(outputs)))


def _self_first(name: str) -> tuple[bool, str]:
    return name not in {"self", "cls"}, name


def _runs(body: Sequence[ast.stmt], *, in_loop: bool, guarded: bool) -> Iterator[_Run]:
    """Runs of statements, largest first; never all of a function's or a branch's own one statement twice."""
    for size in range(len(body), 0, -1):
        for first in range(len(body) - size + 1):
            block = body[first : first + size]
            if any(isinstance(each, ast.If | ast.For | ast.While | ast.Try | ast.With) for each in block):
                yield _Run(block, in_loop, guarded)
    for each in body:
        loop = in_loop or isinstance(each, ast.For | ast.AsyncFor | ast.While)
        guard = guarded or isinstance(each, ast.Try | ast.With | ast.AsyncWith)
        for name in ("body", "orelse", "finalbody"):
            yield from _runs(getattr(each, name, []), in_loop=loop, guarded=guard)
        for handler in getattr(each, "handlers", []):
            yield from _runs(handler.body, in_loop=loop, guarded=guard)
