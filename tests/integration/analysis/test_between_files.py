"""What only several files together show, through the whole analysis: unused code and declared layers."""

import json
from typing import Any

import pytest
from jsonschema import Draft4Validator

from tests.integration.analysis.conftest import Analyse, Analysed
from tests.integration.analysis.test_baselines import SCHEMA, Compare, compared
from tests.integration.workspace.repositories import Content

__all__ = ["compared"]

SHOP: dict[bytes, Content] = {
    b"pyproject.toml": b'[project.scripts]\nshop = "shop.web:serve"\n',
    b"shop/__init__.py": b"",
    b"shop/web.py": b"from shop.store import load\n\n\ndef serve():\n    return load()\n\n\n"
    b"def old_page():\n    return 1\n",
    b"shop/store.py": b"class Store:\n    def find(self):\n        return 1\n        print()\n\n    def never(self):\n"
    b"        return 2\n\n\ndef load():\n    from shop.web import serve\n\n    return serve, Store().find()\n",
    b"tests/test_shop.py": b"class TestShop:\n    def helper(self):\n        pass\n",
}
LAYERS = [["shop.web"], ["shop.store"]]


def found(result: Analysed, prefix: str = "forge/un") -> dict[str, tuple[str, int, str]]:
    return {
        each["rule"]: (each["path"], each["line"], each["severity"])
        for each in result.findings
        if each["rule"].startswith(prefix)
    }


@pytest.fixture
def shop(analysed: Analyse) -> Analysed:
    """A shop with an unused function, an unused method, unreachable code and an import upwards."""
    return analysed(SHOP, layers=LAYERS)


def test_unused_and_unreachable_code_is_told_with_its_place(shop: Analysed) -> None:
    assert found(shop) == {
        "forge/unused-function": ("shop/web.py", 8, "info"),
        "forge/unused-method": ("shop/store.py", 6, "info"),
        "forge/unreachable-code": ("shop/store.py", 4, "low"),
    }


def test_its_confidence_is_told_in_words_in_the_report_and_in_sarif(shop: Analysed) -> None:
    [told] = [each["message"] for each in shop.findings if each["rule"] == "forge/unused-method"]
    assert told == "Maybe unused: no file names the method Store.never (by vulture, 60 % confidence)."
    rules = shop.artifact("report.json")["rules"]
    assert {name: rules[name]["confidence"] for name in found(shop)} == {
        "forge/unused-function": 60, "forge/unused-method": 60, "forge/unreachable-code": 100,
    }  # fmt: skip
    sarif = shop.artifact("results.sarif")
    Draft4Validator(json.loads(SCHEMA.read_text())).validate(sarif)
    precision = {rule["id"]: rule["properties"]["precision"] for rule in sarif["runs"][0]["tool"]["driver"]["rules"]}
    assert (precision["forge/unused-method"], precision["forge/unreachable-code"]) == ("medium", "high")
    assert "vulture" in shop.summary["tools"]


def test_an_import_of_a_higher_layer_is_told_with_its_place(shop: Analysed) -> None:
    assert found(shop, "forge/layer") == {"forge/layer": ("shop/store.py", 11, "medium")}
    assert shop.summary["layers"] == {
        "importsOfHigherLayers": 1,
        "unknownNames": 0,
        "fromTheTop": [
            {"names": ["shop.web"], "modules": 1, "importsOfHigherLayers": 0},
            {"names": ["shop.store"], "modules": 1, "importsOfHigherLayers": 1},
        ],
    }
    assert "unknown-modules" not in shop.notes


def test_neither_costs_anything_but_both_are_recommended(analysed: Analyse, shop: Analysed) -> None:
    plain = analysed(SHOP, paths=["shop", "tests", "pyproject.toml"])
    assert (set(found(plain)), found(plain, "forge/layer")) == ({"forge/unreachable-code"}, {})
    assert shop.summary["score"] == plain.summary["score"]
    advised = {each["rule"]: each for each in shop.summary["recommendations"]}
    assert {advised[rule]["pointsGained"] for rule in ("forge/unused-function", "forge/layer")} == {0}
    assert shop.summary["findings"]["total"] == sum(shop.summary["findings"]["bySeverity"].values())
    costly = sum(each["findings"] for each in shop.summary["score"]["dimensions"].values())
    assert shop.summary["findings"]["total"] - costly == 3


