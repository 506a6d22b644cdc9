"""Bad AnalysisJobs, applied to the real API server: each is refused, with the sentence that says what to do."""

from typing import Any

import pytest

from forge_core.cluster import analysis_jobs
from tests.builders.manifests import REMOVED, analysis_job
from tests.conftest import Kubectl
from tests.services.api_server import refused

pytestmark = pytest.mark.cluster

LONG_URL = "https://example.com/" + "a" * 2048
MANY = [f"src/{number}" for number in range(51)]
URL_FORM = "write it as https://example.com/team/project.git"
NO_PASSWORD = "url must carry no user and no password: put them into a Secret"
REF_FORM = "ref must be a name that git knows"
DURATION_FORM = "timeout must be a duration from 1s to 24h: write for example 30s, 15m or 1h30m"
SECRET_FORM = "name must begin with forge-job-"
ORIGIN_FORM = "retryOf must be the id of a failed job as the API shows it"
PATH_FORM = "a path is relative to the repository's root and stays in it"

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no queue": ({"queue": REMOVED}, "spec.queue: Required value"),
    "an empty queue": ({"queue": ""}, "spec.queue"),
    "a queue in capitals": ({"queue": "Analysis"}, "queue must be the name of a JobQueue"),
    "a queue with a dot": ({"queue": "a.b"}, "queue must be the name of a JobQueue"),
    "a queue with a line break": ({"queue": "analysis\n"}, "queue must be the name of a JobQueue"),
    "a queue of 64 characters": ({"queue": "q" * 64}, "may not be more than 63"),
    "a queue that is a number": ({"queue": 7}, "must be of type string"),
    "priority 0": ({"priority": 0}, "should be greater than or equal to 1"),
    "priority 1001": ({"priority": 1001}, "should be less than or equal to 1000"),
    "a fractional priority": ({"priority": 1.5}, "must be of type integer"),
    "a priority in words": ({"priority": "high"}, "must be of type integer"),
    "a repository without a URL": ({"repository": {"ref": "main"}}, "spec.repository.url: Required value"),
    "an empty URL": ({"repository__url": ""}, URL_FORM),
    "a URL for ssh": ({"repository__url": "ssh://git@example.com/a.git"}, URL_FORM),
    "a URL as scp writes it": ({"repository__url": "git@example.com:a/b.git"}, URL_FORM),
    "a URL of a file": ({"repository__url": "file:///etc"}, URL_FORM),
    "a URL for git's ext transport": ({"repository__url": "ext::sh -c touch% /tmp/x"}, URL_FORM),
    "a URL without a scheme": ({"repository__url": "example.com/a.git"}, URL_FORM),
    "a scheme in capitals": ({"repository__url": "HTTPS://example.com/a.git"}, URL_FORM),
    "a URL that begins with a dash": ({"repository__url": "--upload-pack=touch"}, URL_FORM),
    "a URL without a path": ({"repository__url": "https://example.com"}, "url needs a host and a path"),
    "a URL without a host": ({"repository__url": "https:///a.git"}, "url needs a host and a path"),
    "a URL with a port that is no number": (
        {"repository__url": "https://example.com:x/a"},
        "url needs a host and a path",
    ),
    "a URL with a wrong escape": ({"repository__url": "https://example.com/%zz"}, "url needs a host and a path"),
    "a URL with user and password": ({"repository__url": "https://me:secret@example.com/a.git"}, NO_PASSWORD),
    "a URL with a token as user": ({"repository__url": "https://token@example.com/a.git"}, NO_PASSWORD),
    "a URL with an empty user": ({"repository__url": "https://@example.com/a.git"}, NO_PASSWORD),
    "a URL with a space": ({"repository__url": "https://example.com/a b"}, "url must hold no spaces"),
    "a URL with a line break": ({"repository__url": "https://example.com/a\nb"}, "url must hold no spaces"),
    "a URL with a backslash": ({"repository__url": "https://example.com\\@evil.example/a"}, "url must hold no spaces"),
    "a URL with a no-break space": ({"repository__url": "https://example.com/a\u00a0b"}, "url must hold no spaces"),
    "a URL with a fragment": (
        {"repository__url": "https://example.com/a.git#main"},
        "write the branch, tag or commit into ref",
    ),
    "a URL of over 2048 characters": ({"repository__url": LONG_URL}, "may not be more than 2048"),
    "a ref that begins with a dash": ({"repository__ref": "--upload-pack=x"}, "ref must not begin with a dash"),
    "a ref with a space": ({"repository__ref": "my branch"}, REF_FORM),
    "a ref with a line break": ({"repository__ref": "main\n"}, REF_FORM),
    "a ref with two dots": ({"repository__ref": "a..b"}, REF_FORM),
    "a ref with a colon": ({"repository__ref": "main:other"}, REF_FORM),
    "a ref that names a revision": ({"repository__ref": "HEAD~1"}, REF_FORM),
    "a ref of the reflog": ({"repository__ref": "main@{1}"}, REF_FORM),
    "a ref that ends in .lock": ({"repository__ref": "main.lock"}, REF_FORM),
    "a ref that begins with a slash": ({"repository__ref": "/main"}, REF_FORM),
    "a ref of over 255 characters": ({"repository__ref": "r" * 256}, "may not be more than 255"),
    "credentials without a name": (
        {"repository__credentialsSecretRef": {}},
        "credentialsSecretRef.name: Required value",
    ),
    "credentials of another namespace": (
        {"repository__credentialsSecretRef": {"name": "s", "namespace": "kube-system"}},
        'unknown field "spec.repository.credentialsSecretRef.namespace"',
    ),
    "credentials that are no Secret's name": (
        {"repository__credentialsSecretRef": {"name": "../s"}},
        "name must be the name of a Secret in this namespace",
    ),
    "a Secret that was made for something else": ({"secretRef": {"name": "forge-redis"}}, SECRET_FORM),
    "a Secret with nothing behind its prefix": ({"secretRef": {"name": "forge-job-"}}, SECRET_FORM),
    "a Secret of another place": ({"secretRef": {"name": "forge-job-../x"}}, SECRET_FORM),
    "a Secret with a line break": ({"secretRef": {"name": "forge-job-a\n"}}, SECRET_FORM),
    "a Secret of another namespace": (
        {"secretRef": {"name": "forge-job-a", "namespace": "kube-system"}},
        'unknown field "spec.secretRef.namespace"',
    ),
    "a Secret without a name": ({"secretRef": {}}, "secretRef.name: Required value"),
    "a message id with a dot": ({"config": {"messageId": "a.b"}}, "messageId may hold letters, digits"),
    "a message id with a header behind it": ({"config": {"messageId": "a\r\nX: y"}}, "messageId may hold letters"),
    "an empty message": ({"config": {"payload": ""}}, "should be at least 1 chars long"),
    "a message of over 12 KiB": ({"config": {"payload": "x" * 12_289}}, "may not be more than 12288"),
    "a URL of one's own for a delivery": ({"config": {"url": "https://a.example"}}, 'unknown field "spec.config.url"'),
    "a repository id with a slash": ({"repositoryId": "a/b"}, "repositoryId may hold letters, digits"),
    "a requester on two lines": ({"requestedBy": "me\nroot"}, "requestedBy must hold no control characters"),
    "a configuration that isn't known": ({"config": {"depth": 3}}, 'unknown field "spec.config.depth"'),
    "a configuration that is a list": ({"config": []}, "must be of type object"),
    "51 paths": ({"config": {"paths": MANY}}, "must have at most 50 items"),
    "the same path twice": ({"config": {"paths": ["a", "a"]}}, "Duplicate value"),
    "a path of over 255 characters": ({"config": {"paths": ["p" * 256]}}, "may not be more than 255"),
    "a path from the root": ({"config": {"paths": ["/etc/passwd"]}}, PATH_FORM),
    "a path out of the repository": ({"config": {"paths": ["src/../../etc"]}}, PATH_FORM),
    "an empty path": ({"config": {"paths": [""]}}, "should be at least 1 chars long"),
    "a pattern out of the repository": (
        {"config": {"exclude": ["../*"]}},
        "a pattern is relative to the repository's root",
    ),
    "21 languages": ({"config": {"languages": [f"L{n}" for n in range(21)]}}, "must have at most 20 items"),
    "a language that is an option": ({"config": {"languages": ["--all"]}}, "a language is written by its usual name"),
    "a rule that is an option": ({"config": {"fix": ["--fix"]}}, "a rule is capital letters and digits"),
    "a Python that is none": ({"config": {"modernize": "2.7"}}, 'Unsupported value: "2.7"'),
    "a name without its module": (
        {"config": {"rename": {"symbol": "f", "to": "g"}}},
        "a symbol is a module and a name",
    ),
    "a name that is code": ({"config": {"rename": {"symbol": "a.f", "to": "g()"}}}, "a name is letters, digits"),
    "a verification by nothing": ({"config": {"verify": {}}}, "verify needs either a command"),
    "a verification by two": (
        {"config": {"verify": {"pytest": True, "command": ["make"]}}},
        "verify needs either a command",
    ),
    "a command that is a line": ({"config": {"verify": {"command": "make test"}}}, "must be of type array"),
    "a command of nothing": ({"config": {"verify": {"command": []}}}, "should have at least 1 items"),
    "a requirement by address": (
        {"config": {"verify": {"pytest": True, "install": ["https://evil.test/x"]}}},
        "name a file of requirements in the repository",
    ),
    "requirements outside of the repository": (
        {"config": {"verify": {"pytest": True, "install": ["a/../../x.txt"]}}},
        "name a file of requirements in the repository",
    ),
    "a verification of two hours": (
        {"config": {"verify": {"pytest": True, "timeout": "2h"}}},
        "timeout must be a duration from 1s to 1h",
    ),
    "a baseline that is nothing": ({"config": {"baseline": {}}}, "either a ref or an analysis"),
    "a baseline that is two": (
        {"config": {"baseline": {"ref": "main", "analysis": "0b4bb5a5-7a42-4f0e-9b39-0fd2b3f5c1de"}}},
        "either a ref or an analysis",
    ),
    "a baseline that is an option": ({"config": {"baseline": {"ref": "--upload-pack=x"}}}, "a ref is a branch"),
    "a baseline that is no id": (
        {"config": {"baseline": {"analysis": "../nightly"}}},
        "an analysis is named by its id",
    ),
    "an empty gate": ({"config": {"gate": {}}}, "should have at least 1 properties"),
    "a gate of no severity": ({"config": {"gate": {"noNew": "dreadful"}}}, 'Unsupported value: "dreadful"'),
    "one layer": ({"config": {"layers": [["shop"]]}}, "should have at least 2 items"),
    "an empty layer": ({"config": {"layers": [["shop"], []]}}, "should have at least 1 items"),
    "21 layers": ({"config": {"layers": [[f"layer{number}"] for number in range(21)]}}, "must have at most 20 items"),
    "a layer of a path": ({"config": {"layers": [["src/shop"], ["b"]]}}, "a module is written as it is imported"),
    "a layer that is one name": ({"config": {"layers": ["shop", "store"]}}, "must be of type array"),
    "a gate of 101 per cent": ({"config": {"gate": {"maxNewDuplication": 101}}}, "less than or equal to 100"),
    "a history of all commits": ({"config": {"history": {"commits": 5001}}}, "less than or equal to 5000"),
    "a history since yesterday": ({"config": {"history": {"since": "yesterday"}}}, "a day is written as"),
    "a clean-up that is none": ({"config": {"task": "purge-everything"}}, 'Unsupported value: "purge-everything"'),
    "a clean-up with a time of its own": (
        {"config": {"task": "purge-history", "before": "2030-01-01"}},
        'unknown field "spec.config.before"',
    ),
    "a dry run that is a word": ({"config": {"task": "purge-history", "dryRun": "yes"}}, "must be of type boolean"),
    "a class in capitals": ({"resourceClass": "Large"}, "resourceClass must be the name of one of the queue's classes"),
    "a timeout without a unit": ({"timeout": "15"}, DURATION_FORM),
    "a timeout that is a number": ({"timeout": 15}, "must be of type string"),
    "a timeout of nothing": ({"timeout": "0s"}, DURATION_FORM),
    "a timeout below zero": ({"timeout": "-5m"}, DURATION_FORM),
    "a timeout of over a day": ({"timeout": "25h"}, DURATION_FORM),
    "a timeout in days": ({"timeout": "1d"}, DURATION_FORM),
    "a timeout that overflows": ({"timeout": "999999h999999h999999h"}, "timeout"),
    "an origin that is no id": ({"retryOf": "flask"}, ORIGIN_FORM),
    "an origin in capitals": ({"retryOf": "0B4BB5A5-7A42-4F0E-9B39-0FD2B3F5C1DE"}, ORIGIN_FORM),
    "an origin without dashes": ({"retryOf": "0b4bb5a57a424f0e9b390fd2b3f5c1de"}, ORIGIN_FORM),
    "an origin with a line break": ({"retryOf": "0b4bb5a5-7a42-4f0e-9b39-0fd2b3f5c1d\n"}, ORIGIN_FORM),
    "an empty origin": ({"retryOf": ""}, ORIGIN_FORM),
    "a long origin": ({"retryOf": "a" * 37}, "may not be more than 36"),
    "cancel in words": ({"cancel": "yes"}, "must be of type boolean"),
    "a pod of one's own": ({"podTemplate": {"spec": {}}}, 'unknown field "spec.podTemplate"'),
    "an image of one's own": ({"image": "evil"}, 'unknown field "spec.image"'),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_job_is_refused_with_its_sentence(kubectl: Kubectl, place: str, case: str) -> None:
    changes, sentence = BAD[case]
    with refused(sentence):
        kubectl.server.create(analysis_job(place, "bad", **changes))


