"""The batch/v1 Job of an AnalysisJob: a pure function of the job, its queue and the surroundings.

Its name follows from the AnalysisJob's name and UID, so that a second create is harmless. `podFailurePolicy` is
KEP-3329, `podReplacementPolicy` KEP-3939; the pod keeps Pod Security's `restricted`.
"""

from dataclasses import dataclass
from typing import Any, Final

from forge_core.assignment import MAX_BYTES, Assignment, Repository
from forge_core.cluster import Raw
from forge_core.exits import Exit
from forge_core.maintenance import CLEANUP
from forge_core.names import (
    ANALYSIS_JOB_KIND,
    API_URL_ENV,
    API_VERSION,
    ASSIGNMENT_ENV,
    ATTEMPTS_ANNOTATION,
    CLONES_AUDIENCE,
    CLONES_TOKEN_PATH,
    CLONES_URL_ENV,
    COMPONENT_LABEL,
    CREDENTIALS_PATH,
    JOB_LABEL,
    JOB_UID_LABEL,
    POD_NAME_ENV,
    POD_UID_ENV,
    QUEUE_LABEL,
    REDIS_PASSWORD_ENV,
    REDIS_SECRET,
    REDIS_URL_ENV,
    REDIS_USERNAME_ENV,
    RUNNER_COMPONENT,
    RUNNER_CONTAINER,
    RUNNER_SERVICE_ACCOUNT,
    SECRET_PATH,
    TENANT_LABEL,
    TOKEN_AUDIENCE,
    TOKEN_PATH,
    WORK_PATH,
    child_job_name,
    cut,
)
from forge_core.resource import Invalid, JobSpec, QueueSpec
from forge_core.wire import Unreadable, checked
from forge_operator.digests import AnalysisJobDigest
from forge_operator.known import Surroundings
from forge_operator.sandboxes import sandbox_containers, sandbox_volumes, shared_mounts, terms_of

RUNNER_UID: Final = 10001
ALLOWANCE_SECONDS: Final = 900.0
"""Added to a Job's deadline: for its pods to start, for pauses that servers ask for, and for saving a result."""
LOST_NODE_SECONDS: Final = 30
FINISHED_SECONDS: Final = 7 * 24 * 3600
"""A net only: a finished Job goes with its AnalysisJob."""
TOKEN_SECONDS: Final = 3600


def job_of(job: AnalysisJobDigest, queue: QueueSpec, tenant: str, surroundings: Surroundings) -> Raw:
    """The Job to create. Raises Invalid when the spec can't be carried out."""
    if job.spec is None:
        raise Invalid(job.problem)
    assignment = _assignment(job, job.spec, queue, tenant, surroundings)
    labels = {
        TENANT_LABEL: tenant,
        QUEUE_LABEL: job.queue,
        JOB_LABEL: cut(job.name),
        JOB_UID_LABEL: job.uid,
        COMPONENT_LABEL: RUNNER_COMPONENT,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": child_job_name(job.name, job.uid),
            "namespace": job.namespace,
            "labels": labels,
            "annotations": {ATTEMPTS_ANNOTATION: str(queue.retry.attempts)},
            "ownerReferences": [_owner(job)],
        },
        "spec": {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": queue.retry.attempts - 1,
            "activeDeadlineSeconds": round(base_deadline(queue, job.spec)),
            "ttlSecondsAfterFinished": FINISHED_SECONDS,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": _failure_policy(),
            "template": {
                "metadata": {"labels": labels},
                "spec": _pod(job.spec, queue, assignment, surroundings) | _sandbox(queue, job.uid),
            },
        },
    }


def timeout_of(queue: QueueSpec, spec: JobSpec) -> float:
    """Seconds of one attempt: the job's own wish, never more than its queue allows."""
    return min(spec.timeout or queue.timeout, queue.timeout)


def base_deadline(queue: QueueSpec, spec: JobSpec) -> float:
    """Seconds that a Job may take when nothing disturbs it."""
    attempts = queue.retry.attempts
    return attempts * timeout_of(queue, spec) + queue.retry.backoff.policy().total(attempts) + ALLOWANCE_SECONDS


def _owner(job: AnalysisJobDigest) -> Raw:
    return {
        "apiVersion": API_VERSION,
        "kind": ANALYSIS_JOB_KIND,
        "name": job.name,
        "uid": job.uid,
        "controller": True,
    }


def _assignment(
    job: AnalysisJobDigest, spec: JobSpec, queue: QueueSpec, tenant: str, surroundings: Surroundings
) -> str:
    where = spec.repository
    try:
        made = Assignment(
            uid=job.uid,
            name=job.name,
            tenant=tenant,
            queue=job.queue,
            kind=queue.job_type,
            attempts=queue.retry.attempts,
            backoff=queue.retry.backoff.policy(),
            timeout=timeout_of(queue, spec),
            heartbeat=queue.stall.heartbeat,
            repository=Repository(
                url=where.url, ref=where.ref, has_credentials=where.credentials_secret_ref is not None
            )
            if where
            else None,
            config=spec.config,
            sandbox=terms_of(queue),
            allowed_hosts=surroundings.hosts_for(queue.job_type),
        )
        text = checked(made).encode()
    except Unreadable as error:
        raise Invalid(str(error)) from None
    if len(text.encode()) > MAX_BYTES:
        raise Invalid(f"the job's assignment is over {MAX_BYTES} bytes: make spec.config smaller")
    return text


def _failure_policy() -> Raw:
    def by_code(action: str, *codes: Exit) -> Raw:
        on = {"containerName": RUNNER_CONTAINER, "operator": "In", "values": sorted(map(int, codes))}
        return {"action": action, "onExitCodes": on}

    disrupted = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    return {
        "rules": [
            disrupted,
            by_code("Ignore", Exit.BEFORE_CLAIM),
            by_code("FailJob", Exit.PERMANENT, Exit.EXHAUSTED),
        ]
    }


