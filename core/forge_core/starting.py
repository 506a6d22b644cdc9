"""How a Python program begins: what it imports stays, so the garbage collector need not look at it, now or ever.

Nor does pydantic look through all that is installed for plugins of its own, which we have none of.
"""

import gc
import os
import sys
from importlib import import_module
from typing import NoReturn


def start(program: str) -> NoReturn:
    """Import the module `program`, and exit with what its `main()` returns."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.disable()
    main = import_module(program).main
    gc.freeze()
    gc.enable()
    sys.exit(main())
