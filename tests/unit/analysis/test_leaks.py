"""Secrets: found in every form that the detectors know, and never kept."""

import dataclasses
import random
import string

import pytest

from forge_kinds.analysis.leaks import (
    MAX_LINE,
    MAX_PER_FILE,
    _candidates,
    _detectors,
    find_secrets,
    suspect_lines,
)

RANDOM = random.Random(4)


def letters(count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(RANDOM.choice(alphabet) for _ in range(count))


HEX = "0123456789abcdef"
LOWER = string.ascii_lowercase + string.digits
SAMPLES = {
    "Artifactory Credentials": f'x = "AKC{letters(12)}"',
    "AWS Access Key": f"AKIA{letters(16, string.ascii_uppercase + string.digits)}",
    "Azure Storage Account access key": f"AccountKey={letters(86)}==",
    "Basic Auth Credentials": "https://deploy:hunter2x@registry.acme.dev/v2",
    "Cloudant Credentials": f'cloudant_password = "{letters(64, HEX)}"',
    "Discord Bot Token": f"M{letters(23)}.{letters(6)}.{letters(27)}",
    "GitHub Token": f"ghp_{letters(36)}",
    "GitLab Token": f"glpat-{letters(20)}",
    "IBM Cloud IAM Key": f'ibm_cloud_iam_api_key = "{letters(44)}"',
    "IBM COS HMAC Credentials": f'cos_hmac_secret_access_key = "{letters(48, HEX)}"',
    "JSON Web Token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "Mailchimp Access Key": f"{letters(32, HEX)}-us12",
    "NPM tokens": f"//registry.npmjs.org/:_authToken=npm_{letters(36)}",
    "OpenAI Token": f"sk-{letters(20)}T3BlbkFJ{letters(20)}",
    "Private Key": "-----BEGIN RSA PRIVATE KEY-----",
    "PyPI Token": f"pypi-AgEIcHlwaS5vcmc{letters(80)}",
    "SendGrid API Key": f"SG.{letters(22)}.{letters(43)}",
    "Slack Token": "xoxb-34532454-e039d02840a0b9379c",
    "SoftLayer Credentials": f'softlayer_api_key = "{letters(64, LOWER)}"',
    "Square OAuth Secret": f"sq0csp-{letters(43)}",
    "Stripe Access Key": f"sk_live_{letters(24)}",
    "Telegram Bot Token": f"110201543:{letters(35)}",
    "Twilio API Key": f"SK{letters(32, LOWER)}",
    "Hex High Entropy String": f'digest = "{letters(40, HEX)}"',
    "Base64 High Entropy String": f'blob = "{letters(60)}"',
    "Secret Keyword": 'db_password = "Tr0ub4dor&3x"',
}


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_a_secret_of_each_kind_passes_the_first_look_and_its_detector(kind: str) -> None:
    [detector] = [each for each in _detectors() if each.secret_type == kind]
    assert list(_candidates(detector, "settings.py", SAMPLES[kind])), "the sample is none for its own detector"
    assert suspect_lines(f"\n\n{SAMPLES[kind]}\n") == [3]
    assert [secret.line for secret in find_secrets("settings.py", f"\n\n{SAMPLES[kind]}\n")] == [3]


def test_every_detector_has_a_sample() -> None:
    assert {detector.secret_type for detector in _detectors()} == set(SAMPLES)


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_nothing_of_a_secret_is_kept(kind: str) -> None:
    line = SAMPLES[kind]
    [detector] = [each for each in _detectors() if each.secret_type == kind]
    [value] = {
        value for value in _candidates(detector, "settings.py", line) if len(value) > 6 or kind == "Private Key"
    } or {line}
    for secret in find_secrets("settings.py", line):
        assert value not in str(dataclasses.asdict(secret))


def test_the_fingerprint_does_not_depend_on_the_secret() -> None:
    # A digest of a short password could be turned back by trying: the line is digested with the secret masked.
    first, second = (
        find_secrets("settings.py", f'db_password = "{value}"') for value in ("Tr0ub4dor&3x", "An0ther!pass")
    )
    assert first == second != []


@pytest.mark.parametrize(
    "line",
    [
        'password = get_password("database")',
        'password = "${DB_PASSWORD}"',
        'password = "<your password>"',
        'password = ""',
        'token_url = "https://user:password@host/"',
        'url = "https://user:s3cretpw@example.com/"',
        'request_id = "123e4567-e89b-12d3-a456-426614174000"',
        "password: str",
    ],
)
def test_what_is_no_secret_is_not_reported(line: str) -> None:
    assert find_secrets("settings.py", line) == []


def test_a_very_long_line_is_passed_over() -> None:
    assert find_secrets("settings.py", SAMPLES["GitHub Token"] + " " * MAX_LINE + "x") == []


def test_a_file_full_of_secrets_is_cut() -> None:
    assert len(find_secrets("dump.txt", "\n".join([SAMPLES["GitHub Token"]] * 1000))) == MAX_PER_FILE


def test_letters_that_grow_in_lower_case_do_not_shift_the_line() -> None:
    assert [secret.line for secret in find_secrets("a.py", "İ" * 50 + "\n" + SAMPLES["Secret Keyword"])] == [2]
