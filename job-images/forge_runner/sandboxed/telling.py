"""What the end of a command in the sandbox tells, and which files of a commit pytest would run there."""

import re
from collections.abc import Iterable
from typing import Final

from forge_core.sandbox import Answer, Ended
from forge_runner.sources.selection import display
from forge_runner.workspace.tree import Entry, EntryKind

MAX_LINE: Final = 300
HOW: Final = {
    Ended.TIMEOUT: "did not end in its time",
    Ended.OUTPUT: "printed more than it may",
    Ended.MEMORY: "needed more memory than the sandbox has",
    Ended.NOT_STARTED: "could not be started",
}
"""What became of a command that didn't come to its own end, after its name."""
_TEST_FILE: Final = re.compile(r"(^|/)(test_[^/]*|[^/]*_test)\.py$")


def last_line(answer: Answer) -> str:
    """The last line that was printed, or that there was none."""
    lines = [line.strip() for line in answer.output.splitlines() if line.strip()]
    return lines[-1][:MAX_LINE] if lines else "it printed nothing."


def has_tests(entries: Iterable[Entry]) -> bool:
    """Whether a file is named as pytest's tests are."""
    return any(_TEST_FILE.search(display(entry.path)) for entry in entries if entry.kind is EntryKind.FILE)
