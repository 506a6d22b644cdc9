"""Bad JobQueues, applied to the real API server: each is refused, with the sentence that says what to do."""

from typing import Any

import pytest

from tests.builders.manifests import REMOVED, job_queue
from tests.conftest import Kubectl
from tests.services.api_server import refused

pytestmark = pytest.mark.cluster

TIMEOUT_FORM = "timeout must be a duration from 1s to 24h"

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no job type": ({"jobType": REMOVED}, "spec.jobType: Required value"),
    "a job type in capitals": ({"jobType": "Analysis"}, "jobType must be the name of a kind of work"),
    "no concurrency": ({"concurrency": REMOVED}, "spec.concurrency: Required value"),
    "a concurrency below none": ({"concurrency": -1}, "should be greater than or equal to 0"),
    "no timeout": ({"timeout": REMOVED}, "spec.timeout: Required value"),
    "a timeout in words": ({"timeout": "a while"}, TIMEOUT_FORM),
    "an image with a space": ({"image": "a b"}, "image must be an image reference"),
    "no attempt at all": ({"retry": {"attempts": 0}}, "should be greater than or equal to 1"),
    "21 attempts": ({"retry": {"attempts": 21}}, "should be less than or equal to 20"),
    "an unknown backoff": (
        {"retry": {"backoff": {"type": "linear", "delay": "1s"}}},
        'supported values: "exponential"',
    ),
    "a backoff without a delay": ({"retry": {"backoff": {"type": "fixed"}}}, "needs a delay, such as 2s"),
    "a delay of over an hour": ({"retry": {"backoff": {"delay": "61m"}}}, "delay must be a duration of at most 1h"),
    "a cap below the delay": (
        {"retry": {"backoff": {"type": "exponential", "delay": "5s", "maxDelay": "1s"}}},
        "maxDelay must be at least delay",
    ),
    "an SLA without a limit": ({"sla": {"clock": "queued"}}, "spec.sla.limit: Required value"),
    "an unknown clock": ({"sla": {"limit": "5m", "clock": "noon"}}, 'supported values: "queued"'),
    "a rate of nothing": ({"rateLimit": {"max": 0, "per": "60s"}}, "should be greater than or equal to 1"),
    "a rate without a window": ({"rateLimit": {"max": 1}}, "spec.rateLimit.per: Required value"),
    "a window of over an hour": ({"rateLimit": {"max": 1, "per": "2h"}}, "per must be a duration from 1s to 1h"),
    "a retention without an age": (
        {"retention": {"failed": {"count": 1}}},
        "spec.retention.failed.age: Required value",
    ),
    "a retention of seconds": (
        {"retention": {"completed": {"age": "5s", "count": 1}}},
        "age must be a duration from 1m to 8760h",
    ),
    "a default class that isn't there": (
        {"defaultResourceClass": "huge"},
        "defaultResourceClass must be one of resourceClasses",
    ),
    "classes without a default": ({"defaultResourceClass": REMOVED}, "needs a defaultResourceClass"),
    "a class in capitals": ({"resourceClasses__Big": {}}, "a class is named by at most 63 lower-case letters"),
    "an amount that is none": ({"resourceClasses__small__limits": {"cpu": "two"}}, "an amount must be a quantity"),
    "an amount below zero": ({"resourceClasses__small__limits": {"cpu": "-1"}}, "an amount must be a quantity"),
    "a request over its limit": (
        {"resourceClasses__small__requests": {"memory": "256Mi"}},
        "a request is over its limit: lower requests or raise limits",
    ),
    "17 classes": ({"resourceClasses": {f"c{n}": {} for n in range(17)}}, "must have at most 16 items"),
    "a pod of one's own in a class": ({"resourceClasses__small__hostNetwork": True}, "unknown field"),
    "a sandbox without limits": ({"sandbox": {}}, "spec.sandbox.limits: Required value"),
    "a sandbox without a memory limit": (
        {"sandbox": {"limits": {"cpu": "1"}}},
        "a sandbox needs limits of cpu and memory",
    ),
    "a sandbox with a request over its limit": (
        {"sandbox": {"requests": {"cpu": "2"}, "limits": {"cpu": "1", "memory": "1Gi"}}},
        "a request of the sandbox is over its limit",
    ),
    "a sandbox's volume over its memory": (
        {"sandbox": {"volumeSize": "2Gi", "limits": {"cpu": "1", "memory": "1Gi"}}},
        "must be below limits.memory",
    ),
    "a sandbox with less memory than a volume has": (
        {"sandbox": {"limits": {"cpu": "1", "memory": "256Mi"}}},
        "must be below limits.memory",
    ),
    "a volume of no size": (
        {"sandbox": {"volumeSize": "big", "limits": {"cpu": "1", "memory": "1Gi"}}},
        "volumeSize must be a quantity",
    ),
    "an index with a password": (
        {"sandbox": {"limits": {"cpu": "1", "memory": "1Gi"}, "packages": {"index": "https://a:b@index.test/simple"}}},
        "index must be an http or https address without credentials",
    ),
    "a sandbox with a command of one's own": (
        {"sandbox": {"limits": {"cpu": "1", "memory": "1Gi"}, "command": ["sh"]}},
        "unknown field",
    ),
    "a stall after a second": ({"stall": {"after": "1s"}}, "after must be a duration from 10s to 1h"),
    "a day to start": ({"stall": {"startup": "24h"}}, "startup must be a duration from 10s to 6h"),
    "a selector by expressions": ({"namespaceSelector": {"matchExpressions": []}}, "unknown field"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_queue_is_refused_with_its_sentence(kubectl: Kubectl, definitions: None, case: str) -> None:
    changes, sentence = BAD[case]
    with refused(sentence):
        kubectl.server.create(job_queue("test-bad", **changes))


@pytest.mark.parametrize("name", ["with.dot", "q" * 64])
def test_a_queue_is_named_as_a_label_can_be(kubectl: Kubectl, definitions: None, name: str) -> None:
    with refused("the name of a JobQueue is also a label: at most 63 lower-case letters"):
        kubectl.server.create(job_queue(name))


def test_a_good_queue_is_taken_and_shown_in_columns(kubectl: Kubectl, queues: list[str]) -> None:
    queue = job_queue(retry={"attempts": 3, "backoff": {"type": "exponential", "delay": "2s"}})
    queues.append(queue["metadata"]["name"])
    kubectl.server.create(queue)
    lines = kubectl.run("get", "jq", queue["metadata"]["name"]).stdout.splitlines()
    assert lines[0].split() == ["NAME", "TYPE", "CONCURRENCY", "WAITING", "ACTIVE", "PAUSED", "AGE"]
    assert lines[1].split()[:3] == [queue["metadata"]["name"], "analysis", "1"]
