"""What git's complaints become: a sentence, and whether another attempt can help."""

import pytest

from forge_core.git.complaints import cleaned, explained, tells_of_damage
from forge_runner.report import Permanent, Transient


@pytest.mark.parametrize(
    ("complaint", "failure", "sentence"),
    [
        ("fatal: couldn't find remote ref nope", Permanent, "no branch, tag or commit 'nope'"),
        ("fatal: remote error: upload-pack: not our ref 1234", Permanent, "no branch, tag or commit 'nope'"),
        ("fatal: couldn't find remote ref HEAD", Permanent, "is empty"),
        ("fatal: Authentication failed for 'https://h/r/'", Permanent, "refused access"),
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", Permanent, "refused access"),
        ("fatal: unable to access 'https://h/r/': The requested URL returned error: 403", Permanent, "refused access"),
        ("remote: Repository not found.\nfatal: repository 'https://h/r/' not found", Permanent, "no such repository"),
        ("fatal: unable to access 'https://h/': Could not resolve host: h", Transient, "could not be found"),
        (
            "fatal: unable to access 'https://h/': The requested URL returned error: 503",
            Transient,
            "overloaded or broken",
        ),
        (
            "fatal: unable to access 'https://h/': The requested URL returned error: 429",
            Transient,
            "overloaded or broken",
        ),
        ("error: RPC failed; curl 28 Operation too slow. Less than 1000 bytes/sec", Transient, "too slow"),
        ("fatal: unable to access: Failed to connect to h port 443: Connection timed out", Transient, "too slow"),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 302", Permanent, "redirects"),
        ("fatal: write error: No space left on device", Permanent, "larger resource class"),
        ("fatal: transport 'ext' not allowed", Permanent, "not allowed"),
        ("error: invalid path '.git/hooks/x'", Permanent, "unsafe or broken: invalid path"),
        ("fatal: the remote end hung up unexpectedly", Transient, "the remote end hung up"),
        ("", Transient, "git gave no reason"),
    ],
)
def test_a_complaint_has_its_sentence(complaint: str, failure: type[Exception], sentence: str) -> None:
    found = explained(complaint, "git.example", "nope")
    assert isinstance(found, failure)
    assert sentence in str(found)


@pytest.mark.parametrize(
    "complaint",
    [
        "fatal: bad object 1234",
        "fatal: loose object 1234 (stored in objects/12/34) is corrupt",
        "error: object file objects/12/34 is empty",
        "error: packfile objects/pack/pack-1.pack does not match index",
        "error: inflate: data stream error (incorrect header check)",
        "fatal: unable to read tree 1234",
        "error: Could not read 1234\nfatal: Failed to traverse parents: missing commit",
        "error: remote did not send all necessary objects",
    ],
)
def test_damage_of_a_repository_on_our_disk_is_known_by_its_complaint(complaint: str) -> None:
    assert tells_of_damage(complaint)


@pytest.mark.parametrize(
    "complaint",
    [
        "fatal: couldn't find remote ref nope",
        "fatal: Authentication failed for 'https://h/r/'",
        "fatal: unable to access 'https://h/': Could not resolve host: h",
        "fatal: the remote end hung up unexpectedly",
        "",
    ],
)
def test_what_a_host_answers_is_no_damage(complaint: str) -> None:
    assert not tells_of_damage(complaint)


def test_a_line_for_the_log_holds_no_credential_and_no_terminal_code() -> None:
    line = cleaned("\x1b[31mhttps://ann:pw@h/r and t0ken-1234\x07", ["t0ken-1234"])
    assert line == " [31mhttps://***@h/r and *** "
    assert len(cleaned("x" * 10_000)) == 300
