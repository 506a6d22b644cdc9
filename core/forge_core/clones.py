"""The clone cache between its service and the runners: a repository is brought up to date, then fetched from there.

    POST /internal/v1/clones                    Wanted -> 200 Brought; the pod may fetch from then on, for a while
    GET  /internal/v1/clones/repository.git/... git's smart HTTP protocol, upload-pack only
    POST /internal/v1/clones/clean              Sweep -> 200 Swept; for the system tenant's clean-ups alone

Each call carries `Authorization: Bearer <projected ServiceAccount token, audience forge-clones>`, from which alone the
service knows the pod, its namespace and the repository that its AnalysisJob names: no call says a URL, and none reaches
another tenant's mirror. Whether the repository may be read is asked of its own host at each POST, with that call's
credentials. Answers: 401 the token is no good; 403 not for this pod; 409 its job is gone; 413 too large; 422 malformed;
502 the repository's host refused or failed, as a sentence; 503 not now (too many, or the mirror is still being made);
507 the disk is full. After any of them a runner clones directly.
"""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from forge_core.attempts import INTERNAL_PREFIX

CLONES_PATH: Final = f"{INTERNAL_PREFIX}/clones"
REPOSITORY_PATH: Final = f"{CLONES_PATH}/repository.git"
SWEEP_PATH: Final = f"{CLONES_PATH}/clean"
MAX_CREDENTIAL: Final = 64 * 1024
_PRINTABLE: Final = r"^[^\x00-\x1f\x7f]*$"

Credential = Annotated[str, Field(max_length=MAX_CREDENTIAL, pattern=_PRINTABLE)]
"""Of one line: git is answered with one."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Wanted(_Model):
    """What a job is about to fetch. Credentials are for this one call: they are neither kept nor written anywhere."""

    ref: Annotated[str, Field(min_length=1, max_length=255)]
    """As a runner would give it to git: `HEAD`, a branch, a tag, a whole commit id."""
    username: Credential = Field(default="", repr=False)
    password: Credential = Field(default="", repr=False)


class Brought(_Model):
    """The commit that the ref names by its host's word, and that the mirror holds."""

    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]


class Sweep(_Model):
    """Which mirrors go: those unused for `unused_for` seconds, then the least recently used above `max_bytes`.

    What is left out is the installation's own limit.
    """

    unused_for: Annotated[float, Field(ge=0, le=10**9)] | None = None
    max_bytes: Annotated[int, Field(ge=0, le=2**60)] | None = None
    dry_run: bool = False
    """Only say what would go."""


class Swept(_Model):
    """What went, or would; `left` more still have to: ask again. Mirrors in use are never among them."""

    mirrors: Annotated[int, Field(ge=0)]
    freed: Annotated[int, Field(ge=0)]
    """Bytes."""
    left: Annotated[int, Field(ge=0)] = 0
    kept: Annotated[int, Field(ge=0)] = 0
    kept_bytes: Annotated[int, Field(ge=0)] = 0
    in_use: Annotated[int, Field(ge=0)] = 0
    """Of those kept, how many are being fetched or read."""
