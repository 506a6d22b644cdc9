"""What `make demo` applies for a test generation, and how it tells what came of it: the gain, and a test."""

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

TENANT = "demo"
NAMESPACE = "tenant-demo"
WANTS_REPOSITORY = True
PATCH = "tests.patch"
LOOK_AT = ("results", "artifacts", f"artifacts/{PATCH}", "artifacts/generation.log", "logs")
BUDGET = "3m"
FILES = 8
LINES = 24


def prepare(console: Console) -> None:
    """The installation has all that is needed."""
    del console


def spec(repository: str, before: str = "") -> dict[str, Any]:
    """`spec` of the AnalysisJob: all modules, for a few minutes."""
    del before
    return {
        "queue": "test-generation",
        "repository": {"url": repository},
        "config": {"budget": BUDGET},
        "requestedBy": "me",
    }


def show(console: Console, summary: dict[str, Any], artifact: Callable[[str], str]) -> None:
    """The gain in a sentence and by file, what was dropped and why, then the first test and what is left to do."""
    console.print(f"\n{summary['message']}", markup=False, highlight=False)
    if summary["dropped"]["byWhy"]:
        why = ", ".join(f"{count:,} because {reason}" for reason, count in summary["dropped"]["byWhy"].items())
        console.print(f"Dropped: {why}", markup=False, highlight=False)
    if not summary["patch"]:
        return
    _table(console, summary["coverage"])
    console.print(f"\nThe first test ({PATCH}):")
    for line in first_test(artifact(PATCH)):
        console.print(line, markup=False, highlight=False)
    console.print(
        f"\nThe patch is proven to apply to commit {summary['commit'][:12]}: fetch {PATCH} by the line below, and on a"
        " checkout of that commit add `| git apply --index`. Read the tests before you keep them.",
        markup=False,
        highlight=False,
    )


def first_test(patch: str) -> list[str]:
    """The lines of the first test with the comment above it, cut to LINES."""
    added = [line[1:] for line in patch.split("\n") if line.startswith("+") and not line.startswith("+++ ")]
    begin = next((number for number, line in enumerate(added) if " Covers what nothing covered before" in line), None)
    if begin is None:
        return []
    ends = (number for number in range(begin, len(added) - 1) if not added[number] and not added[number + 1])
    return added[begin : min(next(ends, len(added)), begin + LINES)]


def _table(console: Console, coverage: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("file")
    for title in ("lines before", "after", "branches before", "after"):
        table.add_column(title, justify="right")
    gains = [(_gain(each), each) for each in coverage["files"]]
    for _, each in sorted(gains, key=lambda pair: (-pair[0], pair[1]["path"]))[:FILES]:
        cells = [f"{each[when][part]['percent']} %" for part in ("lines", "branches") for when in ("before", "after")]
        table.add_row(each["path"].replace("[", "\\["), *cells)
    console.print()
    console.print(table)


def _gain(each: dict[str, Any]) -> int:
    covered = [each[when][part]["covered"] for when in ("after", "before") for part in ("lines", "branches")]
    return int(covered[0] + covered[1] - covered[2] - covered[3])
