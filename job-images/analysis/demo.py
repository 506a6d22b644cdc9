"""What `make demo` applies for an analysis, and how it tells what was found and what is new."""

import json
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

TENANT = "demo"
NAMESPACE = "tenant-demo"
WANTS_REPOSITORY = True
LOOK_AT = ("results", "sarif", "logs")
TOP = 5
NEWEST = 3
SEVERITIES = ("critical", "high", "medium", "low", "info")


def prepare(console: Console) -> None:
    """The installation has all that is needed."""
    del console


def spec(repository: str, before: str = "") -> dict[str, Any]:
    """`spec` of the AnalysisJob, compared with the release before where one is known."""
    asked = {"queue": "analysis", "priority": 1, "repository": {"url": repository}, "requestedBy": "me"}
    return asked | ({"config": {"baseline": {"ref": before}}} if before else {})


def show(console: Console, summary: dict[str, Any], artifact: Callable[[str], str]) -> None:
    """The score by dimension, the most useful things to do, and what the newest release brought."""
    score = summary["score"]
    console.print(
        f"\nScore [bold]{score['grade']}[/bold] ({score['value']:.0f} of 100), {summary['codeLines']:,} lines of code"
    )
    dimensions = Table(box=None, pad_edge=False)
    for heading in ("dimension", "grade", "score", "findings"):
        dimensions.add_column(heading, justify="left" if heading == "dimension" else "right")
    for name, part in score["dimensions"].items():
        dimensions.add_row(name, part["grade"], f"{part['value']:.0f}", f"{part['findings']:,}")
    console.print(dimensions)
    console.print("\nThe most useful things to do:")
    for number, each in enumerate(summary["recommendations"][:TOP], 1):
        console.print(
            f"{number}. [bold]{each['title']}[/bold] ({each['rule']}, {_times(each['count'])}, {each['severity']}): "
            f"{each['pointsGained']:+.2f} points for about {each['effortMinutes']} min",
            highlight=False,
        )
        console.print(f"   {each['firstStep']}", highlight=False)
    if "baseline" in summary:
        _show_since(console, summary["baseline"], json.loads(artifact("report.json"))["results"])


def _show_since(console: Console, baseline: dict[str, Any], findings: list[dict[str, Any]]) -> None:
    """How many findings are new since the baseline, and the gravest of them."""
    was = f"\nSince [bold]{baseline['ref']}[/bold] (score {baseline['score']:.0f}):"
    total, fixed, old = baseline["new"]["total"], baseline["fixed"]["total"], baseline["unchanged"]
    console.print(f"{was} {total:,} new findings, {fixed:,} fixed, {old:,} unchanged", highlight=False)
    new = [each for each in findings if each["state"] == "new" and not each.get("suppressed")]
    for each in sorted(new, key=lambda each: SEVERITIES.index(each["severity"]))[:NEWEST]:
        place = f"{each['path']}:{each['line']}"
        console.print(f"   {each['severity']}: {each['message']} ({each['rule']})", f"      {place}",
                      sep="\n", highlight=False, markup=False)  # fmt: skip


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
