"""hypothesis' tables of characters, which take seconds to make: an image brings them, and each run has a copy.

`python -m forge_kinds.test_generation.inside.tables FOLDER` makes them in a folder of Python's path.
"""

import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from hypothesis import given, settings, strategies

NAME: Final = "hypothesis_tables"
_KEPT: Final = Path(".hypothesis/unicode_data")
"""Where hypothesis keeps them, seen from the folder in which it was imported."""


def lay_out() -> None:
    """Have them read before anything is watched. Where nobody brings some, hypothesis makes them."""
    for folder in sys.path:
        if (made := Path(folder, NAME)).is_dir():
            with suppress(OSError):
                shutil.copytree(made, _KEPT, dirs_exist_ok=True, copy_function=shutil.copyfile)
            break
    _use()


def make(folder: Path) -> None:
    """For all runs to come; leaves hypothesis' own in the working folder."""
    _use()
    shutil.copytree(_KEPT, folder / NAME, dirs_exist_ok=True, copy_function=shutil.copyfile)  # for everybody


def _use() -> None:
    @settings(database=None, max_examples=1, derandomize=True)
    @given(strategies.text())
    def nothing(_text: str) -> None: ...

    nothing()


if __name__ == "__main__":
    make(Path(sys.argv[1]))
