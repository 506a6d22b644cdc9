"""The real runner, but that refactorings find the sandbox's volume at argv[1], for a machine without pods."""

import sys
from pathlib import Path

from forge_core.assignment import Assignment
from forge_kinds.refactoring import refactor
from forge_runner import child
from forge_runner.kinds import Result
from forge_runner.main import main
from forge_runner.report import Report

if __name__ == "__main__":
    volume = Path(sys.argv.pop(1))

    def refactoring(assignment: Assignment, workdir: Path, report: Report) -> Result:
        """As in its pod, where the volume has a place of its own."""
        return refactor(assignment, workdir, report, volume=volume)

    if sys.argv[1:]:  # of the runner's child: its pipe and its folders
        child.main({"refactoring": refactoring})
    else:
        sys.exit(main((sys.executable, "-P", __file__, str(volume))))
