"""`python runner_program.py PORT`: the real runner, whose kinds pass by the gate at PORT on their way."""

import sys
from pathlib import Path

from forge_runner.main import main
from tests.integration.runner.faults.kind_program import kinds

if __name__ == "__main__":
    program = str(Path(__file__).with_name("kind_program.py"))
    sys.exit(main((sys.executable, "-P", program, sys.argv[1]), kinds(int(sys.argv[1]))))
