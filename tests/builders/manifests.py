"""AnalysisJobs and JobQueues as people write them, for tests that apply them."""

import copy
import uuid
from typing import Any, Final

from forge_core.names import API_VERSION

REMOVED: Final = object()
"""As a change: the field is taken out."""


def analysis_job(namespace: str, name: str = "", **changes: Any) -> dict[str, Any]:
    """A good manifest with changes to its spec; `repository__url=...` changes `spec.repository.url`."""
    spec = {"queue": "analysis", "repository": {"url": "https://example.com/team/project.git", "ref": "main"}}
    return {
        "apiVersion": API_VERSION,
        "kind": "AnalysisJob",
        "metadata": {"name": name or f"job-{uuid.uuid4().hex[:8]}", "namespace": namespace},
        "spec": changed(spec, changes),
    }


def job_queue(name: str = "", **changes: Any) -> dict[str, Any]:
    """A good manifest with changes to its spec. It is paused, so that no operator starts anything of it."""
    size = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}}
    spec = {
        "jobType": "analysis",
        "concurrency": 1,
        "timeout": "15m",
        "paused": True,
        "resourceClasses": {"small": size},
        "defaultResourceClass": "small",
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "JobQueue",
        "metadata": {"name": name or f"queue-{uuid.uuid4().hex[:8]}"},
        "spec": changed(spec, changes),
    }


def changed(spec: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy of `spec` with changes at paths whose parts are joined by two underscores."""
    result = copy.deepcopy(spec)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is REMOVED:
            place.pop(last, None)
        else:
            place[last] = value
    return result
