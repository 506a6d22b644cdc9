"""What the API takes and answers, as JSON: camelCase, times in RFC 3339, statuses in lower case (ADR-006)."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from forge_api.shapes import Asked, View
from forge_api.timeline_views import Cancellation
from forge_core.history.database import storable_json
from forge_core.history.queries import Job, Result
from forge_core.history.repositories import Repository
from forge_core.phase import Phase
from forge_core.resource import LOWEST_PRIORITY, MAX_CONFIG_BYTES

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")
ID = "0b4bb5a5-7a42-4f0e-9b39-0fd2b3f5c1de"
_REPOSITORY = "5f0c9f7e-93a7-4df1-8f0e-6d1c8a1f2b3c"
_URL = "https://git.example.com/team/project.git"


class Status(StrEnum):
    """A phase in the words of ADR-006."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def phase(self) -> Phase:
        """The resource's word."""
        return Phase(self.value.capitalize())


# --- jobs --------------------------------------------------------------------------------------------------------


def _on_one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must hold no control characters")
    return text


Line = Annotated[str, AfterValidator(_on_one_line)]


def _small(config: dict[str, Any]) -> dict[str, Any]:
    if len(storable_json(config)) > MAX_CONFIG_BYTES:
        raise ValueError(f"config is larger than {MAX_CONFIG_BYTES} bytes")
    return config


class NewAnalysis(Asked):
    """Body of POST /analyses."""

    repository_id: Annotated[UUID, Field(description="Id of a registered repository.", examples=[_REPOSITORY])]
    config: Annotated[
        dict[str, Any],
        AfterValidator(_small),
        Field(description="How to analyse; at most 16 KiB.", examples=[{"exclude": ["vendor/**"]}]),
    ] = {}  # noqa: RUF012 - pydantic copies a default


class NewJob(Asked):
    """Body of POST /jobs."""

    queue: Annotated[
        Line, Field(min_length=1, max_length=63, description="One that serves the tenant.", examples=["analysis"])
    ]
    repository_id: Annotated[
        UUID | None,
        Field(description="Id of a registered repository, for kinds that work on code.", examples=[_REPOSITORY]),
    ] = None
    config: Annotated[
        dict[str, Any],
        AfterValidator(_small),
        Field(description="What the kind of work is told; at most 16 KiB.", examples=[{"exclude": ["vendor/**"]}]),
    ] = {}  # noqa: RUF012 - pydantic copies a default
    priority: Annotated[
        int | None,
        Field(
            ge=1,
            le=LOWEST_PRIORITY,
            strict=True,
            description="1 is the most urgent; left out, the queue's default.",
            examples=[5],
        ),
    ] = None


