"""What the benchmarks say of memory and processor time is that of a program and of all that it started."""

import json
import subprocess
import sys
from pathlib import Path

from bench.footprint import Footprint, family
from tests.conftest import ROOT

HELD = 80_000_000
HOLDS = f"held = b'x' * {HELD}; print('ready', flush=True); input()"
STARTS = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


def test_what_a_descendant_holds_counts_and_what_has_gone_is_remembered() -> None:
    command = [sys.executable, "-c", STARTS, HOLDS]
    seen = Footprint()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
        assert len(list(family(child.pid))) == 2
        seen.look(child.pid, files=3_000_000)
        child.stdin.write("\n")
    seen.look(child.pid)
    assert HELD < seen.anonymous <= seen.resident
    assert max(seen.by_program.values()) > HELD
    assert seen.document()["files_mb"] == 3


def test_a_measured_program_keeps_its_exit_code_and_its_processor_time_is_told(tmp_path: Path) -> None:
    work, figures = tmp_path / "work", tmp_path / "figures"
    work.mkdir()
    burns = "import time\nwhile time.process_time() < 0.3: pass\nraise SystemExit(3)"
    command = [sys.executable, "-P", str(ROOT / "bench/footprint.py"), str(figures), str(work)]
    done = subprocess.run([*command, sys.executable, "-c", burns], check=False)
    assert done.returncode == 3
    assert json.loads(figures.read_text())["cpu_s"] >= 0.3
