"""The kind's side of the pipe: one attempt of one kind, in a process forked ahead, or by
`python -P -m forge_runner.child FD WORKDIR OUT`.

This process has neither token nor Redis password. Whatever happens it says so on the pipe, if it still can.
"""

import json
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from forge_core.assignment import MAX_BYTES, Assignment
from forge_core.exits import FailureClass
from forge_core.messages import MAX_LINE
from forge_runner.kinds import KINDS, Kind
from forge_runner.pipe import MAX_ACCOUNT, MAX_MESSAGE, MAX_WAIT, encode_line
from forge_runner.report import Permanent, Transient
from forge_runner.result_files import Unfit, write_result

FLUSH_SECONDS: Final = 0.1
_OOM_ADJUST: Final = 100


class PipeReport:
    """Report over a file descriptor. Progress is coalesced (a thread writes the newest), lines are written at once."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._latest: dict[str, object] | None = None
        self._closing = threading.Event()
        self._flusher = threading.Thread(target=self._flush_regularly, daemon=True)
        self._flusher.start()

    def progress(self, stage: str, percent: float, message: str = "") -> None:
        """See Report."""
        self._latest = {"type": "progress", "stage": stage[:63], "percent": percent, "message": message[:500]}

    def log(self, line: str) -> None:
        """See Report."""
        self._write({"type": "log", "line": line[:MAX_LINE]})

    def finished(self) -> None:
        """The result is complete."""
        self._close({"type": "finished"})

    def failed(self, failure_class: FailureClass, message: str, **more: object) -> None:
        """The attempt failed; `more` is what pipe.Failed has besides."""
        self._close({"type": "failed", "failure_class": failure_class, "message": message[:MAX_MESSAGE], **more})

    def _close(self, last: dict[str, object]) -> None:
        self._closing.set()
        self._flusher.join()
        self._flush()
        self._write(last)

    def _flush_regularly(self) -> None:
        while not self._closing.wait(FLUSH_SECONDS):
            self._flush()

    def _flush(self) -> None:
        latest, self._latest = self._latest, None
        if latest is not None:
            self._write(latest)

    def _write(self, fields: dict[str, object]) -> None:
        line = encode_line(fields)
        with self._lock:
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except BrokenPipeError:
                os._exit(1)  # the shell is gone: nobody wants this work any more


def _be_the_first_to_go() -> None:
    """Under memory pressure the kernel shall end this process rather than the shell, which can then say why."""
    file = Path("/proc/self/oom_score_adj")
    try:
        file.write_text(str(min(1000, int(file.read_text()) + _OOM_ADJUST)))
    except (OSError, ValueError):
        return


def _fitting(account: dict[str, Any], report: PipeReport) -> dict[str, Any]:
    """An account that is too large is worth less than the failure that it goes with."""
    if len(json.dumps(account)) <= MAX_ACCOUNT:
        return account
    report.log(f"what the attempt tells of its failure is over {MAX_ACCOUNT} bytes and was left out")
    return {}


def _kind(kinds: Mapping[str, Kind], name: str) -> Kind:
    kind = kinds.get(name)
    if kind is None:
        raise Permanent(f"This image can't do {name!r}: set the queue's image to one that can.")
    return kind


def attempt(kinds: Mapping[str, Kind], descriptor: int, workdir: Path, out: Path, text: str) -> None:
    """Do what the assignment of this text says; the report goes to `descriptor`, the result to the folder `out`."""
    os.set_inheritable(descriptor, False)
    _be_the_first_to_go()
    report = PipeReport(descriptor)
    try:
        assignment = Assignment.decode(text)
        write_result(out, _kind(kinds, assignment.kind)(assignment, workdir, report))
    except Permanent as error:
        report.failed(FailureClass.PERMANENT, str(error), account=_fitting(error.account, report))
    except Transient as error:
        account, wait = _fitting(error.account, report), min(error.wait, MAX_WAIT)
        report.failed(FailureClass.TRANSIENT, str(error), account=account, wait=wait)
    except Unfit as error:
        report.failed(FailureClass.PERMANENT, f"The result can't be stored: {error}.")
    except MemoryError:
        report.failed(FailureClass.OUT_OF_MEMORY, "The attempt ran out of memory: choose a larger resourceClass.")
    except Exception as error:
        for line in traceback.format_exc().splitlines():
            report.log(line)
        report.failed(FailureClass.TRANSIENT, f"Unexpected {type(error).__name__}: {error}")
    else:
        report.finished()


def main(kinds: Mapping[str, Kind] = KINDS) -> None:
    """Run one attempt; the assignment comes by standard input."""
    descriptor, workdir, out = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    attempt(kinds, descriptor, workdir, out, sys.stdin.read(MAX_BYTES + 1))


if __name__ == "__main__":
    main()
