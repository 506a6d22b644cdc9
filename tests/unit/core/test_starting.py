"""How a program begins: with its own exit code, and a garbage collector that works and leaves its modules alone."""

import os
import subprocess
import sys
from pathlib import Path

ENDING = """
import atexit
import threading


class Held:
    def __del__(self):
        print("taken apart")


held = Held()
atexit.register(print, "registered")


def late():
    threading.main_thread().join()
    print("thread")


def main():
    threading.Thread(target=late).start()
    print("main")
    return 3
"""
FORKED = """
import atexit
import os

from forge_core.starting import leave

atexit.register(print, "registered")


def main():
    forked = os.fork()
    if forked == 0:
        leave(4)
    print(os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]))
    return 3
"""
PROGRAM = """
import gc

collecting = gc.isenabled()


def main():
    print(collecting, gc.isenabled(), gc.get_freeze_count() > 1000)
    return 7
"""


def started(folder: Path, program: str, stdout: int = subprocess.PIPE) -> "subprocess.CompletedProcess[str]":
    (folder / "a_program.py").write_text(program)
    command = [sys.executable, "-c", "from forge_core.starting import start; start('a_program')"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environment["PYTHONPATH"] = str(folder)
    return subprocess.run(
        command, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )


def test_a_program_ends_with_its_own_code_and_collects_only_what_it_makes(tmp_path: Path) -> None:
    done = started(tmp_path, PROGRAM)
    assert (done.returncode, done.stdout.split()) == (7, ["False", "True", "True"]), done.stderr


def test_what_is_under_way_ends_as_usual_and_nothing_is_taken_apart(tmp_path: Path) -> None:
    done = started(tmp_path, ENDING)
    assert (done.returncode, done.stdout.splitlines()) == (3, ["main", "thread", "registered"]), done.stderr


def test_a_forked_process_leaves_likewise_with_a_code_of_its_own(tmp_path: Path) -> None:
    done = started(tmp_path, FORKED)
    assert (done.returncode, done.stdout.splitlines()) == (3, ["registered", "4", "registered"]), done.stderr


def test_an_exception_is_told_as_ever(tmp_path: Path) -> None:
    done = started(tmp_path, "def main():\n    raise ValueError('lost')\n")
    assert done.returncode == 1
    assert "ValueError: lost" in done.stderr


def test_output_that_nobody_reads_changes_no_code(tmp_path: Path) -> None:
    nobody, written = os.pipe()
    os.close(nobody)
    done = started(tmp_path, "def main():\n    print('unread')\n    return 5\n", written)
    os.close(written)
    assert (done.returncode, done.stderr) == (5, "")
