"""`make bench-resources`: memory and processor time of each kind's runner, beside the class that its queue gives it.

One after the other, each by the real runner as its pod starts it, on this machine: no cluster. What a kind does in a
measurement stands in `measurements`; a further kind is one more row there.
"""

import base64
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from bench.calibration import calibration_s
from bench.pods import ROOT, Services, source_distribution
from bench.refactoring import OPERATIONS
from forge_core.maintenance import Ask, Done, Step
from forge_core.quantities import parse_quantity
from tests.services.receiver import receiving

SMALL, MIDDLE, LARGE = "flask-3.1.2", "celery-5.5.3", "sphinx-9.0.4"
LARGER, LARGEST = "sympy-1.14.0", "ansible-11.1.0"
"""750,000 lines of Python in 1,500 files, and 4,900,000 in 18,000 of 44,000."""
SINGLE: Final = "sortedcontainers-2.4.0"
MEGABYTE: Final = 1e6
BATCHES, BATCH = 200, 200
"""Of the clean-up: 40,000 rows."""
PAYLOAD: Final = json.dumps({"text": "x" * 12_000})
SECRET: Final = f"whsec_{base64.b64encode(bytes(32)).decode()}"


@dataclass(frozen=True)
class Measurement:
    """One job; `cpus` is how many it may use, for kinds that do as many things at once as there are.

    `size` is the resource class that it is compared with, left out the one that its queue gives.
    """

    kind: str
    on: str
    config: dict[str, Any]
    repository: str = ""
    cpus: int = 1
    more: dict[str, Any] = field(default_factory=dict)
    sandboxed: bool = False
    size: str = ""

    def figures(self, services: Services) -> dict[str, Any]:
        """What it used; of a sandbox too, which has limits of its own."""
        folder = source_distribution(self.repository) if self.repository else None
        if folder and self.sandboxed:
            ended = services.ran_with_sandbox(self.kind, self.config, folder)
            return {**ended.used, "sandbox": ended.sandbox}
        return dict(services.ran(self.kind, self.config, folder, cpus=self.cpus, **self.more).used)


def measurements(receiver: str) -> Iterator[Measurement]:
    """All that is measured; `receiver` is the address of one that takes webhooks."""
    for name in (SMALL, MIDDLE, LARGE):
        yield Measurement("analysis", name, {}, name)
    yield Measurement("analysis", f"{LARGE}, 2 CPUs", {}, LARGE, cpus=2)
    for name in (SMALL, MIDDLE, LARGE):
        yield Measurement("refactoring", name, dict(OPERATIONS), name)
    yield Measurement("refactoring", f"{LARGE}, 2 CPUs", dict(OPERATIONS), LARGE, cpus=2)
    for name in (LARGER, LARGEST):
        yield Measurement("analysis", f"{name}, 8 CPUs", {}, name, cpus=8, size="large")
    yield Measurement("refactoring", f"{LARGER}, 8 CPUs", dict(OPERATIONS), LARGER, cpus=8, size="large")
    if os.geteuid() == 0:  # a sandbox has a UID of its own
        yield Measurement("test-generation", SINGLE, {"budget": "2m"}, SINGLE, sandboxed=True)
    url = f"http://{receiver}/hook?body=thanks"
    yield Measurement(
        "webhooks", "a delivery of 12 kB", {"messageId": "message-1", "payload": PAYLOAD},
        more={"allowed_hosts": (receiver,), "secret": {"url": url, "secret": SECRET}},
    )  # fmt: skip
    yield Measurement("cleanup", f"a purge of {BATCHES * BATCH:,} rows", {"task": "purge-history"})


def batch(step: Step, ask: Ask) -> Done:
    """What the API answers to a clean-up: so many batches of rows, and nothing else is left to do."""
    done = ask.done + BATCH
    if step is not Step.ROWS or done >= BATCHES * BATCH:
        return Done(after="", looked_at=BATCH, share=1)
    return Done(after=str(done), looked_at=BATCH, share=done / (BATCHES * BATCH), counts={"jobs": BATCH})


@contextmanager
def services() -> Iterator[tuple[Services, str]]:
    """What the runners need, and the address of a receiver."""
    with Services.up() as up, receiving() as receiver:
        up.ledger.maintain = batch
        yield up, f"127.0.0.1:{receiver.port}"


def sizes(values: dict[str, Any], queue: dict[str, Any], name: str = "") -> dict[str, Any]:
    """A queue's resource class, left out its default: in bytes and CPUs."""
    name = name or queue["defaultResourceClass"]
    size = queue.get("resourceClasses", values["resourceClasses"])[name]
    numbers = {f"{part}_{each}": float(parse_quantity(size[part][each])) for part in size for each in size[part]}
    return {"class": name, **numbers}


def queue_of(values: dict[str, Any], kind: str) -> dict[str, Any]:
    """The chart's queue of a kind."""
    found: dict[str, Any] = next(queue for queue in values["queues"].values() if queue["jobType"] == kind)
    return found


def judged(figures: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """A measurement beside its class (`sizes`): how many times its peak fits into the limit."""
    limit = given["limits_memory"] / MEGABYTE
    return {
        **figures,
        "class": given["class"],
        "limit_mb": round(limit),
        "headroom": round(limit / figures["rss_mb"], 1),
    }


def main() -> None:
    """Measure all, or the kinds and classes that argv names; print one JSON object as the last line."""
    values = yaml.safe_load((ROOT / "helm/forge-jobs/values.yaml").read_text())
    wanted, result = sys.argv[1:], dict[str, Any]()
    with services() as (up, receiver):
        for each in measurements(receiver):
            if wanted and not {each.kind, each.size} & set(wanted):
                continue
            given = sizes(values, queue_of(values, each.kind), each.size)
            result[f"{each.kind}: {each.on}"] = figures = judged(each.figures(up), given)
            print(f"{each.kind}: {each.on}: {json.dumps(figures)}", file=sys.stderr, flush=True)
    least = min(float(figures["headroom"]) for figures in result.values())
    calibration = calibration_s(Path(source_distribution(LARGE)))
    load = round(os.getloadavg()[0], 1)
    print(json.dumps({**result, "headroom": least, "calibration_s": calibration, "load": load, "within": least >= 1.5}))


if __name__ == "__main__":
    main()