_NAME_LOOK_UPS: Final = [{"name": "timeout", "value": "1"}, {"name": "attempts", "value": "5"}]
"""A look-up is a packet that may be lost, most of all in a pod's first second: it is sent again after each second, four
times, and not once after 5 s."""


def _pod(spec: JobSpec, queue: QueueSpec, assignment: str, surroundings: Surroundings) -> Raw:
    size = queue.resource_classes.get(spec.resource_class or queue.default_resource_class)
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "serviceAccountName": RUNNER_SERVICE_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "dnsConfig": {"options": _NAME_LOOK_UPS},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": RUNNER_UID,
            "runAsGroup": RUNNER_UID,
            "fsGroup": RUNNER_UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "tolerations": [
            {
                "key": f"node.kubernetes.io/{state}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": LOST_NODE_SECONDS,
            }
            for state in ("not-ready", "unreachable")
        ],
        "containers": [_runner(spec, queue, assignment, surroundings)],
        "volumes": [*_volumes(spec, clones_url=_clones_url(spec, queue, surroundings)), *sandbox_volumes(queue)],
    }
    if queue.priority_class_name:
        pod["priorityClassName"] = queue.priority_class_name
    if size and size.node_selector:
        pod["nodeSelector"] = size.node_selector
    if size and size.runtime_class_name:
        pod["runtimeClassName"] = size.runtime_class_name
    return pod


def _sandbox(queue: QueueSpec, job_uid: str) -> Raw:
    found = sandbox_containers(queue, job_uid)
    return {"initContainers": found} if found else {}


def _runner(spec: JobSpec, queue: QueueSpec, assignment: str, surroundings: Surroundings) -> Raw:
    size = queue.resource_classes.get(spec.resource_class or queue.default_resource_class)
    mounts = [
        {"name": "work", "mountPath": WORK_PATH},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of the pod's own
        {"name": "token", "mountPath": TOKEN_PATH.rpartition("/")[0], "readOnly": True},
    ]
    mounts += shared_mounts(queue)
    mounts += [{"name": each.volume, "mountPath": each.path, "readOnly": True} for each in _secrets(spec)]
    return {
        "name": RUNNER_CONTAINER,
        "image": queue.image,
        "env": _environment(assignment, surroundings, _clones_url(spec, queue, surroundings)),
        "resources": {"requests": size.requests, "limits": size.limits} if size else {},
        "volumeMounts": mounts,
        "terminationMessagePolicy": "File",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _clones_url(spec: JobSpec, queue: QueueSpec, surroundings: Surroundings) -> str:
    """Where the clone cache is, for pods that have business with it."""
    return surroundings.clones_url if spec.repository or queue.job_type == CLEANUP else ""


def _environment(assignment: str, surroundings: Surroundings, clones_url: str) -> list[Raw]:
    def of_secret(name: str, key: str) -> Raw:
        reference = {"name": REDIS_SECRET, "key": key, "optional": True}
        return {"name": name, "valueFrom": {"secretKeyRef": reference}}

    def of_pod(name: str, path: str) -> Raw:
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}

    return [
        {"name": ASSIGNMENT_ENV, "value": _literal(assignment)},
        {"name": API_URL_ENV, "value": surroundings.api_url},
        {"name": REDIS_URL_ENV, "value": surroundings.redis_url},
        *([{"name": CLONES_URL_ENV, "value": clones_url}] if clones_url else []),
        of_secret(REDIS_USERNAME_ENV, "username"),
        of_secret(REDIS_PASSWORD_ENV, "password"),
        of_pod(POD_NAME_ENV, "metadata.name"),
        of_pod(POD_UID_ENV, "metadata.uid"),
    ]


def _literal(text: str) -> str:
    """The kubelet expands `$(NAME)` in a value, so that a config could read other variables: `$$` stands for `$`."""
    return text.replace("$", "$$")


@dataclass(frozen=True)
class _Mounted:
    """A Secret of the job's namespace as files of its runner."""

    volume: str
    path: str
    name: str

    def volume_spec(self) -> Raw:
        # Optional: a Secret that isn't there would hold the pod in ContainerCreating without a word to its user; so
        # the runner starts, and fails with a sentence.
        return {"name": self.volume, "secret": {"secretName": self.name, "optional": True, "defaultMode": 0o440}}


def _secrets(spec: JobSpec) -> list[_Mounted]:
    """The Secrets that a job names. Which one it may name is the schema's business (JobSecretReference)."""
    credentials = spec.repository.credentials_secret_ref if spec.repository else None
    named = (("credentials", CREDENTIALS_PATH, credentials), ("secret", SECRET_PATH, spec.secret_ref))
    return [_Mounted(volume, path, reference.name) for volume, path, reference in named if reference]


def _volumes(spec: JobSpec, *, clones_url: str) -> list[Raw]:
    # One token for each program that is spoken to: neither can use it at the other.
    tokens = [_token(TOKEN_AUDIENCE, TOKEN_PATH)]
    if clones_url:
        tokens.append(_token(CLONES_AUDIENCE, CLONES_TOKEN_PATH))
    return [
        {"name": "work", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "token", "projected": {"sources": tokens}},
        *(each.volume_spec() for each in _secrets(spec)),
    ]


def _token(audience: str, path: str) -> Raw:
    about = {"audience": audience, "expirationSeconds": TOKEN_SECONDS, "path": path.rpartition("/")[2]}
    return {"serviceAccountToken": about}
