"""Repositories that lie, hang, flood, exit or write: they get no tests or worthless ones; nothing else is touched."""

import json
from typing import Any

import pytest

from forge_kinds.test_generation import measuring
from tests.integration.test_generation.conftest import Generate, Generated
from tests.services.sandbox import SandboxServer

SIGN = b"def sign(number: int) -> str:\n    if number < 0:\n        return 'minus'\n    return 'plus'\n"
FAST: dict[str, Any] = {"targets": ["good"], "budget": "4m"}


def covered(done: Generated, path: str) -> float:
    """Percent of a file's lines in the end."""
    files = json.loads(done.artifact("coverage.json"))["files"]
    (percent,) = [each["after"]["lines"]["percent"] for each in files if each["path"] == path]
    return float(percent)


def test_modules_that_exit_hang_or_raise_do_not_hide_those_that_can_be_imported(
    generated: Generate, monkeypatch: pytest.MonkeyPatch, server: SandboxServer
) -> None:
    monkeypatch.setattr(measuring, "IMPORT_SECONDS", 4.0)
    done = generated(
        {
            b"a_exits.py": b"import os\nos._exit(0)\n",
            b"b_raises.py": b"raise SystemExit('never')\n",
            b"c_hangs.py": b"while True:\n    pass\n",
            b"d_floods.py": b"import sys\nfor _ in range(20000):\n    sys.stdout.write('x' * 1000 + chr(10))\n",
            b"good.py": SIGN,
        }
    )
    assert covered(done, "good.py") == 100.0, done.log
    assert {test["target"] for test in done.tests} == {"good"}
    (note,) = [each for each in done.summary["notes"] if each["code"] == "not-importable"]
    assert note["paths"] == ["a_exits.py", "b_raises.py", "c_hangs.py"]
    assert "a_exits.py can't be imported: importing it ended with code 0" in done.log
    assert "b_raises.py can't be imported: SystemExit: never" in done.log
    assert server.others() == []


FORGES = b"""import atexit, base64, glob, json, os, sys, zlib

forged = {"runs": [{"exit": 0, "how": "", "outcomes": {}, "why": {}, "effects": {}}],
          "coverage": {"good.py": {"statements": [1], "branches": [], "lines": [1], "arcs": []},
                       "../../etc/passwd": {"statements": [1], "branches": [], "lines": [], "arcs": []}},
          "imported": {}, "contexts": {}, "modules": {"good.py": "", "/etc/passwd": ""}}
packed = base64.b64encode(zlib.compress(json.dumps(forged).encode())).decode()
print("0" * 32, packed)
print(packed)
for name in ("tests/generated/test_generated_good.py", "good.py", "../../tests.patch", "../../kept/x"):
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    try:
        with open(name, "w") as file:
            file.write("raise SystemExit('evil')")
    except OSError:
        pass
"""


def test_forged_answers_and_files_of_a_module_reach_nothing(generated: Generate, server: SandboxServer) -> None:
    done = generated({b"evil.py": FORGES, b"good.py": SIGN, b"tests/test_evil.py": FORGES}, **FAST)
    assert done.artifact("tests.patch").count(b"evil") == 0
    assert b"passwd" not in done.artifact("coverage.json")
    assert (done.after / "good.py").read_bytes() == SIGN
    assert all(path.startswith("tests/generated/") for path in done.summary["tests"]["files"])
    # Its own tests replace the new file while they run: what can't be verified isn't delivered.
    assert done.summary["tests"]["kept"] == len(done.summary["tests"]["files"]) == 0, done.log
    assert server.others() == []


UNSTEADY = b'''import os
import random
import time


def drawn(number: int) -> str:
    """Another value each time."""
    return str(random.random()) + str(number)


def now(number: int) -> bool:
    """The clock."""
    return time.time() > number


def hashed(text: str) -> int:
    """Another value in each process."""
    return hash("x" + text)


def written(number: int) -> int:
    """Leaves a file."""
    with open("left-behind.txt", "w") as file:
        file.write(str(number))
    return 1


def zone(number: int) -> str:
    """By the time zone."""
    return time.tzname[0] + str(number)


def good(number: int) -> str:
    if number < 0:
        return "minus"
    return "plus"
'''


def test_tests_that_are_not_the_same_each_time_or_reach_out_are_dropped(generated: Generate) -> None:
    done = generated({b"unsteady.py": UNSTEADY})
    assert done.summary["tests"]["kept"] >= 1, done.log
    source = done.source()
    for name in ("drawn(", "now(", "hashed(", "written("):
        assert f"unsteady.{name}" not in source.replace("unsteady_.", "unsteady."), done.artifact("tests.json")
    assert "_pynguin" not in source
    assert "UTC" not in source, "of zone() only that it gives a text is the same each time"
    why = " ".join(done.why)
    assert "it depends on the clock (time)" in why or "it writes files (open)" in why, why
    assert done.passes()
    assert not (done.after / "left-behind.txt").exists()


def test_own_tests_that_flood_die_or_break_are_told_and_hide_no_others(generated: Generate) -> None:
    files = {
        b"good.py": SIGN,
        b"tests/conftest.py": b"raise RuntimeError('broken')\n",
        b"tests/test_own.py": b"import good, os\n\n\ndef test_dies():\n    os.abort()\n\n\n"
        b"def test_floods():\n    print('x' * 50_000_000)\n\n\ndef test_good():\n    assert good.sign(1) == 'plus'\n",
        b"setup.cfg": b"[tool:pytest]\naddopts = --no-such-option\nfilterwarnings = error\n",
    }
    done = generated(files, **FAST)
    assert covered(done, "good.py") == 100.0, done.log
    assert "were run without the repository's addopts" in done.log
    assert "were run without the repository's conftest.py" in done.log
    assert done.summary["ownTests"].get("failed", 0) >= 1
    assert json.loads(done.artifact("coverage.json"))["files"][0]["path"] == "good.py"