def _written_out(value: object) -> object:
    """Pydantic also takes numbers for times; a client that sends one has made a mistake."""
    if isinstance(value, str) and not _DATE.match(value):
        raise ValueError("must be a time in RFC 3339, such as 2026-01-31T12:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]


class PageAsked(Asked):
    """Query of a listing."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str | None, Field(max_length=200, description="The previous page's nextCursor.")] = None


class JobFilters(PageAsked):
    """Query of GET /jobs and /analyses; what is left out filters nothing."""

    status: Annotated[Status | None, Field(examples=["running"])] = None
    queue: Annotated[Line | None, Field(max_length=63, examples=["analysis"])] = None
    repository_id: Annotated[Line | None, Field(max_length=63, examples=[_REPOSITORY])] = None
    since: Annotated[Moment | None, Field(description="Created at or after this time.")] = None
    until: Annotated[Moment | None, Field(description="Created before this time.")] = None


class Accepted(View):
    """Answer of POST /jobs and /analyses."""

    id: Annotated[UUID, Field(examples=[ID])]
    status: Annotated[Status, Field(examples=["queued"])] = Status.QUEUED
    estimated_duration: Annotated[
        int, Field(description="Seconds from now to its end, the waiting included.", examples=[300])
    ]


class Cancelled(View):
    """Answer of DELETE /jobs/{id}: `cancelled`, or `cancelling` (202) when the operator has not answered yet."""

    status: Annotated[Status, Field(examples=["cancelled"])]


def _brief(summary: dict[str, Any] | None) -> dict[str, Any] | None:
    """What an overview shows, the same in a listing and alone."""
    return {"score": summary["score"]} if summary and summary.get("score") is not None else None


class Analysis(View):
    """One job."""

    id: Annotated[UUID, Field(examples=[ID])]
    status: Status
    queue: Annotated[str, Field(examples=["analysis"])]
    repository_id: Annotated[str, Field(description='"" when applied without one.', examples=[_REPOSITORY])]
    requested_by: Annotated[str, Field(examples=["me"])]
    priority: Annotated[int, Field(examples=[1])]
    progress: Annotated[int, Field(description="Percent of the work that is done.", examples=[45])]
    stage: Annotated[str, Field(examples=["analysing"])]
    attempts: Annotated[int, Field(description="Attempts begun so far.", examples=[1])]
    message: Annotated[str, Field(description="Why it waits or why it failed.", examples=[""])]
    summary: Annotated[dict[str, Any] | None, Field(description="The score; the whole is in the results.")] = None
    namespace: Annotated[str, Field(description="Where kubectl finds it.", examples=["tenant-demo"])]
    name: Annotated[str, Field(description="As kubectl knows it.", examples=[ID])]
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    sla_breached_at: Annotated[datetime | None, Field(description="When its queue's promised time ran out.")] = None
    cancellation: Annotated[Cancellation | None, Field(description="Of a cancelled job, asked for alone.")] = None
    retry_of: Annotated[UUID | None, Field(description="The failed job that this one does again.")] = None
    retried_by: Annotated[UUID | None, Field(description="The job that does this failed one again.")] = None

    @classmethod
    def of(cls, job: Job, cancellation: Cancellation | None = None) -> "Analysis":
        """The view of a row."""
        return cls(
            **{name: getattr(job, name) for name in _SAME},
            cancellation=cancellation,
            status=Status(job.phase.value.lower()),
            summary=_brief(job.summary) if job.phase == Phase.COMPLETED else None,
            progress=100 if job.phase == Phase.COMPLETED else job.progress,
        )


_MADE: Final = frozenset({"status", "summary", "progress", "cancellation"})
_SAME: Final = tuple(name for name in Analysis.model_fields if name not in _MADE)


class Analyses(View):
    """A page, newest first."""

    items: list[Analysis]
    next_cursor: Annotated[str | None, Field(description="For `cursor`; null on the last page.")] = None


# --- results -----------------------------------------------------------------------------------------------------


class ArtifactView(View):
    """One stored file of a result."""

    name: Annotated[str, Field(examples=["report.sarif"])]
    content_type: Annotated[str, Field(examples=["application/sarif+json"])]
    size: Annotated[int, Field(description="Bytes.", examples=[120345])]
    sha256: Annotated[str, Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])]
    url: Annotated[str, Field(examples=[f"/analyses/{ID}/artifacts/report.sarif"])]

    @classmethod
    def listed(cls, job: Job, result: Result, root: str) -> "list[ArtifactView]":
        """The views of all files of a stored result; `root` is where the caller asks, such as /jobs."""
        return [
            cls(
                name=file.name,
                content_type=file.content_type,
                size=file.size,
                sha256=file.sha256,
                url=f"{root}/{job.id}/artifacts/{file.name}",
            )
            for file in result.artifacts
        ]


class Artifacts(View):
    """All files of a result, by name."""

    attempt: Annotated[int, Field(description="The one that stored them.", examples=[1])]
    items: list[ArtifactView]

    @classmethod
    def of(cls, job: Job, result: Result, root: str) -> "Artifacts":
        """The view of a stored result."""
        return cls(attempt=result.attempt, items=ArtifactView.listed(job, result, root))


class Results(View):
    """A completed job's result."""

    analysis_id: Annotated[UUID, Field(examples=[ID])]
    attempt: Annotated[int, Field(examples=[1])]
    completed_at: datetime | None
    summary: dict[str, Any]
    artifacts: list[ArtifactView]

    @classmethod
    def of(cls, job: Job, result: Result, root: str) -> "Results":
        """The view of a stored result."""
        return cls(
            analysis_id=job.id,
            attempt=result.attempt,
            completed_at=job.completed_at or result.ended_at,
            summary=result.summary,
            artifacts=ArtifactView.listed(job, result, root),
        )


# --- repositories ------------------------------------------------------------------------------------------------

_PLACE: Final = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?/[^?#\s]")
_NO_REF: Final = re.compile(r"[\s~^:?*\[\\]|\.\.|@\{|//|/\.|^[./]|[./]$|\.lock$")


def _cloneable(url: str) -> str:
    """As the AnalysisJob's schema has it, so that a repository that is registered can be analysed."""
    if not url.startswith(("https://", "http://")):
        raise ValueError("url must begin with https:// or http://, such as https://example.com/team/project.git")
    if "#" in url or "\\" in url or not url.isprintable() or any(sign.isspace() for sign in url):
        raise ValueError("url must hold no spaces, control characters, backslashes or #: write the branch into ref")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it raises when it is no port
    except ValueError:
        raise ValueError("url is not a URL: write it as https://example.com/team/project.git") from None
    if "@" in parts.netloc:
        raise ValueError("url must carry no user and no password: name a Secret in credentialsSecret")
    if not _PLACE.match(url):
        raise ValueError("url needs a host and a path, such as https://example.com/team/project.git")
    return url


def _a_ref(ref: str) -> str:
    if ref.startswith("-") or _NO_REF.search(ref) or not ref.isprintable():
        raise ValueError("ref must be a branch, a tag or a full commit id, as git knows it")
    return ref


class NewRepository(Asked):
    """Body of POST /repositories."""

    url: Annotated[str, Field(min_length=1, max_length=2048, examples=[_URL]), AfterValidator(_cloneable)]
    ref: Annotated[
        str,
        Field(max_length=255, description="Branch, tag or commit; empty for the default branch.", examples=["main"]),
        AfterValidator(_a_ref),
    ] = ""
    name: Annotated[Line, Field(max_length=253, examples=["project"])] = ""
    credentials_secret: Annotated[
        str,
        Field(
            max_length=253,
            pattern=r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$",
            description="A Secret of the tenant's namespace (keys host and token, or username and password).",
            examples=["git-credentials"],
        ),
    ] = ""


class RepositoryView(View):
    """One registered repository."""

    id: Annotated[UUID, Field(examples=[_REPOSITORY])]
    url: Annotated[str, Field(examples=[_URL])]
    ref: Annotated[str, Field(examples=["main"])]
    name: Annotated[str, Field(examples=["project"])]
    credentials_secret: Annotated[str, Field(examples=[""])]
    created_by: Annotated[str, Field(examples=["me"])]
    created_at: datetime

    @classmethod
    def of(cls, repository: Repository) -> "RepositoryView":
        """The view of a row."""
        return cls(**{name: getattr(repository, name) for name in cls.model_fields})


class RepositoryPage(View):
    """A page, newest first."""

    items: list[RepositoryView]
    next_cursor: Annotated[str | None, Field(description="For `cursor`; null on the last page.")] = None
