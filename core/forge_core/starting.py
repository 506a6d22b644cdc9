"""How a Python program begins and ends.

What it imports stays, so the garbage collector need not look at it, now or ever; and at the end nobody takes it apart
piece by piece, which is a fifth of what a runner costs that has nothing to do: the kernel takes the whole. Nor does
pydantic look through all that is installed for plugins of its own, which we have none of.
"""

import atexit
import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

_codes: list[int] = []


def start(program: str) -> NoReturn:
    """Import the module `program`, and exit with what its `main()` returns."""
    atexit.register(_at_last)  # the first to be registered is the last to be called
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.disable()
    main = import_module(program).main
    gc.freeze()
    gc.enable()
    leave(main())


def leave(code: int) -> NoReturn:
    """Exit as `sys.exit` does, also from a process that was forked from a started one: what is under way ends as usual.

    Threads are waited for, what is registered for the end is called, and what was written is flushed.
    """
    _codes.append(code)
    sys.exit(code)


def _at_last() -> None:
    if not _codes:
        return  # an exception ends this program: Python tells it, and knows the code
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever read it is gone, or it was closed
            stream.flush()
    os._exit(_codes[-1])
