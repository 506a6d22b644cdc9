"""Credentials don't reach a log."""

import json
import logging

import pytest

from forge_core.logs import configure, get_logger, redact


@pytest.mark.parametrize(
    "text",
    [
        "cloning https://me:hunter2secret@example.com/x.git",
        "Authorization: Bearer hunter2secret.abc",
        "token eyJhbGciOiJIUzI1NiJ9.hunter2secret.c2ln",
        "Basic hunter2secret==",
    ],
)
def test_credentials_are_taken_out(text: str) -> None:
    assert "hunter2secret" not in redact(text)


def test_what_is_no_credential_stays() -> None:
    assert redact("cloning https://example.com/a@b/x.git at 5 %") == "cloning https://example.com/a@b/x.git at 5 %"


def test_a_line_is_json_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        configure()
        get_logger("x").warning("redis away", password="hunter2", url="redis://u:hunter2@h:1")
        logging.getLogger("kopf").warning("at https://u:hunter2@h/")
    finally:
        root.handlers[:], root.level = before, level
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines[0]["password"] == "***"
    assert lines[0]["url"] == "redis://***@h:1"
    assert lines[1]["event"] == "at https://***@h/"
