"""An alert in the words of its sink, and which sinks are accepted."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from forge_core.durations import timestamp
from forge_operator.outbox.destination import DATADOG_URL, BadDestination, Destination, Kind
from forge_operator.outbox.formats import datadog, text_of, webhook

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def alert(at: datetime = NOW, **data: Any) -> dict[str, Any]:
    told = {
        "analysisId": "a-1", "queue": "analysis", "kind": "analysis", "namespace": "tenant-t", "name": "job",
        "phase": "Running", "clock": "started", "began": timestamp(at), "limitSeconds": 300, "seconds": 302.4,
    }  # fmt: skip
    return {"id": "e-1", "type": "sla.breached", "time": timestamp(at), "tenantid": "t", "data": {**told, **data}}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "ran for 5m2s; the SLA of queue analysis is 5m"),
        ({"clock": "queued", "phase": "Queued"}, "was not done 5m2s after it was created"),
        ({"clock": "first-attempt", "limitSeconds": 5, "seconds": 7}, "had no first attempt 7s after it was created"),
        ({"phase": "Failed"}, "it ended Failed"),
        ({}, "it goes on"),
        ({"limitSeconds": 0.5, "seconds": 0.5}, "is 500ms"),
        ({"clock": "of a later release"}, "ran for 5m2s"),
    ],
)
def test_the_text_says_duration_and_threshold(data: dict[str, Any], said: str) -> None:
    assert said in text_of(alert(**data))


def test_datadog_gets_a_time_that_it_takes_however_late_the_alert_is() -> None:
    old = datadog(alert(NOW - timedelta(days=3)), NOW)
    assert NOW.timestamp() - 18 * 3600 < old["date_happened"] <= NOW.timestamp()
    assert timestamp(NOW - timedelta(days=3)) in old["text"]
    assert datadog(alert(), NOW)["date_happened"] == NOW.timestamp()


@given(st.text(max_size=300), st.text(max_size=300))
def test_whatever_a_job_is_called_titles_and_texts_keep_to_their_limits(namespace: str, name: str) -> None:
    event = datadog(alert(namespace=namespace, name=name), NOW)
    assert len(event["title"]) <= 100
    assert len(event["text"]) <= 4000
    assert len(event["aggregation_key"]) <= 100


def test_a_repeat_is_told_with_the_same_id() -> None:
    assert webhook(alert())["id"] == webhook(alert())["id"] == "e-1"


def to(url: str, sink: Kind = "webhook", key: str = "k", *, allow_http: bool = False) -> Destination:
    return Destination(sink, allow_http, SecretStr(url), SecretStr(key), "")


@pytest.mark.parametrize(
    "url",
    [
        "", "alerts.example.com", "ftp://example.com/", "https://", "https:///path", "http://example.com/hook",
        "https://user:secret@example.com/", "https://example.com/#part", "https://example.com/a b", "https://[::1/x",
        "https://example.com:99999999/", "https://example.com/\nHost: x", "https://example.com\\@evil.example/",
    ],
)  # fmt: skip
def test_a_url_that_is_none_of_ours_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(BadDestination) as refused:
        to(url)
    assert refused.value.variable == "FORGE_ALERTS_URL"
    assert "secret" not in str(refused.value)


def test_plain_http_is_taken_only_when_it_is_allowed() -> None:
    assert to("http://example.com/hook", allow_http=True).address == "http://example.com/hook"


def test_datadog_has_an_address_of_its_own_and_needs_a_key() -> None:
    assert to("", "datadog").address == DATADOG_URL
    assert to("https://api.datadoghq.eu/api/v1/events", "datadog").address.endswith("eu/api/v1/events")
    with pytest.raises(BadDestination, match="key"):
        to("", "datadog", "")


@pytest.mark.parametrize("key", ["a\nb", "a\rb", "sch\u00fcssel", "\x00"])
def test_a_key_that_no_header_can_hold_is_refused(key: str) -> None:
    with pytest.raises(BadDestination, match="one line"):
        to("https://example.com/", key=key)


def test_a_key_from_a_file_may_end_its_line() -> None:
    assert to("https://example.com/\n", key="abc\n").key == "abc"


def test_the_log_needs_nothing() -> None:
    assert to("", "log", "").address == ""


def test_no_destination_shows_its_secrets() -> None:
    assert "hidden" not in repr(to("https://example.com/hidden", key="hidden"))


def test_the_operator_does_not_begin_with_a_sink_that_cant_be() -> None:
    settings = {
        "DATABASE_URL": "postgresql://a@b/c", "REDIS_URL": "redis://r", "API_URL": "http://a", "ALERTS_SINK": "webhook",
        "ALERTS_URL": "https://me:hidden@example.com/",
    }  # fmt: skip
    environment = {**os.environ, **{f"FORGE_{name}": value for name, value in settings.items()}}
    command = [sys.executable, "-m", "forge_operator"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 2
    assert "FORGE_ALERTS_URL" in ended.stderr
    assert "hidden" not in ended.stderr
