"""The kinds of these tests, each a way in which real work can go; run as a runner's child process."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

from forge_core.assignment import Assignment
from forge_runner.child import main
from forge_runner.kinds import Artifact, Kind, Result
from forge_runner.report import Permanent, Report, Transient


def _for_ever() -> None:
    while True:
        time.sleep(60)


def succeed(assignment: Assignment, workdir: Path, report: Report) -> Result:
    assert not any(workdir.iterdir())
    (workdir / "left behind").write_text("by an earlier attempt")
    for percent in range(5, 96, 5):
        report.progress("analysing" if percent > 10 else "cloning", percent, f"{percent} of 95")
    report.log(f"queue {assignment.queue}")
    sys.stdout.write("printed by a library\n")
    return Result({"score": "A"}, (Artifact("sarif", "application/sarif+json", b'{"runs": []}'),))


def tell_surroundings(assignment: Assignment, workdir: Path, _report: Report) -> Result:
    if (first := Path(assignment.config["first"])).exists():
        first.unlink()
        raise Transient("The second attempt is to tell.")
    Path(workdir, "ruff.py").write_text("raise SystemExit('a stranger was imported')")
    text = "\n".join([*(f"{key}={value}" for key, value in os.environ.items()), *sys.path, str(Path.cwd())])
    report_to = int(sys.argv[1])
    found = [int(each.name) for each in Path("/proc/self/fd").iterdir()]
    told = {
        "leader": os.getsid(0) == os.getpid(),
        "deaf": signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL,
        "descriptors": ["report" if each == report_to else each for each in sorted(found) if _is_open(each)],
    }
    return Result(told, (Artifact("surroundings", "text/plain", text.encode()),))


def _is_open(descriptor: int) -> bool:
    """Not the one by which the list of them was read."""
    return Path(f"/proc/self/fd/{descriptor}").exists()


def tell_baseline(_assignment: Assignment, _workdir: Path, _report: Report) -> Result:
    given = Path(os.environ["FORGE_BASELINE_PATH"]).read_bytes()
    return Result({"given": given.decode()}, (Artifact("given", "text/plain", given),))


def tally(_assignment: Assignment, _workdir: Path, _report: Report) -> Result:
    """What it was given, and one more for the next."""
    given = os.environ.get("FORGE_CACHE_PATH", "")
    count = int(Path(given).read_bytes()) if given else 0
    return Result({"given": count}, cache=str(count + 1).encode())


def keep_too_much(_assignment: Assignment, _workdir: Path, _report: Report) -> Result:
    return Result({}, cache=bytes(33 * 1024 * 1024))


def keep_a_link(_assignment: Assignment, _workdir: Path, _report: Report) -> Result:
    (Path(sys.argv[3]) / "cache").symlink_to("/etc/passwd")
    return Result({})


def fail_for_good(_assignment: Assignment, _workdir: Path, report: Report) -> Result:
    report.progress("cloning", 5)
    raise Permanent("There is no ref 'nope' in https://someone:hunter2@example.org/x.git.")


def fail_twice(assignment: Assignment, workdir: Path, report: Report) -> Result:
    tries = Path(assignment.config["notes"])
    with tries.open("a") as file:
        file.write(f"{time.monotonic()}\n")
    if len(tries.read_text().splitlines()) < 3:
        raise Transient("The git server did not answer.")
    return succeed(assignment, workdir, report)


def stumble(_assignment: Assignment, _workdir: Path, _report: Report) -> Result:
    raise KeyError("a mistake of ours")


def hang(assignment: Assignment, _workdir: Path, report: Report) -> Result:
    """Deaf to SIGTERM, with descendants in the group and beyond it, all holding the pipes open."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleeper = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]
    children = [subprocess.Popen(sleeper, close_fds=False, start_new_session=beyond) for beyond in (True, False) * 3]
    pids = [os.getpid(), *(child.pid for child in children)]
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with Path(assignment.config["pids"]).open("a") as file:
                file.write(f"{os.getpid()}\n")
            _for_ever()
        os._exit(0)
    with Path(assignment.config["pids"]).open("a") as file:
        file.writelines(f"{pid}\n" for pid in pids)
    report.progress("analysing", 15)
    report.log("hanging now")
    _for_ever()
    raise AssertionError


