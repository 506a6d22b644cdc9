"""What follows admission, as steps of the chain: Job, quota, scheduler, image, container, runner."""

from collections.abc import Iterator
from datetime import datetime

from forge_core.durations import format_duration, timestamp
from forge_core.explanation import Step, Verdict
from forge_operator.digests import AnalysisJobDigest, JobDigest, PodDigest
from forge_operator.following import detail_of
from forge_operator.outcomes import cause_of
from forge_operator.picture import Picture
from forge_operator.reasons import Reason

NAMES = ("job", "quota", "scheduler", "image", "container", "runner")


def steps(picture: Picture, now: datetime, job: AnalysisJobDigest) -> list[Step]:
    """One step each; behind the first that isn't passed all are later."""
    found: list[Step] = []
    for step in _steps(picture, now, job):
        found.append(step)
        if step.verdict is not Verdict.PASSED:
            break
    return found + later(NAMES[len(found) :])


def later(names: tuple[str, ...] = NAMES) -> list[Step]:
    """Steps that the job has not come to."""
    return [Step(name=name, verdict=Verdict.LATER, detail="") for name in names]


def _step(name: str, verdict: Verdict, detail: str) -> Step:
    return Step(name=name, verdict=verdict, detail=detail[:2048])


def _steps(picture: Picture, now: datetime, job: AnalysisJobDigest) -> Iterator[Step]:
    child = picture.job_of(job)
    if child is None:
        under_way = job.uid in picture.holds
        yield _step("job", Verdict.NOW, "is being made" if under_way else "is not there; it is made again")
        return
    made = f"{child.name}, made at {timestamp(child.created)}" if child.created else child.name
    yield _step("job", Verdict.PASSED, f"{made}; {child.attempts} attempts in all")
    pods = picture.all_pods_of(child)
    refused = picture.pod_refusals.get(child.uid)
    if refused is not None and child.quiet:
        yield _step("quota", Verdict.HOLDS, refused.message)
        return
    if not pods:
        yield _step("quota", Verdict.NOW, "no pod is there yet, and none was refused")
        return
    yield _step("quota", Verdict.PASSED, f"{len(pods)} pods were made" if len(pods) > 1 else "its pod was made")
    live = [pod for pod in pods if pod.live]
    yield from _pod(picture, now, job, (live or pods)[-1], child)


def _pod(picture: Picture, now: datetime, job: AnalysisJobDigest, pod: PodDigest, child: JobDigest) -> Iterator[Step]:
    trouble = pod.trouble if pod.live else None
    if trouble is not None and trouble.reason is Reason.UNSCHEDULABLE:
        yield _step("scheduler", Verdict.HOLDS, detail_of(picture, pod, trouble))
        return
    if not pod.node:
        yield _step("scheduler", Verdict.NOW, f"pod {pod.name} waits for its turn")
        return
    yield _step("scheduler", Verdict.PASSED, f"pod {pod.name} on node {pod.node}")
    if trouble is not None and trouble.reason is Reason.IMAGE_UNAVAILABLE:
        yield _step("image", Verdict.HOLDS, trouble.message)
        return
    if trouble is None and pod.started_at is None and pod.live:
        yield _step("image", Verdict.NOW, "is being pulled, or the pod's volumes are being mounted")
        return
    yield _step("image", Verdict.PASSED, "is there")
    if trouble is not None:
        yield _step("container", Verdict.HOLDS, trouble.message)
        return
    yield _step("container", Verdict.PASSED, f"started at {timestamp(pod.started_at)}" if pod.started_at else "ended")
    yield _runner(picture, now, job, pod, child)


def _runner(picture: Picture, now: datetime, job: AnalysisJobDigest, pod: PodDigest, child: JobDigest) -> Step:
    if not pod.live:
        if pod.phase == "Succeeded" or child.success is not None:
            return _step("runner", Verdict.NOW, "is done; its end is being written")
        follows = "its end is being written" if child.decided else "another pod follows"
        return _step("runner", Verdict.NOW, f"{cause_of(pod)}; {follows}")
    report = picture.reports.get(job.uid)
    since = f", for {format_duration((now - pod.running_since).total_seconds())}" if pod.running_since else ""
    if report is None:
        return _step("runner", Verdict.NOW, f"runs{since}; it has reported nothing yet")
    return _step("runner", Verdict.NOW, f"attempt {report.attempt}, {report.stage}, {report.percent} %{since}")
