"""The Job of an AnalysisJob: valid Kubernetes, restricted, and the same each time."""

from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest

from forge_core.assignment import Assignment
from forge_core.cluster import Raw
from forge_core.exits import Exit
from forge_core.names import CLONES_TOKEN_PATH, CLONES_URL_ENV, SECRET_PATH, cut
from forge_core.resource import Invalid, QueueSpec
from forge_operator.digesting import read
from forge_operator.digests import AnalysisJobDigest, JobDigest, Kind
from forge_operator.known import Surroundings
from forge_operator.manifests import job_of
from tests.builders.operator import make_job, make_queue

AROUND = Surroundings(
    "http://forge-api-internal.forge-jobs.svc:8081", "redis://forge-redis:6379", ("git.test",), ("hooks.test:8443",)
)
SIZES = {
    "small": {"requests": {"cpu": "250m"}, "limits": {"memory": "512Mi"}},
    "large": {
        "requests": {"cpu": "2"},
        "limits": {"memory": "4Gi"},
        "nodeSelector": {"disk": "ssd"},
        "runtimeClassName": "gvisor",
    },
}


def _job(queue: Raw | None = None, name: str = "job", around: Surroundings = AROUND, **spec: Any) -> Raw:
    given = {"resourceClasses": SIZES, "defaultResourceClass": "small", "priorityClassName": "forge-analysis"}
    digest = read(Kind.ANALYSIS_JOB, make_job(name, **spec))
    assert isinstance(digest, AnalysisJobDigest)
    return job_of(digest, QueueSpec.read(make_queue(**{**given, **(queue or {})})["spec"]), "acme", around)


def _pod(job: Raw) -> Raw:
    pod: Raw = job["spec"]["template"]["spec"]
    return pod


def _runner(job: Raw) -> Raw:
    (runner,) = _pod(job)["containers"]
    assert isinstance(runner, dict)
    return runner


def _assignment(job: Raw) -> Assignment:
    text = next(one["value"] for one in _runner(job)["env"] if one["name"] == "FORGE_ASSIGNMENT")
    return Assignment.decode(text.replace("$$", "$"))


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"resourceClass": "large", "timeout": "5m", "priority": 3},
        {"repository": {"url": "https://x.test/r", "ref": "v1", "credentialsSecretRef": {"name": "s"}}},
        {"repository": None, "config": {"paths": ["a", "b"]}},
        {"repository": None, "secretRef": {"name": "forge-job-webhook-1"}},
    ],
    ids=["plain", "large", "private", "without a repository", "with a Secret"],
)
def test_the_job_is_valid_kubernetes(spec: Raw) -> None:
    kubernetes_validate.validate(_job(**spec), "1.34", strict=True)


def test_the_operator_recognises_its_own_job() -> None:
    raw = _job()
    stored = {**raw, "metadata": {**raw["metadata"], "uid": "u", "resourceVersion": "1"}}
    digest = read(Kind.JOB, stored)
    assert isinstance(digest, JobDigest)
    assert digest.owner_uid == "uid-tenant-a-job"
    assert (digest.queue, digest.tenant, digest.attempts) == ("analysis", "acme", 3)
    assert digest.deadline == 3 * 900 + 2 + 4 + 900


def test_the_same_job_makes_the_same_manifest() -> None:
    assert _job() == _job()


def test_a_long_name_is_cut_where_kubernetes_takes_only_63_characters() -> None:
    job = _job(name="a" * 250)
    assert len(job["metadata"]["name"]) <= 63
    assert job["metadata"]["labels"]["forge-factory.dev/analysisjob"] == cut("a" * 250)


def test_attempts_and_failures_follow_the_queue_and_the_exit_codes() -> None:
    spec = _job()["spec"]
    assert spec["backoffLimit"] == 2
    assert spec["podReplacementPolicy"] == "Failed"
    disrupted, before_claim, final = spec["podFailurePolicy"]["rules"]
    assert (disrupted["action"], before_claim["action"], final["action"]) == ("Ignore", "Ignore", "FailJob")
    assert before_claim["onExitCodes"]["values"] == [Exit.BEFORE_CLAIM]
    assert final["onExitCodes"]["values"] == [Exit.PERMANENT, Exit.EXHAUSTED]
    assert {rule["onExitCodes"]["containerName"] for rule in (before_claim, final)} == {"runner"}


