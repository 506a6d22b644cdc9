"""The mounted Secret, whole and hostile; what it signs; what an answer means."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from forge_core.webhooks import Target
from forge_kinds.webhooks.calling import Answer
from forge_kinds.webhooks.config import DeliveryConfig
from forge_kinds.webhooks.delivery import concluded, signed
from forge_kinds.webhooks.endpoint import Endpoint, read_endpoint
from forge_kinds.webhooks.guard import Checked
from forge_runner.report import Permanent, Transient

NOW = datetime(2026, 1, 31, 12, 0, 0, 700_000, tzinfo=UTC)
NEW, OLD = (f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))
TO = Checked(Target("https", "hooks.example", 443), ("140.82.121.3",))


def mounted(folder: Path, **files: str) -> Path:
    for name, text in {"url": "https://hooks.example/x", "secret": NEW, **files}.items():
        (folder / name.replace("_", "-")).write_text(text)
    return folder


def test_an_endpoint_is_what_its_secret_says(tmp_path: Path) -> None:
    assert read_endpoint(mounted(tmp_path, url="https://hooks.example/x\n"), NOW) == Endpoint(
        "https://hooks.example/x", (NEW,)
    )


@pytest.mark.parametrize(
    ("until", "signs"),
    [((NOW + timedelta(seconds=1)).isoformat(), True), ("2026-01-31T12:00:00Z", False), ("", True)],
    ids=["not yet over", "over", "without an end"],
)
def test_the_previous_secret_signs_too_until_its_time_is_over(tmp_path: Path, until: str, signs: bool) -> None:
    found = read_endpoint(mounted(tmp_path, previous=OLD, previous_until=until), NOW)
    assert found.secrets == ((NEW, OLD) if signs else (NEW,))


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"url": ""}, "no key `url`"),
        ({"secret": ""}, "no key `secret`"),
        ({"secret": "hunter2"}, "`secret` of the endpoint's Secret must be whsec_"),
        ({"secret": "whsec_"}, "must be whsec_"),
        ({"secret": "whsec_c2hvcnQ="}, "24 to 64 bytes"),
        ({"secret": "whsec_&&&&"}, "must be whsec_"),
        ({"previous": "hunter2"}, "`previous`"),
        ({"previous": OLD, "previous_until": "tomorrow"}, "no time in RFC 3339"),
    ],
)
def test_a_secret_that_cannot_be_used_says_what_it_lacks_and_not_what_it_holds(
    tmp_path: Path, files: dict[str, str], sentence: str
) -> None:
    with pytest.raises(Permanent, match=sentence) as refused:
        read_endpoint(mounted(tmp_path, **files), NOW)
    assert "hunter2" not in str(refused.value)


def test_no_secret_at_all_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="register it again"):
        read_endpoint(tmp_path / "not-there", NOW)


def test_what_is_printed_of_an_endpoint_holds_no_secret() -> None:
    assert NEW not in repr(Endpoint("https://hooks.example/", (NEW, OLD)))


def test_what_a_receiver_echoes_is_kept_without_the_secrets() -> None:
    endpoint = Endpoint("https://hooks.example/", (NEW, OLD))
    bare = OLD.removeprefix("whsec_")
    assert endpoint.without_secrets(f"<{NEW}> <{bare}> <{bare.rstrip('=')}>") == "<***> <***> <***>"


# --- signatures --------------------------------------------------------------------------------------------------
CONFIG = DeliveryConfig(messageId="msg-1", payload='{"text": "grün",  "a":1}')


def by_hand(secret: str, headers: dict[str, str], body: bytes) -> str:
    """Standard Webhooks' own words, without its library."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


def test_both_live_secrets_sign_exactly_the_bytes_that_are_sent() -> None:
    headers, body = signed(CONFIG, Endpoint("https://hooks.example/", (NEW, OLD)), NOW), CONFIG.payload.encode()
    assert headers["webhook-id"] == "msg-1"
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert headers["webhook-signature"].split(" ") == [by_hand(secret, headers, body) for secret in (NEW, OLD)]


def test_a_receiver_with_either_secret_takes_it_and_one_with_another_does_not() -> None:
    headers = signed(CONFIG, Endpoint("https://hooks.example/", (NEW, OLD)), datetime.now(UTC))
    for secret in (NEW, OLD):
        assert Webhook(secret).verify(CONFIG.payload, headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(f"whsec_{base64.b64encode(b'3' * 32).decode()}").verify(CONFIG.payload, headers)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"messageId": "a"}, "config.payload: Field required"),
        ({"messageId": "a.b", "payload": "{}"}, "config.messageId"),
        ({"messageId": "a\r\nX: y", "payload": "{}"}, "config.messageId"),
        ({"messageId": "a", "payload": "hello"}, "must be a JSON text"),
        ({"messageId": "a", "payload": '"\ud800"'}, "config.payload"),
        ({"messageId": "a", "payload": "[" * 12_000}, "must be a JSON text"),
        ({"messageId": "a", "payload": '"' + "x" * 13_000 + '"'}, "config.payload"),
        ({"messageId": "a", "payload": "{}", "url": "https://evil.example"}, "config.url"),
    ],
)
def test_a_message_that_cannot_be_sent_is_refused(config: dict[str, str], sentence: str) -> None:
    with pytest.raises(Permanent, match=sentence):
        DeliveryConfig.read(config)


# --- what an answer means ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_a_success_that_keeps_what_was_answered(status: int) -> None:
    result = concluded(Answer(status, 0.25, "thanks"), TO)
    assert result.summary == {"response": {"status": status, "seconds": 0.25, "body": "thanks"}, "seconds": 0.25}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 422, 301, 302, 303, 307, 308])
def test_a_refusal_or_a_redirect_is_final(status: int) -> None:
    with pytest.raises(Permanent, match=f"answered {status}") as failed:
        concluded(Answer(status, 0.25, "no"), TO)
    assert failed.value.account["response"]["status"] == status


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again_after_what_was_asked_for(status: int) -> None:
    with pytest.raises(Transient, match=f"answered {status}") as failed:
        concluded(Answer(status, 0.25, "later", wait=7), TO)
    assert failed.value.wait == 7
    assert failed.value.account["response"]["body"] == "later"