def test_names_that_are_no_modules_are_a_note_and_no_failure(analysed: Analyse) -> None:
    result = analysed(SHOP, layers=[["shop.web", "shop.wbe"], ["elsewhere"]])
    assert result.notes["unknown-modules"] == ["elsewhere", "shop.wbe"]
    [told] = [note["message"] for note in result.summary["notes"] if note["code"] == "unknown-modules"]
    assert told == "2 names of config.layers are no Python module that was analysed; mend them there"


def test_layers_of_a_repository_without_python_are_unknown(analysed: Analyse) -> None:
    result = analysed({b"a.js": b"f();\n"}, layers=LAYERS)
    assert result.notes["unknown-modules"] == ["shop.store", "shop.web"]


def test_unused_code_is_not_told_of_a_part(analysed: Analyse) -> None:
    result = analysed(SHOP, paths=["shop"])
    assert set(found(result)) == {"forge/unreachable-code"}
    assert "no-dead-code-of-a-part" in result.notes


def test_a_repositorys_own_settings_of_vulture_are_not_obeyed(analysed: Analyse) -> None:
    settings: dict[bytes, Content] = {
        b"pyproject.toml": b'[tool.vulture]\nignore_names = ["old*"]\nexclude = ["*.py"]\nmin_confidence = 100\n',
        b"whitelist.py": b"# nothing of vulture's is imported from here\n",
        b"vulture.py": b"raise SystemExit\n",
    }
    assert "forge/unused-function" in found(analysed({**SHOP, **settings}))


def test_a_name_that_loses_its_last_use_elsewhere_is_new(compared: Compare) -> None:
    before: dict[bytes, Content] = {
        b"a.py": b"def helper():\n    return 1\n",
        b"b.py": b"from a import helper\nprint(helper())\n",
    }
    told = compared(before, {**before, b"b.py": b"print(1)\n"}, gate={"noNew": "low"})
    states = {each["rule"]: (each["path"], each["state"]) for each in told.findings}
    assert states == {"forge/unused-function": ("a.py", "new")}
    assert told.summary["gate"]["verdict"] == "passed"
    back = compared({**before, b"b.py": b"print(1)\n"}, before).summary["baseline"]
    assert (back["new"]["total"], back["fixed"]["total"]) == (0, 1)


def test_an_import_upwards_that_a_change_brings_fails_a_gate(compared: Compare) -> None:
    before: dict[bytes, Content] = {b"a.py": b"", b"b.py": b"x = 1\n", b"c.py": b"import a\n"}
    config: dict[str, Any] = {"layers": [["a"], ["b", "c"]], "gate": {"noNew": "medium"}}
    told = compared(before, {**before, b"b.py": b"import a\n\nx = a\n"}, **config)
    layers = {each["path"]: each["state"] for each in told.findings if each["rule"] == "forge/layer"}
    assert layers == {"b.py": "new", "c.py": "unchanged"}
    assert told.summary["gate"]["verdict"] == "failed"


def test_a_signature_that_changes_is_no_new_unused_function(compared: Compare) -> None:
    told = compared({b"a.py": b"def f():\n    pass\n"}, {b"a.py": b"\n\ndef f(x=1):\n    pass\n"})
    assert told.summary["baseline"]["new"]["total"] == 0


HOSTILE: dict[bytes, Content] = {
    b"brackets.py": b"x = " + b"(\n" * 50_000 + b"helper" + b"\n)" * 50_000,
    b"attributes.py": b"x = a" + b"\\\n.helper" * 20_000 + b"\n",
    b"bytes.py": b"# \xff\xfe\nhelper()\n",
    b"large.py": b"helper()\n" + b"x = 1\n" * 100_000,
    b"classes.py": b"class A(A):\n    pass\n" * 1_000,
    b"braces.html": b"{{" * 9_000 + b"\n" + b"{{" * 9_000,
    b"odd\xff.py": b"def odd():\n    pass\n",
}


def test_hostile_files_end_in_a_result_and_their_words_count_as_used(analysed: Analyse) -> None:
    files: dict[bytes, Content] = {**HOSTILE, b"a.py": b"def helper():\n    pass\n\n\ndef spare():\n    pass\n"}
    result = analysed(files)
    told = {(each["path"], each["message"]) for each in result.findings if each["rule"] == "forge/unused-function"}
    assert {path for path, _ in told} == {"a.py", "odd\\xff.py"}
    assert not any("helper" in message for _, message in told)
    assert result.notes["not-searched-for-dead-code"] == ["large.py"]
