"""`python runner_program.py PORT`: the real runner, whose kinds pass by the gate at PORT on their way."""

import sys
from pathlib import Path

from forge_runner.main import main

if __name__ == "__main__":
    sys.exit(main((sys.executable, "-P", str(Path(__file__).with_name("kind_program.py")), sys.argv[1])))