def bomb(assignment: Assignment, _workdir: Path, report: Report) -> Result:
    """Twenty processes outside of the group that each go on as a new process every 20 ms, for a minute at most.

    All of them hold one lock, for no look at /proc is fast enough to see them.
    """
    lock = Path(assignment.config["lock"]).open("w")  # noqa: SIM115 - open as long as any of them lives
    fcntl.flock(lock, fcntl.LOCK_EX)
    for _ in range(20):
        if os.fork() == 0:
            os.setsid()
            for _ in range(3000):
                if os.fork():
                    os._exit(0)
                time.sleep(0.02)
            os._exit(0)
    report.log("bombing now")
    _for_ever()
    raise AssertionError


def be_killed(_assignment: Assignment, _workdir: Path, _report: Report) -> Result:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def eat_memory(_assignment: Assignment, _workdir: Path, report: Report) -> Result:
    report.log("eating now")
    eaten = []
    while True:
        eaten.append(bytearray(os.urandom(1024 * 1024)))


def speak_nonsense(assignment: Assignment, workdir: Path, report: Report) -> Result:
    """Whatever a taken-over process might write on the report's pipe."""
    pipe = int(sys.argv[1])
    for line in (
        b"\xff\xfe\x00 not even text",
        b"{" * 5_000,
        b'{"type": "progress", "stage": "x", "percent": NaN}',
        b'{"type": "progress", "stage": "x", "percent": 1e999}',
        b'{"type": "progress", "stage": "", "percent": -5}',
        b'{"type": "failed", "failure_class": "disruption", "message": "refund me"}',
        b'{"type": "finished"' + b" " * 50_000_000 + b"}",
        b"[" * 40_000,
    ):
        rest = line + b"\n"
        while rest:
            rest = rest[os.write(pipe, rest) :]
    report.log("token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl and \x1b[31mred\x00")
    sys.stderr.buffer.write(b"\xff" * 9_000_000 + b"\n")
    sys.stderr.flush()
    return succeed(assignment, workdir, report)


def write_much(assignment: Assignment, workdir: Path, report: Report) -> Result:
    for number in range(120_000):
        report.log(f"line {number} " + "x" * 150)
    return Result({})


def wait_for(assignment: Assignment, _workdir: Path, report: Report) -> Result:
    """Until somebody makes a file in the attempt's folder for temporary files."""
    report.progress("waiting for a file", 15)
    while not Path(assignment.config["file"]).exists():
        time.sleep(0.05)
    return Result({})


def flood(_assignment: Assignment, _workdir: Path, report: Report) -> Result:
    for number in range(20_000):
        report.progress("analysing", 15 + number * 65 / 20_000, f"file {number}")
        if number % 10 == 0:
            report.log(f"file {number} " + "é" * 3000)
    return Result({})


def bring_a_link(_assignment: Assignment, _workdir: Path, _report: Report) -> Result:
    """Bypasses write_result: the artefact is a link to a file that only the shell may read."""
    out = Path(sys.argv[3])
    (out / "0").symlink_to("/etc/passwd")
    (out / "result.json").write_text('{"summary": {}, "artifacts": [{"name": "x", "content_type": "text/plain"}]}')
    os.write(int(sys.argv[1]), b'{"type": "finished"}\n')
    os._exit(0)


def bring_too_much(_assignment: Assignment, _workdir: Path, _report: Report) -> Result:
    return Result({"much": "x" * 300_000})


_ALL = {
    kind.__name__: kind
    for kind in (
        succeed, tell_surroundings, fail_for_good, fail_twice, stumble, hang, bomb, be_killed, eat_memory,
        speak_nonsense, write_much, wait_for, flood, bring_a_link, bring_too_much, tell_baseline,
        tally, keep_too_much, keep_a_link,
    )
}  # fmt: skip

KINDS = cast("dict[str, Kind]", _ALL)

if __name__ == "__main__":
    main(KINDS)
