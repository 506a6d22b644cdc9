"""The real runner, but for the kinds that its child process knows."""

import sys
from pathlib import Path

from forge_runner.main import main

if __name__ == "__main__":
    sys.exit(main((sys.executable, "-P", str(Path(__file__).with_name("child_program.py")))))
