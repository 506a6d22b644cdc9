"""Applies an AnalysisJob with kubectl, shows its live progress from the API, then what came of it and where to look.

The only things that it knows are those that a user has: kubectl, the API's address and a token. What a kind's job is
and how its result is told lies in the kind's folder (`Part`), so a new kind brings its own and changes nothing here.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import httpx2
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

KINDS = Path(__file__).resolve().parents[1] / "job-images"
SEEN_WITHIN_SECONDS = 60


class Part(Protocol):
    """A kind's own part of the demo: the module `job-images/<kind>/demo.py`, which imports none of our packages."""

    TENANT: str
    """Whose job it is; its token is made before anything is applied."""
    NAMESPACE: str
    """Where the job is applied: the tenant's."""
    WANTS_REPOSITORY: bool
    LOOK_AT: tuple[str, ...]
    """What of `/jobs/{id}/` a user may look at afterwards."""

    def prepare(self, console: Console) -> None:
        """Put into the cluster, with kubectl, what the job needs besides the installation. Raises SystemExit."""

    def spec(self, repository: str, before: str = "") -> dict[str, Any]:
        """`spec` of the AnalysisJob; `repository` is a URL, or empty when none is wanted; `before` is a tag in it, of
        the release before, or empty when none is known."""

    def show(self, console: Console, summary: dict[str, Any], artifact: Callable[[str], str]) -> None:
        """Tell a person what came of it: the result's summary, and the text of an artefact by its name."""


def part_of(kind: str) -> Part:
    """The part of a kind. Raises SystemExit that names those that there are."""
    there = {path.parent.name: path for path in sorted(KINDS.glob("*/demo.py"))}
    if kind not in there:
        raise SystemExit(f"There is no demo of {kind!r}: KIND is one of {', '.join(there)}.")
    spec = importlib.util.spec_from_file_location(f"demo_of_{kind.replace('-', '_')}", there[kind])
    if spec is None or spec.loader is None:
        raise SystemExit(f"{there[kind]} can't be read.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("Part", module)


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

    def artifact(self, job: str, name: str) -> str:
        """The text of an artefact. Raises SystemExit."""
        answer = self.get(f"/jobs/{job}/artifacts/{name}")
        if answer.status_code != httpx2.codes.OK:
            raise SystemExit(f"The API answers {answer.status_code} when asked for {name}: {answer.text[:500]}")
        return answer.text

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def progress(self, job: str) -> Iterator[dict[str, Any]]:
        """What the websocket tells, to the job's end; a lost connection goes on where it broke off."""
        after, tries = "", 0
        while tries < 10:
            address = f"ws{self.url.removeprefix('http')}/jobs/{job}/progress" + (f"?after={after}" * bool(after))
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


def apply(part: Part, repository: str, before: str) -> Applied:
    manifest = {
        "apiVersion": "forge-factory.dev/v1alpha1",
        "kind": "AnalysisJob",
        "metadata": {"generateName": "demo-", "namespace": part.NAMESPACE},
        "spec": part.spec(repository, before),
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
    while (answer := api.get(f"/jobs/{job.uid}")).status_code != httpx2.codes.OK:
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


def show_where_to_look(api: Api, part: Part, job: Applied) -> None:
    """Printed as they are, unwrapped, so that each line can be copied."""
    token = "make -s token" if part.TENANT == "demo" else f"make -s token TENANT={part.TENANT}"
    seen = f'curl -s -H "Authorization: Bearer $({token})" {api.url}/jobs/{job.uid}'
    lines = (
        "export KUBECONFIG=$PWD/.local/kubeconfig PATH=$PWD/.local/bin:$PATH",
        f"kubectl -n {part.NAMESPACE} get analysisjob {job.name} -o wide",
        f"kubectl -n {part.NAMESPACE} describe analysisjob {job.name}",
        seen,
        *(f"{seen}/{place}" for place in part.LOOK_AT),
    )
    print("\nLook further (from this folder):", *lines, sep="\n  ")


def run(part: Part, api: Api, repository: str, before: str) -> bool:
    """The whole demo. Returns whether the job was completed."""
    console = Console(soft_wrap=True)
    part.prepare(console)
    job = apply(part, repository, before)
    console.print(f"AnalysisJob {job.name} applied{f': {repository}' if repository else ''}", highlight=False)
    started = time.monotonic()
    wait_until_seen(api, job)
    last = watch(console, api.progress(job.uid))
    console.print(f"{last['status']} after {time.monotonic() - started:.1f} s", highlight=False)
    if last["status"] == "completed":
        summary = api.get(f"/jobs/{job.uid}/results").json()["summary"]
        part.show(console, summary, lambda name: api.artifact(job.uid, name))
    else:
        console.print(last.get("message") or "")
    show_where_to_look(api, part, job)
    return bool(last["status"] == "completed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("needs", "show"):
        commands.add_parser(command).add_argument("kind")
    commands.choices["show"].add_argument("--api", required=True)
    commands.choices["show"].add_argument("--repository", default="")
    commands.choices["show"].add_argument("--before", default="")
    asked = parser.parse_args()
    part = part_of(asked.kind)
    if asked.command == "needs":
        print(part.TENANT, part.WANTS_REPOSITORY)
    else:
        sys.exit(not run(part, Api(asked.api, os.environ["FORGE_TOKEN"]), asked.repository, asked.before))


if __name__ == "__main__":
    main()
