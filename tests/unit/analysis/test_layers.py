"""Declared layers: which imports go upwards, and which names are no modules."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_kinds.analysis.config import AnalysisConfig
from forge_kinds.analysis.imports import Import, imports_of
from forge_kinds.analysis.languages import PYTHON
from forge_kinds.analysis.layers import Layering, Layers, layering
from forge_kinds.analysis.lines import natures
from forge_runner.report import Permanent

LAYERS = (("shop.web",), ("shop.orders", "shop.stock"), ("shop.store",))


def of(layers: Layers, **files: str) -> Layering:
    """Files by their paths, with `__` for a slash; each folder is a package."""
    texts = {f"{name.replace('__', '/')}.py": text.split("\n") for name, text in files.items()}
    packages = {f"{path.rpartition('/')[0]}/__init__.py": [""] for path in texts if "/" in path}
    return layering(
        {path: imports_of(lines, natures(lines, PYTHON)) for path, lines in {**packages, **texts}.items()}, layers
    )


def breaches(layers: Layers, **files: str) -> list[tuple[str, int, str, str]]:
    return [(each.path, each.line, each.layer, each.above) for each in of(layers, **files).breaches]


FILES = {"shop__web": "", "shop__orders": "", "shop__stock": "", "shop__store": ""}


@pytest.mark.parametrize(
    "text",
    [
        "import shop.web",
        "from shop import web",
        "from . import web",
        "from shop.web import page",
        "from .web import page",
        "try:\n    import shop.web\nexcept ImportError: pass",
        "if TYPE_CHECKING:\n    from shop.web import Page",
    ],
)
def test_an_import_of_a_higher_layer_is_told_however_it_is_written(text: str) -> None:
    assert [each[2:] for each in breaches(LAYERS, **{**FILES, "shop__store": text})] == [("shop.store", "shop.web")]


def test_a_late_import_is_told_with_its_line() -> None:
    late = "import os\n\ndef f():\n    from shop.web import page\n    return page"
    assert breaches(LAYERS, **{**FILES, "shop__store": late}) == [("shop/store.py", 4, "shop.store", "shop.web")]


def test_an_import_at_the_margin_and_a_late_one_of_the_same_are_one() -> None:
    twice = "def f():\n    import shop.web\nimport shop.web"
    assert breaches(LAYERS, **{**FILES, "shop__store": twice}) == [("shop/store.py", 2, "shop.store", "shop.web")]


def test_downwards_and_sideways_is_free_and_so_is_what_has_no_layer() -> None:
    free = {"shop__web": "import shop.store", "shop__orders": "import shop.stock", "shop__other": "import shop.web"}
    assert breaches(LAYERS, **{**FILES, **free}) == []


def test_a_packages_modules_are_of_its_layer_and_a_longer_name_says_more() -> None:
    layers = (("shop.web",), ("shop.store",), ("shop",))
    files = {"shop__web__page": "", "shop__store__sql": "import shop.web.page", "shop__base": "import shop.store.sql"}
    assert breaches(layers, **files) == [
        ("shop/base.py", 1, "shop", "shop.store"),
        ("shop/store/sql.py", 1, "shop.store", "shop.web"),
    ]
    assert [each["modules"] for each in of(layers, **files).document()["fromTheTop"]] == [2, 2, 2]


def test_a_name_that_only_begins_alike_is_another_module() -> None:
    assert of((("shop.we",), ("shop.store",)), **FILES).unknown == ("shop.we",)


def test_names_that_are_no_modules_are_told() -> None:
    told = of((("shop.web", "shop.wbe"), ("elsewhere",)), **FILES)
    assert (told.unknown, told.modules) == (("shop.wbe", "elsewhere"), (1, 0))


def test_the_document_counts_by_layer() -> None:
    files = {**FILES, "shop__store": "import shop.web\nimport shop.stock"}
    told = of(LAYERS, **files).document()
    assert (told["importsOfHigherLayers"], told["unknownNames"]) == (2, 0)
    assert told["fromTheTop"][2] == {"names": ["shop.store"], "modules": 1, "importsOfHigherLayers": 2}


NAMES = ["a", "b", "c", "d"]


@given(
    st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=4)),
    st.permutations(NAMES),
)
def test_an_import_is_told_exactly_when_it_goes_up(graph: dict[str, list[str]], order: list[str]) -> None:
    imports = {f"{name}.py": [Import(each, 1) for each in graph.get(name, ())] for name in NAMES}
    up = {(name, each) for name, targets in graph.items() for each in targets if order.index(each) < order.index(name)}
    told = layering(imports, [(name,) for name in order]).breaches
    assert {(each.layer, each.above) for each in told} == up


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        ([["a"]], "config.layers"),
        ([["a"], []], "config.layers.1"),
        ([["a"], ["b", "a"]], "'a' stands in two places"),
        ([["a"], ["../b"]], "config.layers.1.0"),
        ([["a"], ["b."]], "config.layers.1.0"),
        ([["a"], ["b" * 201]], "config.layers.1.0"),
        ([["a"]] * 21, "config.layers"),
        ([[f"a{n}" for n in range(11)], ["b"]], "config.layers.0"),
        (["a", "b"], "config.layers.0"),
    ],
)
def test_layers_that_cannot_be_followed_are_refused_with_their_place(layers: Any, sentence: str) -> None:
    with pytest.raises(Permanent, match=sentence):
        AnalysisConfig.read({"layers": layers})


def test_analyses_with_other_layers_are_not_comparable() -> None:
    plain, layered = AnalysisConfig(), AnalysisConfig.read({"layers": [["b", "a"], ["c"]]})
    assert "layers" not in plain.scope()
    assert layered.scope()["layers"] == ["a b", "c"]


def test_twenty_thousand_modules_are_placed() -> None:
    imports = {f"p/m{n}.py": (Import(f"m{n + 1}", 1),) for n in range(20_000)}
    told = layering(imports, [[f"m{n}"] for n in range(19, -1, -1)])
    assert (len(told.breaches), sum(told.modules)) == (19, 20)
