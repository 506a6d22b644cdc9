"""What `make demo` applies for an analysis, and how it tells what was found."""

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

TENANT = "demo"
NAMESPACE = "tenant-demo"
WANTS_REPOSITORY = True
LOOK_AT = ("results", "sarif", "logs")
TOP = 5


def prepare(console: Console) -> None:
    """The installation has all that is needed."""
    del console


def spec(repository: str) -> dict[str, Any]:
    """`spec` of the AnalysisJob."""
    return {"queue": "analysis", "priority": 1, "repository": {"url": repository}, "requestedBy": "me"}


def show(console: Console, summary: dict[str, Any], artifact: Callable[[str], str]) -> None:
    """The score by dimension, and the most useful things to do."""
    del artifact
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


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
