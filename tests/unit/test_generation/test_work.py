"""What a job holds: files of their own for all modules, and a log in which nobody's text can do harm."""

from pathlib import Path
from typing import Any, cast

from forge_kinds.test_generation.modules import Module
from forge_kinds.test_generation.notes import Notes
from forge_kinds.test_generation.splitting import TestKind
from forge_kinds.test_generation.work import MAX_LOG_BYTES, Job, Log
from forge_runner.workspace import Checkout
from forge_runner.workspace.tree import Entry, EntryKind
from tests.integration.workspace.reports import Remembered

NOTHING = cast("Any", None)


def a_job(*modules: Module, files: tuple[str, ...] = ()) -> Job:
    entries = tuple(Entry(path.encode(), EntryKind.FILE, 1) for path in (*files, *(each.path for each in modules)))
    checkout = Checkout(Path("/nowhere"), "0" * 40, entries, NOTHING, NOTHING)
    return Job(checkout, NOTHING, NOTHING, modules, Notes(), Log(Remembered()), Path("/nowhere"))


def test_modules_whose_names_look_alike_have_files_of_their_own() -> None:
    alike = (Module("a/b_c.py", "a.b_c", ""), Module("a_b/c.py", "a_b.c", ""), Module("src/a_b_c.py", "a_b_c", "src"))
    there = ("tests/generated/test_generated_a_b_c.py",)
    job = a_job(*alike, files=there)
    paths = [job.path_for(module, kind) for module in alike for kind in TestKind]
    assert len({*paths, *there}) == 7
    assert all(path.startswith("tests/generated/test_generated_") for path in paths)
    assert paths == [a_job(*reversed(alike), files=there).path_for(m, kind) for m in alike for kind in TestKind]


def test_a_log_is_bounded_and_shows_no_control_characters() -> None:
    report = Remembered()
    log = Log(report)
    log.say("a\x1b[2J\nforged line\u202e" + "x" * 5000)
    (line,) = report.lines
    assert line.startswith("a?[2J?forged line?x")
    assert len(line) == 2000
    for _ in range(2000):
        log.say("y" * 2000)
    assert len(log.body) <= MAX_LOG_BYTES + 2001
