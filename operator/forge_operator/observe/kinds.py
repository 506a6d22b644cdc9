"""Where each kind that the picture holds is listed and watched."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from forge_core.cluster import analysis_jobs, core, job_queues, jobs
from forge_core.names import JOB_UID_LABEL, TENANT_LABEL
from forge_operator.digests import Kind


@dataclass(frozen=True)
class Source:
    """A kind's path in the API and the selection that the server makes."""

    kind: Kind
    path: str
    query: Mapping[str, str]


NAMESPACES: Final = Source(Kind.NAMESPACE, core("namespaces"), {"labelSelector": TENANT_LABEL})
QUEUES: Final = Source(Kind.JOB_QUEUE, job_queues(), {})
ANALYSIS_JOBS: Final = Source(Kind.ANALYSIS_JOB, analysis_jobs(), {})
JOBS: Final = Source(Kind.JOB, jobs(), {"labelSelector": JOB_UID_LABEL})
PODS: Final = Source(Kind.POD, core("pods"), {"labelSelector": JOB_UID_LABEL})
NODES: Final = Source(Kind.NODE, core("nodes"), {})
EVENTS: Final = Source(Kind.EVENT, core("events"), {"fieldSelector": "involvedObject.kind=Job,reason=FailedCreate"})
PULLS: Final = Source(
    Kind.PULL,
    core("events"),
    {"fieldSelector": "involvedObject.kind=Pod,involvedObject.fieldPath=spec.containers{runner},reason=Pulled"},
)
"""One event a pod; the containers of others are named otherwise, and none of their events is sent."""

BY_KOPF: Final = (QUEUES, ANALYSIS_JOBS)
"""Beside the namespaces, which come before everything else."""
PLAIN: Final = (NODES, JOBS, PODS, EVENTS, PULLS)
"""The kinds that make most of the events: kopf's machinery for each object costs about four times as much."""
RELISTED: Final = (NAMESPACES, QUEUES, NODES, ANALYSIS_JOBS, JOBS, PODS)
"""In this order, so that an AnalysisJob finds its tenant and its queue. Events are only heard, never listed again."""
