"""`python -P -m forge_kinds.test_generation.inside REQUEST NONCE`: answers one request of the runner, in one line.

The work is done by children, which may exit, hang or print as they like. The line is the last thing that is printed:
the nonce, then the answer as JSON, compressed, in base64.
"""

import base64
import json
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from forge_kinds.test_generation.inside.asked import Asked
from forge_kinds.test_generation.inside.importing import importable
from forge_kinds.test_generation.inside.running import measured
from forge_kinds.test_generation.inside.searching import searched

_ANSWERS: Final[dict[str, Callable[[Asked], dict[str, Any]]]] = {
    "import": importable,
    "measure": measured,
    "search": searched,
}


def main() -> None:
    """Answer the request that the file holds."""
    request, nonce = sys.argv[1:3]
    asked = Asked.of(json.loads(Path(request).read_bytes()))
    answer = _ANSWERS[asked.what](asked)
    packed = base64.b64encode(zlib.compress(json.dumps(answer).encode(), 9)).decode()
    sys.stdout.write(f"\n{nonce} {packed}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
