"""Ten thousand running jobs fit into a quarter of a gigabyte, of which the program itself takes half."""

import json
import tracemalloc

from forge_operator.digests import Kind
from forge_operator.manifests import job_of
from tests.builders.operator import (
    NAMESPACE,
    Raw,
    condition,
    make_child,
    make_job,
    make_picture,
    make_pod,
    make_queue,
    with_status,
)

JOBS = 400
BYTES_A_JOB = 8_000
"""An AnalysisJob, its Job and its pod: 80 MB for ten thousand."""


def test_a_running_job_takes_a_few_kilobytes() -> None:
    """Each event is decoded from its own bytes, as a watch delivers it."""
    picture = make_picture([(Kind.JOB_QUEUE, make_queue(version=6, concurrency=JOBS))])
    queue = picture.queues["analysis"].spec
    assert queue is not None
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(JOBS):
        job = make_job(f"job-{number:05}", repositoryId="r", requestedBy="someone@example.org", config={"paths": ["a"]})
        child = make_child(job)
        runs = with_status(job, phase="Running", conditions=[condition("Admitted", "Admitted")], jobName="job")
        for kind, raw in ((Kind.ANALYSIS_JOB, job), (Kind.JOB, child), (Kind.POD, make_pod(child))):
            picture.observe(kind, "ADDED", _arrived(raw))
        digest = picture.analysis_jobs[job["metadata"]["uid"]]
        body = job_of(digest, queue, NAMESPACE, picture.surroundings)
        full = {**child, "metadata": {**child["metadata"], "resourceVersion": "21"}}
        picture.observe(Kind.JOB, "MODIFIED", _arrived({**full, "spec": body["spec"] | child["spec"]}))
        picture.observe(Kind.ANALYSIS_JOB, "MODIFIED", _arrived(runs))
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(picture.jobs) == JOBS
    assert used / JOBS < BYTES_A_JOB


def _arrived(raw: Raw) -> Raw:
    arrived: Raw = json.loads(json.dumps(raw))
    return arrived
