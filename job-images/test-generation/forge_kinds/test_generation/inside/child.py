"""The other side of asked.Child: how a child reads what it is told, says where it is, and leaves its result."""

import json
import os
import site
import sys
from pathlib import Path
from typing import Any


class Told:
    """The options of one child."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = json.loads(Path(sys.argv[1]).read_bytes())
        # Held open: a test that runs out of descriptors or changes the folder is none of ours to suffer from.
        self._steps = os.open(self.options["steps"], os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._result = os.open(self.options["result"], os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def make_importable(self) -> None:
        """The repository's modules before all others, what was installed after the image's own.

        To be called when this program has imported what it needs itself.
        """
        if self.options["packages"]:
            site.addsitedir(self.options["packages"])
        sys.path[:0] = self.options["roots"]

    def step(self, name: str) -> None:
        """What begins now."""
        os.write(self._steps, f"{name}\n".encode(errors="replace"))

    def leave(self, result: Any) -> None:
        """The result; the last thing that is done."""
        body = json.dumps(result).encode()
        while body:
            body = body[os.write(self._result, body) :]
