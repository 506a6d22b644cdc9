"""Storing what an attempt brought: artefacts first, the outcome last, so that a reader never sees half of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from forge_core.attempts import Outcome, StageBegan
from forge_runner.internal_api import InternalApi, Refused
from forge_runner.patience import within
from forge_runner.result_files import LOG_ARTIFACT, StoredArtifact, StoredResult, stored
from forge_runner.retrying import Failure

SAVING: Final = "saving"
SAVING_FROM: Final = 95.0
"""Percent. What follows of the hundred belongs to the uploads and is complete when the outcome is stored (ADR-006)."""
_LOG_TYPE: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Save:
    """How to store: through which API, for how long while it is away, and whom to tell."""

    api: InternalApi
    allowance: float
    on_wait: Callable[[str], None]
    on_stored: Callable[[int, int], None]
    """Called with (artefacts stored, artefacts in all)."""
    stages: tuple[StageBegan, ...] = ()
    """What the attempt went through."""


async def save_result(save: Save, attempt: int, result: StoredResult, log: Path) -> None:
    """Store a success. Raises Away (after the allowance), Fenced, Refused; repeating it is harmless."""
    artifacts = (*result.artifacts, stored(log, LOG_ARTIFACT, _LOG_TYPE))
    await _store(save, attempt, artifacts, _succeeded(save, result.summary, artifacts))


async def save_failure(save: Save, attempt: int, failure: Failure, stage: str, log: Path) -> None:
    """Store a failure and its log. Raises the same."""
    artifacts = (stored(log, LOG_ARTIFACT, _LOG_TYPE),)
    outcome = Outcome(
        status="failed",
        summary=failure.account,
        artifacts=tuple(artifact.reference() for artifact in artifacts),
        failure_class=failure.failure_class,
        message=failure.message,
        stage=stage,
        stages=save.stages,
    )
    await _store(save, attempt, artifacts, outcome)


def _succeeded(save: Save, summary: dict[str, Any], artifacts: tuple[StoredArtifact, ...]) -> Outcome:
    references = tuple(artifact.reference() for artifact in artifacts)
    return Outcome(status="succeeded", summary=summary, artifacts=references, stages=save.stages)


async def _commit(save: Save, attempt: int, outcome: Outcome) -> None:
    """An API of the release before takes no stages: what an attempt brought is worth more than them."""
    try:
        await save.api.put_outcome(attempt, outcome)
    except Refused:
        if not outcome.stages:
            raise
        await save.api.put_outcome(attempt, outcome.changed(stages=()))


async def _store(save: Save, attempt: int, artifacts: tuple[StoredArtifact, ...], outcome: Outcome) -> None:
    async def all_of_it(done: set[str]) -> None:
        for artifact in artifacts:
            if artifact.name not in done:
                await save.api.put_artifact(attempt, artifact)
                done.add(artifact.name)
                save.on_stored(len(done), len(artifacts))
        await _commit(save, attempt, outcome)

    done: set[str] = set()
    call: Callable[[], Awaitable[None]] = lambda: all_of_it(done)  # noqa: E731 - one allowance for the whole
    await within(save.allowance, call, save.on_wait)
