"""Layers of Python modules as a job declares them: which imports go from a lower layer to a higher one. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from forge_kinds.analysis.imports import Import
from forge_kinds.analysis.structure import Files

Layers = Sequence[Sequence[str]]
"""Modules and packages by name, the highest layer first."""
MAX_BREACHES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Breach:
    """An import of `module`, which lies above; `layer` and `above` are the declared names that decide."""

    path: str
    line: int
    name: str
    layer: str
    above: str


@dataclass(frozen=True)
class Layering:
    """`unknown` are declared names that no module fits."""

    layers: Layers
    modules: tuple[int, ...]
    breaches: tuple[Breach, ...]
    unknown: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The summary's member `layers`: counts, and each layer from the top."""
        broken = [0] * len(self.layers)
        number = {name: at for at, layer in enumerate(self.layers) for name in layer}
        for breach in self.breaches:
            broken[number[breach.layer]] += 1
        layers = [
            {"names": list(names), "modules": modules, "importsOfHigherLayers": count}
            for names, modules, count in zip(self.layers, self.modules, broken, strict=True)
        ]
        counts = {"importsOfHigherLayers": len(self.breaches), "unknownNames": len(self.unknown)}
        return {**counts, "fromTheTop": layers}


def layering(imports: Mapping[str, Sequence[Import]], layers: Layers) -> Layering:
    """`imports` by path, as `imports_of` gives them; late ones count too, for a layer isn't only about loading."""
    files = Files(imports)
    height = {name: at for at, layer in enumerate(layers) for name in layer}
    fitting = {path: _fitting(files.names(path), height) for path in sorted(imports)}
    placed = {path: max(names, key=_says) for path, names in fitting.items() if names}
    modules = [0] * len(layers)
    for name in placed.values():
        modules[height[name]] += 1
    known = {name for names in fitting.values() for name in names}
    unknown = tuple(name for layer in layers for name in layer if name not in known)
    breaches = tuple(_breaches(imports, files, placed, height))[:MAX_BREACHES]
    return Layering(layers, tuple(modules), breaches, unknown)


def _breaches(
    imports: Mapping[str, Sequence[Import]], files: Files, placed: Mapping[str, str], height: Mapping[str, int]
) -> Iterator[Breach]:
    for path, layer in placed.items():
        found: dict[str, Breach] = {}
        for each in imports[path]:
            above = placed.get(files.target(path, each.name) or "")
            if above and height[above] < height[layer]:
                earlier = found.get(each.name)
                if earlier is None or each.line < earlier.line:
                    found[each.name] = Breach(path, each.line, each.name, layer, above)
        yield from sorted(found.values(), key=lambda breach: (breach.line, breach.name))


def _fitting(names: Iterable[str], height: Mapping[str, int]) -> set[str]:
    """The declared names that a module of these names is, or lies in."""
    lengths = {name.count(".") + 1 for name in height}
    parts = [name.split(".") for name in names]
    return {begun for each in parts for length in lengths if (begun := ".".join(each[:length])) in height}


def _says(name: str) -> tuple[int, str]:
    """By how much of a module a declared name says: `shop.store` is more than `shop`."""
    return (name.count("."), name)
