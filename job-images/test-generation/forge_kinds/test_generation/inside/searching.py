"""Texts of tests for one module: what pynguin finds by search, and properties for pure functions."""

import tempfile
from pathlib import Path
from typing import Any, Final

from forge_kinds.test_generation.inside.asked import Asked, Child

MAX_TEXT: Final = 192 * 1024


def searched(asked: Asked) -> dict[str, Any]:
    """`properties` and `characterisations`: texts of pytest modules; `said`: what a reader should know of it."""
    child, module, seed = Child(asked), asked.options["module"], asked.options["seed"]
    same: dict[str, str] = {"PYTHONHASHSEED": "0", "TZ": "UTC0"}
    said = []
    properties = child.run("properties", {"module": module, "path": asked.options["path"]}, same)
    if properties.told is None:
        said.append(f"looking for properties {properties.how}")
    folder = Path(tempfile.mkdtemp(prefix="forge-"))
    options = {
        "module": module, "seed": seed, "project": str(Path(asked.options["root"]).absolute()), "folder": str(folder),
        "search": asked.options["search"], "lines": asked.options["lines"],
    }  # fmt: skip
    pynguin = child.run("exploring", options, {**same, "PYNGUIN_DANGER_AWARE": "1"})
    text = _text(folder)
    if not text:
        said.append(f"pynguin {pynguin.how}" if pynguin.code != 0 else "pynguin found no test")
    return {"properties": (properties.told or "")[:MAX_TEXT], "characterisations": text, "said": said}


def _text(folder: Path) -> str:
    """What pynguin wrote; nothing when it is too long, for half a module is none."""
    for path in sorted(folder.glob("test_*.py")):
        with path.open("rb") as stream:
            body = stream.read(MAX_TEXT + 1)
        return body.decode(errors="replace") if len(body) <= MAX_TEXT else ""
    return ""
