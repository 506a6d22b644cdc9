"""Applies an AnalysisJob with kubectl, shows its live progress from the API, and then what it found and where to look.

The only things that it knows are those that a user has: kubectl, the API's address and a token.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

NAMESPACE = "tenant-demo"
TERMINAL = {"completed", "failed", "cancelled"}
SEEN_WITHIN_SECONDS = 60
TOP = 5


@dataclass(frozen=True)
class Applied:
    """An AnalysisJob that is in the cluster; the API knows it by its UID."""

    name: str
    uid: str


@dataclass(frozen=True)
class Api:
    """The REST API as one user sees it."""

    url: str
    token: str

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(self.url + path, headers=self.headers, timeout=30)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def progress(self, analysis: str) -> Iterator[dict[str, Any]]:
        """What the websocket tells, to the job's end; a lost connection goes on where it broke off."""
        after, tries = "", 0
        while tries < 10:
            address = f"ws{self.url.removeprefix('http')}/analyses/{analysis}/progress" + (
                f"?after={after}" * bool(after)
            )
            try:
                with connect(address, additional_headers=self.headers) as socket:
                    for text in socket:
                        told = json.loads(text)
                        after, tries = told.get("id") or after, 0
                        yield told
                        if told["type"] == "terminal":
                            return
            except (ConnectionClosed, InvalidStatus, OSError):
                pass
            tries += 1
            time.sleep(1)
        raise SystemExit("The API's websocket can't be reached.")


def apply(repository: str) -> Applied:
    manifest = {
        "apiVersion": "forge-factory.dev/v1alpha1",
        "kind": "AnalysisJob",
        "metadata": {"generateName": "demo-", "namespace": NAMESPACE},
        "spec": {"queue": "analysis", "priority": 1, "repository": {"url": repository}, "requestedBy": "me"},
    }
    done = subprocess.run(
        ["kubectl", "create", "-f", "-", "-o", "json"],
        input=json.dumps(manifest),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    made = json.loads(done.stdout)["metadata"]
    return Applied(made["name"], made["uid"])


def wait_until_seen(api: Api, job: Applied) -> None:
    """Until the history has the job: it was applied past the API, and the operator records it."""
    until = time.monotonic() + SEEN_WITHIN_SECONDS
    while (answer := api.get(f"/analyses/{job.uid}")).status_code != httpx2.codes.OK:
        if answer.status_code not in {404, 503} or time.monotonic() > until:
            raise SystemExit(f"The API answers {answer.status_code}: {answer.text}")
        time.sleep(0.3)


def watch(console: Console, told: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """Shows each step: a moving bar in a terminal, a line for every ten percent elsewhere. Returns the last one."""
    return _bar(console, told) if console.is_terminal else _lines(console, told)


def _lines(console: Console, told: Iterator[dict[str, Any]]) -> dict[str, Any]:
    shown: tuple[str, int] | None = None
    last: dict[str, Any] = {}
    for last in told:
        place = (last.get("stage") or last.get("status") or "", (last.get("progress") or 0) // 10)
        if place != shown:
            shown = place
            console.print(f"{last.get('progress') or 0:3d} %  {_words(last)}", highlight=False)
    return last


def _bar(console: Console, told: Iterator[dict[str, Any]]) -> dict[str, Any]:
    columns = (
        TextColumn("{task.percentage:3.0f} %"),
        BarColumn(40),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    last: dict[str, Any] = {}
    with Progress(*columns, console=console) as progress:
        bar: TaskID = progress.add_task("", total=100)
        for last in told:
            progress.update(bar, completed=last.get("progress") or 0, description=_words(last))
    return last


def _words(told: dict[str, Any]) -> str:
    parts = [told.get("stage") or told.get("status") or "", told.get("message") or ""]
    return ": ".join(part for part in parts if part)[:100]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def show_result(console: Console, summary: dict[str, Any]) -> None:
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


def show_where_to_look(api: Api, job: Applied) -> None:
    """Printed as they are, unwrapped, so that each line can be copied."""
    analysis = f'curl -s -H "Authorization: Bearer $(make -s token)" {api.url}/analyses/{job.uid}'
    print(f"""
Look further (from this folder):
  export KUBECONFIG=$PWD/.local/kubeconfig PATH=$PWD/.local/bin:$PATH
  kubectl -n {NAMESPACE} get analysisjob {job.name} -o wide
  kubectl -n {NAMESPACE} describe analysisjob {job.name}
  {analysis}
  {analysis}/results
  {analysis}/sarif
  {analysis}/logs""")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", required=True)
    parser.add_argument("--repository", required=True)
    asked = parser.parse_args()
    console = Console(soft_wrap=True)
    api = Api(asked.api, os.environ["FORGE_TOKEN"])
    job = apply(asked.repository)
    console.print(f"AnalysisJob {job.name} applied: {asked.repository}", highlight=False)
    started = time.monotonic()
    wait_until_seen(api, job)
    last = watch(console, api.progress(job.uid))
    console.print(f"{last['status']} after {time.monotonic() - started:.1f} s", highlight=False)
    if last["status"] == "completed":
        show_result(console, api.get(f"/analyses/{job.uid}/results").json()["summary"])
    else:
        console.print(last.get("message") or "")
    show_where_to_look(api, job)
    sys.exit(last["status"] != "completed")


if __name__ == "__main__":
    main()
