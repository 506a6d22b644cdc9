"""The credentials Secret: for one host only, and only in git's own hands."""

import subprocess
from pathlib import Path

import pytest

from forge_runner.report import Permanent
from forge_runner.workspace.credentials import read_credentials


def a_secret(folder: Path, **keys: str) -> Path:
    for key, value in keys.items():
        (folder / key).write_text(value)
    return folder


def answer(folder: Path, question: str, tmp_path: Path) -> str:
    environment = read_credentials(folder, "git.example").environment(tmp_path)
    done = subprocess.run(
        [environment["GIT_ASKPASS"], question],
        env={**environment, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_git_is_answered_from_the_secret(tmp_path: Path) -> None:
    folder = a_secret(tmp_path, host="git.example", username="ann\n", password="p w$`\"'\\d\r\nsecond line")
    assert answer(folder, "Username for 'https://git.example': ", tmp_path) == "ann\n"
    assert answer(folder, "Password for 'https://ann@git.example': ", tmp_path) == "p w$`\"'\\d\n"


def test_a_token_goes_with_the_user_name_that_forges_expect(tmp_path: Path) -> None:
    folder = a_secret(tmp_path, host="Git.Example", token="t0ken")
    assert answer(folder, "Username for 'https://git.example': ", tmp_path) == "x-access-token\n"
    assert answer(folder, "Password for 'https://x@git.example': ", tmp_path) == "t0ken\n"


def test_neither_script_nor_environment_holds_the_secret(tmp_path: Path) -> None:
    folder = a_secret(tmp_path, host="git.example", token="t0ken-of-somebody")
    private = tmp_path / "private"
    private.mkdir()
    environment = read_credentials(folder, "git.example").environment(private)
    assert "t0ken-of-somebody" not in str(environment) + (private / "askpass").read_text()


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({}, "no key `host`; set it to git.example"),
        ({"token": "x"}, "no key `host`"),
        ({"host": "github.com", "token": "x"}, "for the host github.com, but the repository is on git.example"),
        ({"host": "git.example"}, "neither a key `password` nor a key `token`"),
        ({"host": "git.example", "password": "\n"}, "neither a key `password` nor a key `token`"),
    ],
)
def test_a_secret_that_cannot_be_used_says_what_it_lacks(tmp_path: Path, keys: dict[str, str], sentence: str) -> None:
    with pytest.raises(Permanent, match=sentence):
        read_credentials(a_secret(tmp_path, **keys), "git.example")


def test_a_secret_that_is_not_mounted_is_one_without_a_host(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="no key `host`"):
        read_credentials(tmp_path / "missing", "git.example")
