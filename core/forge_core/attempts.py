"""The internal API between runner and API server: claiming an attempt, storing artefacts, committing the outcome.

    POST /internal/v1/attempts                              ClaimRequest  -> 200 Claim | 409 problem `exhausted`
         | 409 problem `done`: an attempt before has succeeded, and its result is stored
    PUT  /internal/v1/attempts/{attempt}/artifacts/{name}   bytes, Content-Type, Content-Digest (RFC 9530) -> 204
    PUT  /internal/v1/attempts/{attempt}/outcome            Outcome       -> 204
    GET  /internal/v1/attempts/{attempt}/baseline           -> 200 the artefact `baseline.json` of the analysis that the
         job's own `config.baseline.analysis` names | 404 problem that says why there is none
    GET  /internal/v1/attempts/{attempt}/caches/{name}      -> 200 what a job of the same tenant, namespace and
         repository kept under that name (its kind's) | 404 when there is nothing
    PUT  /internal/v1/attempts/{attempt}/caches/{name}      bytes, Content-Digest -> 204

Each call carries `Authorization: Bearer <projected ServiceAccount token, audience forge-api>`, from which alone the API
knows the pod, its Job and its AnalysisJob. Each call may be repeated: the same call has the same effect once. Answers:
401 the token is no good; 409 with `code` `fenced` (another attempt has been claimed since, or the job is over): stop
without a word; 413 too large; 422 malformed; 503 the API, PostgreSQL or the Kubernetes API is away: try again.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, field

from forge_core.exits import FailureClass
from forge_core.wire import Strict

INTERNAL_PREFIX: Final = "/internal/v1"
MAX_ARTIFACT_BYTES: Final = 64 * 1024 * 1024
MAX_ARTIFACTS: Final = 16
MAX_SUMMARY_BYTES: Final = 256 * 1024
MAX_STAGES: Final = 32
ARTIFACT_NAME: Final = r"^[a-z0-9][a-z0-9._-]{0,62}$"
BASELINE: Final = "baseline.json"
"""The artefact of an analysis that a later one is compared with."""
MAX_CACHE_BYTES: Final = 32 * 1024 * 1024
CACHE_NAME: Final = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
MAX_REFUNDS: Final = 10
"""Disruptions that are refunded to one job; further ones are charged."""

EXHAUSTED: Final = "exhausted"
DONE: Final = "done"
FENCED: Final = "fenced"


class ClaimRequest(Strict, frozen=True):
    """`number_in_pod` counts this pod's attempts from 1; repeating a number repeats its answer."""

    number_in_pod: Annotated[int, Meta(ge=1, le=100)]


class Claim(Strict, frozen=True):
    """The attempt's number in the whole job (1 is the first) and the budget it was taken from."""

    attempt: Annotated[int, Meta(ge=1)]
    attempts: Annotated[int, Meta(ge=1)]


class ArtifactReference(Strict, frozen=True):
    """An artefact stored before by this attempt; the outcome is refused (422) when it isn't there with this digest."""

    name: Annotated[str, Meta(pattern=ARTIFACT_NAME)]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Meta(ge=0, le=MAX_ARTIFACT_BYTES)]
    """Bytes before compression."""


class StageBegan(Strict, frozen=True):
    """When an attempt came to a stage, by the pod's clock."""

    stage: Annotated[str, Meta(max_length=63)]
    at: Annotated[datetime, Meta(tz=True)]


class Outcome(Strict, frozen=True, omit_defaults=True):
    """How an attempt ended. A success is provisional until its job is Completed."""

    status: Literal["succeeded", "failed"]
    summary: dict[str, Any] = field(default_factory=dict)
    artifacts: Annotated[tuple[ArtifactReference, ...], Meta(max_length=MAX_ARTIFACTS)] = ()
    failure_class: FailureClass | None = None
    message: Annotated[str, Meta(max_length=1024)] = ""
    stage: Annotated[str, Meta(max_length=63)] = ""
    stages: Annotated[tuple[StageBegan, ...], Meta(max_length=MAX_STAGES)] = ()
    """All that the attempt went through, for the job's timeline (ADR 0011)."""
