"""The real runner, but for the kinds that its child processes know."""

import sys
from pathlib import Path

from forge_runner.main import main
from tests.integration.runner.child_program import KINDS

if __name__ == "__main__":
    sys.exit(main((sys.executable, "-P", str(Path(__file__).with_name("child_program.py"))), KINDS))
