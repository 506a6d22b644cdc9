"""The process that reads files: a request a line in, an answer a line out. A file may end it.

Started with `-P` from a neutral folder, so that no file of the repository can be imported; it parses and never runs.
"""

import json
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from forge_kinds.refactoring.asking import FILE_CPU_SECONDS
from forge_kinds.refactoring.complexity import functions_of

Answer = dict[str, Any]


def _measure(request: dict[str, Any]) -> Answer:
    return {"functions": [list(each) for each in functions_of(Path(request["file"]).read_bytes().decode())]}


_QUESTIONS: Final[dict[str, Callable[[dict[str, Any]], Answer]]] = {"measure": _measure}


def main() -> None:
    """Answer until standard input ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for line in sys.stdin:
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, FILE_CPU_SECONDS)  # ends this process, whatever it is in the midst of
        try:
            answer = _QUESTIONS[request["ask"]](request)
        except (OSError, MemoryError, RecursionError, ValueError, SyntaxError) as error:
            answer = {"failed": type(error).__name__}
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
