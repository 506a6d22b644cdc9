"""What `make demo` applies for a refactoring, and how it tells what was changed: the patch, and how to have it."""

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

TENANT = "demo"
NAMESPACE = "tenant-demo"
WANTS_REPOSITORY = True
PATCH = "changes.patch"
LOOK_AT = ("results", "artifacts", f"artifacts/{PATCH}", "logs")
FILES = 8
HUNKS = 2
HUNK_LINES = 14


def prepare(console: Console) -> None:
    """The installation has all that is needed."""
    del console


def spec(repository: str, before: str = "") -> dict[str, Any]:
    """`spec` of the AnalysisJob: what is safe for any Python of today."""
    del before
    return {
        "queue": "refactoring",
        "repository": {"url": repository},
        "config": {"modernize": "3.11", "fix": ["C4", "PIE", "SIM"], "imports": ["sort"]},
        "requestedBy": "me",
    }


def show(console: Console, summary: dict[str, Any], artifact: Callable[[str], str]) -> None:
    """What was done by rule, then the patch: its files, its beginning, and what is left to do with it."""
    console.print(f"\n{summary['message']}", markup=False)
    rules = list(summary["changes"]["byRule"].items())[:FILES]
    if rules:
        console.print("By rule: " + ", ".join(f"{rule} {count:,}" for rule, count in rules), markup=False)
    findings = summary["findings"]
    console.print(f"Findings: {findings['before']:,} before, {findings['after']:,} after", markup=False)
    if not summary["patch"]:
        return
    patch = artifact(PATCH)
    _stat(console, changed_lines(patch))
    console.print(f"\nIt begins so ({PATCH}):")
    for line in first_hunks(patch):
        console.print(line, style=_style(line), markup=False, highlight=False)
    console.print(
        f"\nThe patch is proven to apply to commit {summary['commit'][:12]}: fetch {PATCH} by the line below, and on a"
        " checkout of that commit add `| git apply --index`.",
        markup=False,
        highlight=False,
    )


def changed_lines(patch: str) -> dict[str, tuple[int, int]]:
    """Path -> lines added and removed, in the patch's order."""
    found: dict[str, tuple[int, int]] = {}
    path, in_hunk = "", False
    for line in patch.split("\n"):
        if line.startswith("diff --git "):
            path, in_hunk = line.rpartition(" b/")[2], False
            found[path] = (0, 0)
        elif line.startswith("@@ "):
            in_hunk = True
        elif in_hunk and line[:1] in {"+", "-"}:
            added, removed = found[path]
            found[path] = (added + (line[0] == "+"), removed + (line[0] == "-"))
    return found


def first_hunks(patch: str) -> list[str]:
    """The names and the first hunks of the patch's first file, each cut to HUNK_LINES."""
    shown: list[str] = []
    hunks = lines = 0
    for line in patch.split("\n"):
        if line.startswith("diff --git ") and shown:
            break
        if line.startswith("@@ "):
            hunks, lines = hunks + 1, 0
            if hunks > HUNKS:
                break
        elif hunks:
            lines += 1
            if lines > HUNK_LINES:
                continue
        elif not line.startswith(("--- ", "+++ ")):
            continue
        shown.append(line)
    return shown


def _stat(console: Console, files: dict[str, tuple[int, int]]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right", style="green")
    table.add_column(justify="right", style="red")
    most = sorted(files.items(), key=lambda item: (-sum(item[1]), item[0]))[:FILES]
    for path, (added, removed) in most:
        table.add_row(path.replace("[", "\\["), f"+{added:,}", f"-{removed:,}")
    console.print(f"\nThe patch changes {len(files):,} files" + (", most of all:" if len(files) > FILES else ":"))
    console.print(table)


def _style(line: str) -> str:
    if line.startswith(("--- ", "+++ ")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
