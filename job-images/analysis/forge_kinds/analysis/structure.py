"""How Python modules depend on one another: cycles of imports, and folders that import each other. Pure.

Modules are found by their files, so nothing has to be importable: `a.b.c` is the one file .../a/b/c.py (or
c/__init__.py) whose root, the folder above `a`, is no package itself. A name that fits several files or none is passed
over, so what is told is there; a cycle through such a name is missed.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

MAX_CYCLES: Final = 20
MAX_LISTED: Final = 20
_DEEPEST: Final = 30


@dataclass(frozen=True)
class Structure:
    """`cycles` are groups of files that all reach one another, the largest first; `mutual` pairs of folders."""

    modules: int
    imports: int
    cycles: tuple[tuple[str, ...], ...]
    mutual: tuple[tuple[str, str, int, int], ...]
    """Two folders, and how many imports go from the first to the second and back; neither lies within the other."""

    def document(self) -> dict[str, Any]:
        """The summary's member `structure`."""
        cycles = [{"modules": len(cycle), "paths": cycle[:MAX_LISTED]} for cycle in self.cycles[:MAX_CYCLES]]
        mutual = [
            {"folders": [here, there], "imports": [forth, back]}
            for here, there, forth, back in self.mutual[:MAX_LISTED]
        ]
        counts = {"modules": self.modules, "imports": self.imports, "cycles": len(self.cycles)}
        return {**counts, "largestCycles": cycles, "foldersThatImportEachOther": mutual}


def structure(imports: Mapping[str, Sequence[str]]) -> Structure:
    """`imports` by path, as `imports_of` gives them; the answer depends on nothing else."""
    files = Files(imports)
    graph = {path: sorted(files.targets(path, imports[path])) for path in sorted(imports)}
    cycles = sorted((tuple(sorted(each)) for each in _components(graph)), key=lambda each: (-len(each), each))
    return Structure(len(graph), sum(map(len, graph.values())), tuple(cycles), tuple(_mutual(graph)))


class Files:
    """Finds the file of a module."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = {*paths}
        self._packages = {path.rpartition("/")[0] for path in self._paths if path.rpartition("/")[2] == "__init__.py"}
        self._named: dict[str, list[str]] = defaultdict(list)
        for path in sorted(self._paths):
            for name in self.names(path):
                self._named[name].append(path)

    def names(self, path: str) -> list[str]:
        """Every name that a file's module may have: where a folder above is no package, its own name may be one too."""
        parts = _stem(path)
        depths = range(1, min(len(parts), _DEEPEST) + 1)
        return [".".join(parts[-depth:]) for depth in depths if "/".join(parts[:-depth]) not in self._packages]

    def targets(self, path: str, imports: Iterable[str]) -> set[str]:
        """The files that a file imports, itself aside."""
        found = {target for each in imports if (target := self.target(path, each))}
        return found - {path}

    def target(self, path: str, imported: str) -> str | None:
        """The file that one import means."""
        module, _, name = imported.partition(":")
        find = self._near if module.startswith(".") else self._named_so
        within = f"{module}{name}" if module.endswith(".") else f"{module}.{name}"
        return (find(path, within) if name else None) or find(path, module)

    def _named_so(self, _path: str, module: str) -> str | None:
        candidates = self._named.get(module, [])
        if len(candidates) != 1 or module.partition(".")[0] in sys.stdlib_module_names:
            return None
        return candidates[0]

    def _near(self, path: str, module: str) -> str | None:
        name = module.lstrip(".")
        folders = path.split("/")[:-1]
        up = len(module) - len(name) - 1
        if up > len(folders):
            return None
        place = "/".join([*folders[: len(folders) - up], *(name.split(".") if name else [])])
        tried = (f"{place}.py", f"{place}/__init__.py" if place else "__init__.py")
        return next((each for each in tried if each in self._paths), None)


def _stem(path: str) -> list[str]:
    *folders, name = path.split("/")
    return folders if name == "__init__.py" and folders else [*folders, name.removesuffix(".py")]


def _components(graph: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Strongly connected components of two files and more (Kosaraju, without recursion: a chain may be long)."""
    backwards: dict[str, list[str]] = {path: [] for path in graph}
    for path, targets in graph.items():
        for target in targets:
            backwards[target].append(path)
    seen: set[str] = set()
    order = [path for root in graph for path in _finished(graph, root, seen)]
    seen = set()
    components = [_finished(backwards, root, seen) for root in reversed(order)]
    return [component for component in components if len(component) > 1]


def _finished(graph: Mapping[str, Sequence[str]], root: str, seen: set[str]) -> list[str]:
    """What can be reached from `root` and wasn't seen before, each after all that it leads to."""
    if root in seen:
        return []
    seen.add(root)
    order: list[str] = []
    work = [(root, iter(graph[root]))]
    while work:
        path, following = work[-1]
        fresh = next((each for each in following if each not in seen), None)
        if fresh is None:
            order.append(path)
            work.pop()
        else:
            seen.add(fresh)
            work.append((fresh, iter(graph[fresh])))
    return order


def _mutual(graph: Mapping[str, Sequence[str]]) -> list[tuple[str, str, int, int]]:
    counts: Counter[tuple[str, str]] = Counter()
    for path, targets in graph.items():
        here = path.rpartition("/")[0]
        counts.update((here, there) for target in targets if (there := target.rpartition("/")[0]) != here)
    pairs = [
        (here, there, forth, counts[there, here])
        for (here, there), forth in counts.items()
        if here < there and counts[there, here] and not there.startswith(f"{here}/" if here else "")
    ]
    return sorted(pairs, key=lambda pair: (-min(pair[2:]), -max(pair[2:]), pair[:2]))
