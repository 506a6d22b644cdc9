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


def _rename(request: dict[str, Any]) -> Answer:
    from forge_kinds.refactoring.references import Sought, Unsure, mentions, renamed  # noqa: PLC0415 - slow to import

    text, module = Path(request["file"]).read_bytes().decode(), request["modules"][request["path"]]
    package = module if Path(request["path"]).stem == "__init__" else module.rpartition(".")[0]
    sought = Sought(module, package, frozenset(request["symbols"]), request["old"], request["new"])
    try:
        found = renamed(text, sought)
    except Unsure as error:
        return {"unsure": str(error), "line": error.line}
    return {**found.document(), "left": mentions(found.text, sought.old)}


def _extract(request: dict[str, Any]) -> Answer:
    from forge_kinds.refactoring.extracting import extracted  # noqa: PLC0415 - only when it is asked for

    return extracted(Path(request["file"]).read_bytes().decode(), int(request["limit"])).document()


_QUESTIONS: Final[dict[str, Callable[[dict[str, Any]], Answer]]] = {
    "measure": _measure,
    "rename": _rename,
    "extract": _extract,
}


def main() -> None:
    """Answer until standard input ends."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for line in sys.stdin:
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, FILE_CPU_SECONDS)  # ends this process, whatever it is in the midst of
        try:
            answer = _QUESTIONS[request["ask"]](request)
        except Exception as error:
            answer = {"failed": type(error).__name__}
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
