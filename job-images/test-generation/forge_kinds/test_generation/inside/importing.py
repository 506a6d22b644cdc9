"""Which modules can be imported, and why the others can't: one that exits or hangs doesn't hide those after it."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any, Final

from forge_kinds.test_generation.inside.asked import Asked, Child
from forge_kinds.test_generation.inside.child import Told

MOST_DEATHS: Final = 10


def importable(asked: Asked) -> dict[str, Any]:
    """Path -> why it can't be imported, "" when it can."""
    child, found = Child(asked), {}
    left = dict(asked.options["modules"])
    for _ in range(MOST_DEATHS):
        ended = child.run("importing", {"modules": left})
        for step in ended.steps:
            path, _, outcome = step.partition("\t")
            if outcome and path in left:
                found[path] = "" if outcome == "imported" else outcome
                del left[path]
        if not left or child.left < 1:
            break
        culprit = next(iter(left))
        found[culprit] = f"importing it {ended.how}"
        del left[culprit]
    return {"modules": {**found, **dict.fromkeys(left, "there was no time to try it")}}


def main() -> None:
    """Import them all, in order."""
    told = Told()
    told.make_importable()
    tree = Path.cwd()
    for path, name in told.options["modules"].items():
        told.step(path)
        before = set(sys.modules)
        try:
            module = importlib.import_module(name)
        except BaseException as error:  # SystemExit too
            outcome = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
            for half in set(sys.modules) - before:  # what its package had imported before it failed
                del sys.modules[half]
        else:
            outcome = "imported" if _of(module, tree / path) else "another module of that name is in use here"
        told.step(f"{path}\t{outcome}")
    told.leave(True)
    sys.stdout.flush()
    os._exit(0)  # whatever they started or registered


def _of(module: Any, path: Path) -> bool:
    try:
        return bool(Path(module.__file__).samefile(path))
    except (AttributeError, TypeError, OSError):
        return False


if __name__ == "__main__":
    main()
