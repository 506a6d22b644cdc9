"""The worker process: one file's request a line in, one file's measures a line out.

Started with `-P` from a neutral folder, so that no file of the repository can be imported, and with little address
space, so that a file which makes an analyser grow ends this process and not the pod.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Final

from forge_runner.kinds.analysis.languages import language_of
from forge_runner.kinds.analysis.measures import Measured
from forge_runner.kinds.analysis.measuring import measure
from forge_runner.kinds.analysis.notes import Note

ADDRESS_SPACE: Final = 2 * 1024**3


def main() -> None:
    """Answer until standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        request = json.loads(line)
        sys.stdout.write(json.dumps(_answer(request).encode()) + "\n")
        sys.stdout.flush()


def _answer(request: dict[str, str | bool]) -> Measured:
    language = language_of(str(request["path"])) if request["known"] else None
    try:
        return measure(Path(str(request["file"])), str(request["path"]), language, analysed=bool(request["analysed"]))
    except FileNotFoundError:
        return Measured(notes=(Note.MISSING,), opaque=True)
    except (OSError, MemoryError, RecursionError):
        return Measured(notes=(Note.BROKE_TOOL,), opaque=True)


if __name__ == "__main__":
    main()
