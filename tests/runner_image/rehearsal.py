"""A kind of work for tests only: each attempt does what the plan in `config.paths` says, and needs no repository.

`config.paths` is a list of `NUMBER/WHAT` or `NUMBER/WHAT/ARGUMENT`, one for each attempt of the job (1 is the first;
the last one stands for all that follow):

    1/succeed/2.5     work for that many seconds, then end well (a fifth of a second without an argument)
    1/fail/words      a transient failure with these words
    1/refuse/words    a permanent failure
    1/crash           the attempt's process ends with code 3 without a word
    1/hang            never ends: the attempt's timeout has to
    1/fill            takes memory until the kernel ends it
    1/silent          after 15 s stops the runner's own process: no heartbeat comes any more
    1/kill            kills the runner's own process, as a node's kernel may
    1/late/3          the pod doesn't heed SIGTERM; so many seconds after it the work is done and is uploaded
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from forge_core.assignment import Assignment
from forge_runner.kinds import Result
from forge_runner.report import Permanent, Report, Transient

MEBIBYTE: Final = 1024 * 1024
STEPS: Final = 5
HEARD_SECONDS: Final = 15
"""A first heartbeat has come by then, also where a network policy doesn't know a new pod at once."""
DEAF: Final = Path("/tmp/deaf")
ASKED_TO_STOP: Final = Path("/tmp/asked-to-stop")


def work(assignment: Assignment, workdir: Path, report: Report) -> Result:
    """Do what the plan says for this attempt. Raises Permanent or Transient."""
    number = int(workdir.parent.name.rpartition("-")[2])
    what, argument = _planned(assignment, number)
    report.log(f"attempt {number}: {what}")
    report.progress("rehearsing", 10.0)
    PLAYS[what](argument, report)
    return Result({"rehearsed": number})


def _planned(assignment: Assignment, number: int) -> tuple[str, str]:
    plan = {int(at): rest for at, _, rest in (line.partition("/") for line in assignment.config["paths"])}
    what, _, argument = plan[min(number, max(plan))].partition("/")
    return what, argument


def _succeed(argument: str, report: Report) -> None:
    for step in range(STEPS):
        time.sleep(float(argument or 0.2) / STEPS)
        report.progress("rehearsing", 10.0 + 80.0 * (step + 1) / STEPS)


def _fail(argument: str, _report: Report) -> None:
    raise Transient(argument or "The rehearsed network is away.")


def _refuse(argument: str, _report: Report) -> None:
    raise Permanent(argument or "The rehearsed ref does not exist.")


def _crash(_argument: str, _report: Report) -> None:
    os._exit(3)


def _hang(_argument: str, _report: Report) -> None:
    signal.pause()


def _fill(_argument: str, _report: Report) -> None:
    taken = []
    while True:
        taken.append(bytearray(os.urandom(MEBIBYTE)))


def _silent(_argument: str, _report: Report) -> None:
    time.sleep(HEARD_SECONDS)
    os.kill(os.getppid(), signal.SIGSTOP)
    signal.pause()


def _kill(_argument: str, _report: Report) -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    sys.exit()


def _late(argument: str, _report: Report) -> None:
    DEAF.touch()
    while not ASKED_TO_STOP.exists():
        time.sleep(0.1)
    time.sleep(float(argument or 1))


PLAYS: Final[Mapping[str, Callable[[str, Report], None]]] = {
    "succeed": _succeed,
    "fail": _fail,
    "refuse": _refuse,
    "crash": _crash,
    "hang": _hang,
    "fill": _fill,
    "silent": _silent,
    "kill": _kill,
    "late": _late,
}
