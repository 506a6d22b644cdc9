"""Which definitions no file of the repository uses, from what each file says alone. Pure.

A name that is used anywhere is alive, whatever it is used on. A class that stands on one from outside the repository,
and its methods, are left out: the outside may call them.
"""

import pkgutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

import vulture

from forge_kinds.analysis.deadcode.names import Definition, Names, digest_of

_HARMLESS: Final = frozenset(
    {"object", "ABC", "Protocol", "Generic", "NamedTuple", "TypedDict", "Enum", "IntEnum", "StrEnum", "Flag", "IntFlag",
     "BaseException", "Exception", "ValueError", "TypeError", "KeyError", "LookupError", "RuntimeError", "OSError",
     "AttributeError", "ImportError", "NotImplementedError", "Warning", "UserWarning", "DeprecationWarning"}
)  # fmt: skip
"""Bases from outside that call nothing by a name of the subclass' own."""


def unused(names: Mapping[str, Names], looked_at: Iterable[str]) -> Mapping[str, tuple[Definition, ...]]:
    """By path, of the files in `looked_at`; what uses them is looked for in all of `names`."""
    foreign = _foreign(each for found in names.values() for each in found.classes)
    candidates = {
        path: [each for each in names[path].defined if foreign.isdisjoint(each.bases)] for path in sorted(looked_at)
    }
    defined = {each.name for found in candidates.values() for each in found} - _of_the_standard_library()
    by_digest = {digest_of(name): name for name in defined}
    wanted = set(by_digest)
    prefixes: set[str] = set()
    for found in names.values():
        used = found.used.split()
        wanted.difference_update(used)
        prefixes.update(name[:-1] for name in used if name.endswith("*"))
    begun = tuple(sorted(prefixes))
    dead = {by_digest[each] for each in wanted if not by_digest[each].startswith(begun)}
    return {path: kept for path, found in candidates.items() if (kept := tuple(e for e in found if e.name in dead))}


def _foreign(classes: Iterable[tuple[str, tuple[str, ...]]]) -> frozenset[str]:
    """The names of all bases and classes that stand, in however many steps, on one that isn't the repository's."""
    standing_on: dict[str, list[str]] = defaultdict(list)
    known: set[str] = set()
    for name, bases in classes:
        known.add(name)
        for base in bases:
            standing_on[base].append(name)
    found: set[str] = set()
    waiting = [base for base in standing_on if base not in known and base not in _HARMLESS]
    while waiting:
        base = waiting.pop()
        if base not in found:
            found.add(base)
            waiting += standing_on.get(base, ())
    return frozenset(found)


@cache
def _of_the_standard_library() -> frozenset[str]:
    """Names by which the standard library calls what a program gives it, as vulture's own lists have them."""
    reader = vulture.Vulture()
    for each in _WHITELISTS:
        body = pkgutil.get_data("vulture", f"whitelists/{each}_whitelist.py")
        reader.scan((body or b"").decode(), filename=each)
    return frozenset(reader.used_names)


_WHITELISTS: Final = (
    "argparse", "ast", "collections", "ctypes", "enum", "logging", "socketserver", "ssl", "string", "sys", "threading",
    "unittest",
)  # fmt: skip