def test_the_pod_keeps_pod_security_restricted() -> None:
    job = _job()
    pod, runner = _pod(job), _runner(job)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] >= 10_000
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert runner["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert runner["securityContext"]["allowPrivilegeEscalation"] is False
    assert runner["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["dnsConfig"] == {"options": [{"name": "timeout", "value": "1"}, {"name": "attempts", "value": "5"}]}


def test_the_runner_is_told_all_that_it_needs_and_no_secret() -> None:
    job = _job(config={"paths": ["src"]})
    assignment = _assignment(job)
    assert assignment.uid == "uid-tenant-a-job"
    assert (assignment.tenant, assignment.queue, assignment.kind) == ("acme", "analysis", "analysis")
    assert (assignment.attempts, assignment.timeout, assignment.backoff.delay) == (3, 900, 2)
    assert assignment.config == {"paths": ["src"]}
    assert assignment.allowed_hosts == ("git.test",)
    by_name = {one["name"]: one for one in _runner(job)["env"]}
    assert by_name["FORGE_API_URL"]["value"] == AROUND.api_url
    assert by_name["FORGE_REDIS_PASSWORD"]["valueFrom"]["secretKeyRef"]["optional"] is True
    assert "value" not in by_name["FORGE_REDIS_PASSWORD"]


def test_a_config_cannot_read_the_pods_other_variables() -> None:
    job = _job(config={"paths": ["$(FORGE_REDIS_PASSWORD)", "$$(X)"]})
    text = next(one["value"] for one in _runner(job)["env"] if one["name"] == "FORGE_ASSIGNMENT")
    assert "$$(FORGE_REDIS_PASSWORD)" in text
    assert _assignment(job).config == {"paths": ["$(FORGE_REDIS_PASSWORD)", "$$(X)"]}


def test_the_resource_class_gives_size_node_and_runtime() -> None:
    small, large = _job(), _job(resourceClass="large")
    assert _runner(small)["resources"]["limits"] == {"memory": "512Mi"}
    assert "nodeSelector" not in _pod(small)
    assert _runner(large)["resources"]["limits"] == {"memory": "4Gi"}
    assert _pod(large)["nodeSelector"] == {"disk": "ssd"}
    assert _pod(large)["runtimeClassName"] == "gvisor"
    assert _pod(large)["priorityClassName"] == "forge-analysis"


def test_a_timeout_above_the_queues_is_held_to_it() -> None:
    assert _assignment(_job(timeout="2h")).timeout == 900
    assert _assignment(_job(timeout="2m")).timeout == 120


def test_a_private_repository_has_its_secret_mounted_and_not_in_the_environment() -> None:
    job = _job(repository={"url": "https://x.test/r", "credentialsSecretRef": {"name": "git-token"}})
    volume = next(one for one in _pod(job)["volumes"] if one["name"] == "credentials")
    assert volume["secret"]["secretName"] == "git-token"
    assert {"name": "credentials", "mountPath": "/var/run/secrets/repository", "readOnly": True} in _runner(job)[
        "volumeMounts"
    ]
    assert _assignment(job).repository is not None
    assert _assignment(job).repository.has_credentials  # type: ignore[union-attr]
    assert "git-token" not in str(_runner(job)["env"])


def test_a_secret_made_for_jobs_is_mounted_for_the_runner_alone_and_is_in_no_environment() -> None:
    job = _job(repository=None, secretRef={"name": "forge-job-webhook-1"})
    volume = next(one for one in _pod(job)["volumes"] if one["name"] == "secret")
    assert volume["secret"] == {"secretName": "forge-job-webhook-1", "optional": True, "defaultMode": 0o440}
    assert {"name": "secret", "mountPath": SECRET_PATH, "readOnly": True} in _runner(job)["volumeMounts"]
    assert "forge-job-webhook-1" not in str(_runner(job)["env"])


@pytest.mark.parametrize("name", ["forge-redis", "git-token", "forge-job-", "forge-job-../x", "xforge-job-a", ""])
def test_a_secret_that_was_not_made_for_jobs_is_mounted_for_none_whatever_the_schema_let_through(name: str) -> None:
    with pytest.raises(Invalid, match=r"secretRef\.name"):
        _job(repository=None, secretRef={"name": name})


def test_a_delivery_is_told_other_hosts_than_a_clone() -> None:
    assert _assignment(_job(queue={"jobType": "webhooks"})).allowed_hosts == ("hooks.test:8443",)
    assert _assignment(_job()).allowed_hosts == ("git.test",)


def test_a_public_repository_has_no_secret_mounted() -> None:
    assert "credentials" not in str(_pod(_job())["volumes"])


def test_only_the_apis_audience_is_in_the_pods_token() -> None:
    (token,) = [one for one in _pod(_job())["volumes"] if one["name"] == "token"]
    (source,) = token["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == "forge-api"


def test_a_pod_that_has_no_business_with_the_clone_cache_is_told_nothing_of_it() -> None:
    with_cache = replace(AROUND, clones_url="http://forge-clones.forge-jobs.svc:8082")
    delivery = _job({"jobType": "webhooks"}, around=with_cache, repository=None)
    for job in (_job(), delivery):
        assert CLONES_URL_ENV not in [one["name"] for one in _runner(job)["env"]]
        (token,) = [volume for volume in _pod(job)["volumes"] if volume["name"] == "token"]
        assert len(token["projected"]["sources"]) == 1


@pytest.mark.parametrize("queue", [{}, {"jobType": "cleanup"}])
def test_a_clone_and_a_clean_up_are_told_where_the_clone_cache_is_and_given_a_token_for_it_alone(queue: Raw) -> None:
    with_cache = replace(AROUND, clones_url="http://forge-clones.forge-jobs.svc:8082")
    more: dict[str, Any] = {"repository": None} if queue else {}
    job = _job(queue, around=with_cache, **more)
    assert {"name": CLONES_URL_ENV, "value": with_cache.clones_url} in _runner(job)["env"]
    (token,) = [volume for volume in _pod(job)["volumes"] if volume["name"] == "token"]
    tokens = [source["serviceAccountToken"] for source in token["projected"]["sources"]]
    assert [each["audience"] for each in tokens] == ["forge-api", "forge-clones"]
    (mount,) = [mount for mount in _runner(job)["volumeMounts"] if mount["name"] == "token"]
    assert f"{mount['mountPath']}/{tokens[1]['path']}" == CLONES_TOKEN_PATH
    kubernetes_validate.validate(job, "1.34", strict=True)


def test_a_lost_nodes_pods_are_given_up_after_half_a_minute() -> None:
    tolerated = {one["key"]: one["tolerationSeconds"] for one in _pod(_job())["tolerations"]}
    assert tolerated == {"node.kubernetes.io/not-ready": 30, "node.kubernetes.io/unreachable": 30}


SANDBOX = {"requests": {"cpu": "100m"}, "limits": {"cpu": "1", "memory": "1Gi"}}


def _sandbox(job: Raw) -> Raw:
    (sandbox,) = _pod(job)["initContainers"]
    assert isinstance(sandbox, dict)
    return sandbox


def test_a_queue_without_a_sandbox_has_one_container_and_says_so_to_its_runner() -> None:
    job = _job()
    assert "initContainers" not in _pod(job)
    assert "sandbox" not in str(_pod(job)["volumes"])
    assert _assignment(job).sandbox is None


def test_a_sandbox_is_a_valid_sidecar_that_ends_with_the_runner() -> None:
    job = _job(queue={"sandbox": SANDBOX})
    kubernetes_validate.validate(job, "1.34", strict=True)
    assert _sandbox(job)["restartPolicy"] == "Always"
    assert _sandbox(job)["resources"] == {"requests": {"cpu": "100m"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    assert _sandbox(job)["image"] == _runner(job)["image"]


def test_a_sandbox_without_requests_asks_for_its_limits() -> None:
    limits = {"cpu": "1", "memory": "1Gi"}
    assert _sandbox(_job(queue={"sandbox": {"limits": limits}}))["resources"]["requests"] == limits


def test_a_sandbox_has_no_right_no_variable_and_no_volume_but_its_own() -> None:
    job = _job(
        queue={"sandbox": SANDBOX}, repository={"url": "https://x.test/r", "credentialsSecretRef": {"name": "s"}}
    )
    sandbox, context = _sandbox(job), _sandbox(job)["securityContext"]
    assert "env" not in sandbox
    assert "envFrom" not in sandbox
    assert {mount["name"] for mount in sandbox["volumeMounts"]} == {"sandbox", "sandbox-shm"}
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    shared = {mount["name"] for mount in _runner(job)["volumeMounts"]} & {"sandbox", "sandbox-shm"}
    assert shared == {"sandbox"}
    assert "shareProcessNamespace" not in _pod(job)


def test_a_sandboxs_volumes_are_in_memory_and_of_a_size() -> None:
    volumes = {one["name"]: one for one in _pod(_job(queue={"sandbox": {**SANDBOX, "volumeSize": "256Mi"}}))["volumes"]}
    assert volumes["sandbox"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "256Mi"}
    assert volumes["sandbox-shm"]["emptyDir"]["medium"] == "Memory"


def test_each_job_has_a_uid_of_its_own_for_its_sandbox_which_is_never_the_runners() -> None:
    jobs = [_job(name=f"job-{number}", queue={"sandbox": SANDBOX}) for number in range(50)]
    uids = {_sandbox(job)["securityContext"]["runAsUser"] for job in jobs}
    assert len(uids) == 50
    assert all(100_000 <= uid < 2**31 for uid in uids)
    assert {_pod(job)["securityContext"]["runAsUser"] for job in jobs} == {10001}
    assert jobs[0] == _job(name="job-0", queue={"sandbox": SANDBOX})


def test_the_runner_is_told_from_where_packages_may_be_installed() -> None:
    def index(**sandbox: Any) -> str:
        told = _assignment(_job(queue={"sandbox": {**SANDBOX, **sandbox}})).sandbox
        assert told is not None
        return told.index

    assert index() == ""
    assert index(packages={"index": "https://index.test/simple"}) == "https://index.test/simple"


@pytest.mark.parametrize(
    ("sandbox", "said"),
    [
        ({}, "sandbox"),
        ({"limits": {"cpu": "1"}}, "must give memory"),
        ({"limits": {"cpu": "1", "memory": "512Mi"}}, "volumeSize must be below"),
        ({"limits": {"cpu": "1", "memory": "lots"}}, "not an amount"),
        ({**SANDBOX, "packages": {"index": "https://me:secret@index.test"}}, "index"),
        ({**SANDBOX, "packages": {"index": "file:///etc"}}, "index"),
    ],
    ids=["no limits", "no memory", "a volume over the memory", "no amount", "credentials", "a file"],
)
def test_a_sandbox_that_is_not_bounded_is_refused_whatever_the_schema_let_through(sandbox: Raw, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        _job(queue={"sandbox": sandbox})
