"""How a program begins: with its own exit code, and a garbage collector that works and leaves its modules alone."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import gc

collecting = gc.isenabled()


def main():
    print(collecting, gc.isenabled(), gc.get_freeze_count() > 1000)
    return 7
"""


def test_a_program_ends_with_its_own_code_and_collects_only_what_it_makes(tmp_path: Path) -> None:
    (tmp_path / "a_program.py").write_text(PROGRAM)
    command = [sys.executable, "-c", "from forge_core.starting import start; start('a_program')"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.split()) == (7, ["False", "True", "True"]), done.stderr
