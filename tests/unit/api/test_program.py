"""How the program starts."""

import os
import subprocess
import sys


def test_a_missing_setting_is_named() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FORGE_")}
    command = [sys.executable, "-m", "forge_api"]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=240, text=True, check=False)
    assert (done.returncode, "FORGE_DATABASE_URL" in done.stderr) == (2, True)
