"""What `make demo` applies for a clean-up, and how it tells what was done and freed."""

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

TENANT = "system"
NAMESPACE = "forge-system"
WANTS_REPOSITORY = False
LOOK_AT = ("results", "logs")
WORDS = {
    "hours": "hours summed up",
    "usage": "totals of a tenant, queue and hour written",
    "kept": "jobs past their time kept: still in the cluster, or their event or usage is open",
}
"""Of the counts of what was done but not freed."""
FREED = {
    "strayJobs": "Jobs of the cluster without an AnalysisJob",
    "straySecrets": "Secrets without a webhook endpoint",
    "strayUsers": "Redis users without a tenant",
    "strayKeys": "Redis keys without an owner",
    "strayBytes": "bytes of Redis",
}
"""Of what was freed; whatever else is counted is rows of a table."""


def prepare(console: Console) -> None:
    """The installation has all that is needed."""
    del console


def spec(repository: str, before: str = "") -> dict[str, Any]:
    """`spec` of the AnalysisJob: the task that goes through every step, within the installation's retention."""
    del repository, before
    return {"queue": "cleanup", "config": {"task": "purge-history"}, "requestedBy": "me"}


def show(console: Console, summary: dict[str, Any], artifact: Callable[[str], str]) -> None:
    """Each thing that was done with its number; a young installation has nothing past its time."""
    del artifact
    changed: dict[str, int] = summary["changed"]
    done = {name: count for name, count in changed.items() if name in WORDS and count}
    freed = {name: count for name, count in changed.items() if name not in WORDS and count}
    console.print("\nDone:" if done else "\nDone: every hour that is over was summed up before")
    _table(console, {WORDS[name]: count for name, count in done.items()})
    console.print("\nFreed:" if freed else "\nFreed: nothing, for nothing is past its time yet")
    _table(console, {FREED.get(name, f"rows of {name}"): count for name, count in freed.items()})


def _table(console: Console, counts: dict[str, int]) -> None:
    if not counts:
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right")
    table.add_column()
    for name, count in counts.items():
        table.add_row(f"{count:,}", name)
    console.print(table)
