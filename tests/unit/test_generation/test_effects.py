"""Which calls of a clock are seen, and that nothing is looked at where no code names one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

LOOK = """
import sys
from pathlib import Path
from forge_kinds.test_generation.inside.effects import Watch
sys.path.insert(0, str(Path.cwd()))
watch = Watch(Path.cwd())
import used
watch.begin()
looked = sys.getprofile() is not None
used.run()
effect = watch.end()
print(looked, sys.getprofile() is None, effect, sep=";")
"""
SEEN = "it depends on the clock"
CASES: dict[str, tuple[dict[str, str], str]] = {
    "no clock": ({"used.py": "def run():\n    return sorted([2, 1])\n"}, "False;True;"),
    "a clock": ({"used.py": "import time\n\n\ndef run():\n    time.time()\n"}, f"True;True;{SEEN} (time)"),
    "under another name": ({"used.py": "from time import time_ns as t\n\n\ndef run():\n    t()\n"},
                           f"True;True;{SEEN} (time_ns)"),
    "in a nested function": ({"used.py": "from datetime import date\n\n\ndef run():\n    (lambda: date.today())()\n"},
                             f"True;True;{SEEN} (today)"),
    "in a module that the test imports": (
        {"used.py": "def run():\n    import late\n    late.go()\n",
         "late.py": "import time\n\n\ndef go():\n    time.localtime()\n"}, f"False;True;{SEEN} (localtime)"),
    "named and not called": ({"used.py": "def run(today=1):\n    return today\n"}, "False;True;"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_call_of_a_clock_is_seen_wherever_code_names_it(tmp_path: Path, case: str) -> None:
    files, told = CASES[case]
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    given = {"PYTHONPATH": f"{ROOT / 'job-images/test-generation'}:{ROOT / 'core'}", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=tmp_path, env=given, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == told, done.stderr
