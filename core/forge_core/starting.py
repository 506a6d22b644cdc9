"""How a Python program begins: what it imports stays, so the garbage collector need not look at it, now or ever."""

import gc
import sys
from importlib import import_module
from typing import NoReturn


def start(program: str) -> NoReturn:
    """Import the module `program`, and exit with what its `main()` returns."""
    gc.disable()
    main = import_module(program).main
    gc.freeze()
    gc.enable()
    sys.exit(main())
