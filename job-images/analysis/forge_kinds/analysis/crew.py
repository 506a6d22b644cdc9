"""The worker processes, one a CPU: each is asked for one file at a time, so that a file which kills one is known."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Final

from forge_kinds.analysis.cpus import FILE_CPU_SECONDS, READY
from forge_kinds.analysis.inventory import SourceFile
from forge_kinds.analysis.measures import Measured
from forge_kinds.analysis.notes import Note
from forge_runner.report import Transient
from forge_runner.sources.bounded import PATIENCE, bare_environment

START_SECONDS: Final = 120.0
MAX_BROKEN: Final = 20
"""Files that may end a tool; when a repository has more of them, that tool is given up for the rest."""
_BROKEN: Final = Measured(notes=(Note.BROKE_TOOL,), opaque=True)

Done = Callable[[SourceFile], None]


class Worker:
    """One worker process, started again when a file has ended it."""

    def __init__(self, folder: Path, seconds: float = FILE_CPU_SECONDS * PATIENCE) -> None:
        self._folder = folder
        self._seconds = seconds
        self._child: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()

    def measure(self, root: Path, file: SourceFile) -> Measured:
        """The measures of one file, or that it broke the analyser."""
        child = self._started()
        request = {
            "file": os.fsdecode(os.fsencode(root) + b"/" + file.raw),
            "path": file.path,
            "known": file.language is not None,
            "analysed": file.analysed,
        }
        assert child.stdin is not None  # noqa: S101 - a pipe was asked for
        try:
            child.stdin.write(json.dumps(request) + "\n")
            child.stdin.flush()
        except BrokenPipeError:
            self.close()
            return _BROKEN
        if answer := self._next_answer(self._seconds):
            return Measured.decode(json.loads(answer))
        self.close()
        return _BROKEN

    def close(self) -> None:
        """End the process."""
        if self._child:
            self._child.kill()
            with self._child:
                self._child = None

    def _next_answer(self, seconds: float) -> str:
        try:
            return self._answers.get(timeout=seconds)
        except queue.Empty:
            return ""

    def _started(self) -> subprocess.Popen[str]:
        if self._child is None:
            self._answers = queue.Queue()
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "forge_kinds.analysis.worker"],
                cwd=self._folder,
                env=bare_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                errors="surrogateescape",
            )
            threading.Thread(target=_forward, args=(self._child.stdout, self._answers), daemon=True).start()
            if self._next_answer(START_SECONDS).strip() != READY:
                self.close()
                raise Transient("The analyser could not be started; the machine may be short of memory.")
        return self._child


def _forward(stream: IO[str], answers: "queue.Queue[str]") -> None:
    try:
        for line in stream:
            answers.put(line)
    except ValueError:
        pass  # closed while we read: the process was ended
    answers.put("")


def measure_all(
    root: Path, files: Sequence[SourceFile], folder: Path, workers: int, done: Done
) -> Mapping[SourceFile, Measured]:
    """Measure every file with `workers` processes; `done` is called as each one finishes."""
    waiting = iter(files)
    lock = threading.Lock()
    measured: dict[SourceFile, Measured] = {}
    broken: set[SourceFile] = set()

    def work() -> None:
        worker = Worker(folder)
        try:
            while True:
                with lock:
                    file = next(waiting, None)
                if file is None:
                    return
                result = worker.measure(root, file) if len(broken) < MAX_BROKEN else _BROKEN
                with lock:
                    measured[file] = result
                    broken.update([file] if result is _BROKEN else [])
                done(file)
        finally:
            worker.close()

    with ThreadPoolExecutor(workers) as pool:
        for crew in [pool.submit(work) for _ in range(workers)]:
            crew.result()
    return measured
