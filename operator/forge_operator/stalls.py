"""Pods that live but give no sign of life: their runner hangs, so the pod is ended and another follows, charged.

A pod that has never been heard gets a generous start, and is only believed to hang while others of its tenant are
heard: it may as well be that its way to Redis is shut, which harms no work.
"""

from collections.abc import Iterator

from forge_core.phase import Phase
from forge_core.resource import QueueSpec
from forge_operator.actions import RestartPod
from forge_operator.digests import AnalysisJobDigest, JobDigest, PodDigest
from forge_operator.picture import Picture
from forge_operator.pulses import Pulse


def stalled_pods(picture: Picture) -> Iterator[RestartPod]:
    """The pods to end now. None while PostgreSQL is away: a successor could claim nothing."""
    if "PostgreSQL" in picture.away:
        return
    for pod in picture.pods.stalled.values():  # marked before, and not yet deleted
        child = picture.owner_of(pod)
        if child is not None and _may_end(picture, child, pod):
            yield _restart(pod, child, pod.stalled)
    for uid, pulse in picture.pulses.silent.items():
        action = _stalled(picture, uid, pulse)
        if action is not None:
            yield action


def _stalled(picture: Picture, uid: str, pulse: Pulse) -> RestartPod | None:
    job = picture.analysis_jobs.get(uid)
    queue, child = (picture.queues.get(job.queue), picture.job_of(job)) if job is not None else (None, None)
    if queue is None or queue.spec is None or child is None:
        return None
    pod = next((pod for pod in picture.pods_of(child) if pod.uid == pulse.pod), None)
    if pod is None or pod.stalled or not _may_end(picture, child, pod):
        return None
    if not is_stalled(pulse, queue.spec, heard=picture.pulses.heard(pulse)):
        return None
    stall = queue.spec.stall
    silence = f"no heartbeat for {stall.after:g} s" if pulse.begun else f"no first heartbeat within {stall.first:g} s"
    return _restart(pod, child, silence)


def is_stalled(pulse: Pulse, queue: QueueSpec, *, heard: bool) -> bool:
    """Whether its silence has lasted too long; `heard` says that others of its tenant weren't silent meanwhile."""
    if pulse.begun:
        return pulse.silence >= queue.stall.after
    return heard and pulse.silence >= queue.stall.first


def _may_end(picture: Picture, child: JobDigest, pod: PodDigest) -> bool:
    """Only a pod that runs, of a job that goes on; one on a node that isn't ready is the cluster's to take away."""
    job, node = picture.analysis_jobs.get(child.owner_uid), picture.nodes.get(pod.node)
    runs = pod.live and pod.running_since is not None and pod.deleted_at is None and not pod.taken_away
    goes_on = not child.decided and not child.suspend and child.deleted_at is None
    return runs and goes_on and job is not None and _is_open(job) and node is not None and node.ready


def _is_open(job: AnalysisJobDigest) -> bool:
    cancelled = job.spec is None or job.spec.cancel or job.deleted_at is not None
    return job.status.phase in {Phase.QUEUED, Phase.RUNNING} and not cancelled


def _restart(pod: PodDigest, child: JobDigest, message: str) -> RestartPod:
    return RestartPod(pod.namespace, pod.name, pod.uid, pod.version, child.owner_uid, message, marked=bool(pod.stalled))
