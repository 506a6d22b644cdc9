"""The worker process: one file's request a line in, one file's measures a line out.

Started with `-P` from a neutral folder, so that no file of the repository can be imported, and with little address
space, so that a file which makes an analyser grow ends this process and not the pod.
"""

import json
import resource
import signal
import sys
from pathlib import Path

from forge_kinds.analysis import offline  # noqa: F401 - first: it takes effect on what follows
from forge_kinds.analysis.cpus import FILE_CPU_SECONDS, READY
from forge_kinds.analysis.languages import language_of
from forge_kinds.analysis.leaks import secret_kinds
from forge_kinds.analysis.measures import Measured
from forge_kinds.analysis.measuring import measure
from forge_kinds.analysis.notes import Note
from forge_runner.sources.bounded import ADDRESS_SPACE


def main() -> None:
    """Answer until standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    secret_kinds()  # loads the detectors: a process that can't is known before the first file
    _say(READY)
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, FILE_CPU_SECONDS)  # ends this process, whatever it is in the midst of
        answer = json.dumps(_answer(json.loads(line)).encode())
        signal.setitimer(signal.ITIMER_PROF, 0)
        _say(answer)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
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
