"""How fast this machine is: seconds of a fixed piece of work, beside which every limit in seconds is read."""

import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Final

TRIES: Final = 3
RUFF: Final = (
    *(sys.executable, "-m", "ruff", "check", "--isolated", "--select", "ALL", "--no-cache", "--exit-zero", "--quiet"),
    *("--no-respect-gitignore", "--config", "exclude = []"),  # the tree lies in an ignored folder
)


def fixed_tree() -> Path:
    """About 100,000 lines of Python whose version uv.lock pins: SQLAlchemy's package."""
    found = find_spec("sqlalchemy")
    assert found
    assert found.origin
    return Path(found.origin).parent


def calibration_s(tree: Path | None = None) -> float:
    """The best of three runs of ruff with all rules over `tree`, nothing cached and no configuration obeyed."""
    times = []
    for _ in range(TRIES):
        begun = time.perf_counter()
        subprocess.run([*RUFF, tree or fixed_tree()], check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    return round(min(times), 3)