def test_kubectl_shows_the_sentence(kubectl: Kubectl, place: str) -> None:
    changes, sentence = BAD["an origin that is no id"]
    done = kubectl.apply(analysis_job(place, "bad", **changes), check=False)
    assert done.returncode != 0
    assert sentence in done.stderr


def test_a_job_without_a_spec_is_refused(kubectl: Kubectl, place: str) -> None:
    manifest = analysis_job(place, "bad")
    del manifest["spec"]
    with refused("spec: Required value"):
        kubectl.server.create(manifest)


def test_nothing_bad_was_stored(kubectl: Kubectl, place: str) -> None:
    assert kubectl.server.items(analysis_jobs(place)) == []


GOOD: dict[str, dict[str, Any]] = {
    "with the least": {"repository": REMOVED},
    "with everything": {
        "priority": 1,
        "repository__credentialsSecretRef": {"name": "git.example.com"},
        "repositoryId": "5b0c7d4e-0000-4000-8000-000000000001",
        "requestedBy": "Grace Höpper <grace@example.com>",
        "config": {"paths": ["src/server", "a..b"], "exclude": ["vendor/*", "*.min.js"], "languages": ["C++", "C#"]},
        "resourceClass": "small",
        "timeout": "1m30s",
        "cancel": False,
        "retryOf": "0b4bb5a5-7a42-4f0e-9b39-0fd2b3f5c1de",
    },
    "as a refactoring": {
        "config": {
            "fix": ["SIM118", "PIE"],
            "modernize": "3.12",
            "imports": ["sort", "remove-unused"],
            "extract": {"over": 15},
            "rename": {"symbol": "a.b.naïve", "to": "_f2"},
            "verify": {"pytest": True, "install": ["requirements/dev.txt", ".[test]"], "timeout": "5m"},
        }
    },
    "verified by a command": {"config": {"verify": {"command": ["make", "test", "ARGS=-k 'not slow'"]}}},
    "on a host with a port": {"repository__url": "http://example.com:8080/a"},
    "on an IPv6 address": {"repository__url": "https://[2001:db8::1]:443/a.git"},
    "with an @ in the path": {"repository__url": "https://example.com/@scope/project"},
    "with letters of other scripts": {"repository__url": "https://example.com/проект"},
    "at a commit": {"repository__ref": "0123456789abcdef0123456789abcdef01234567"},
    "at a tag in a folder": {"repository__ref": "releases/v1.2.3-rc.1+build"},
    "with layers": {"config": {"layers": [["shop.web"], ["shop.orders", "shop.stock"], ["_store"]]}},
    "for a clean-up": {"repository": REMOVED, "config": {"task": "aggregate-usage"}},
    "for a clean-up that only tells": {"repository": REMOVED, "config": {"task": "purge-history", "dryRun": True}},
    "that is cancelled from the start": {"cancel": True},
}


@pytest.mark.parametrize("case", GOOD)
def test_a_good_job_is_taken(kubectl: Kubectl, place: str, case: str) -> None:
    manifest = analysis_job(place, **{"queue": "nobodys", **GOOD[case]})
    kubectl.server.create(manifest)
    kubectl.server.delete(analysis_jobs(place, manifest["metadata"]["name"]))
