"""What git is answered when it asks for a user name or a password."""

import subprocess
from pathlib import Path

import pytest

from forge_core.git.askpass import answers, askpass

HOSTILE = "p w$(id)`id`\"'\\d%s"
USERNAME = "Username for 'https://git.example': "
PASSWORD = "Password for 'https://ann@git.example': "


def asked(folder: Path, question: str, username: str | Path, password: str | Path) -> subprocess.CompletedProcess[str]:
    variables = answers(askpass(folder), username, password)
    return subprocess.run(
        [variables["GIT_ASKPASS"], question],
        env={**variables, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_held_in_memory_is_answered_as_it_is(tmp_path: Path) -> None:
    assert asked(tmp_path, USERNAME, "ann", HOSTILE).stdout == "ann\n"
    assert asked(tmp_path, PASSWORD, "ann", HOSTILE).stdout == f"{HOSTILE}\n"


@pytest.mark.parametrize("text", [HOSTILE, f"{HOSTILE}\n", f"{HOSTILE}\r\n", f"{HOSTILE}\nanother line\n"])
def test_of_a_file_the_first_line_is_the_answer(tmp_path: Path, text: str) -> None:
    file = tmp_path / "password"
    file.write_text(text, newline="")
    assert asked(tmp_path, PASSWORD, "ann", file).stdout == f"{HOSTILE}\n"


@pytest.mark.parametrize("question", ["", "Passphrase for key '/id':", "Are you sure (yes/no)?"])
def test_any_other_question_is_refused(tmp_path: Path, question: str) -> None:
    done = asked(tmp_path, question, "ann", HOSTILE)
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("text", [None, ""])
def test_a_file_with_nothing_in_it_is_no_answer(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "password"
    if text is not None:
        file.write_text(text)
    done = asked(tmp_path, PASSWORD, "ann", file)
    assert (done.returncode != 0, done.stdout) == (True, "")


def test_the_script_can_be_read_and_run_by_nobody_else(tmp_path: Path) -> None:
    assert askpass(tmp_path).stat().st_mode & 0o777 == 0o700
