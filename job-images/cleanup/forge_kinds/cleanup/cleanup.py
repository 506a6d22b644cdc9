"""One clean-up: its task's steps one after the other, each a row of calls until nothing is left.

Nothing is kept here between two calls but the place to go on from, so whoever begins again repeats nothing that is
done. While the API or PostgreSQL is away each call waits within an allowance, as the runner's own calls do.
"""

import asyncio
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from forge_core.assignment import Assignment
from forge_core.maintenance import STEPS, Ask, Done, Step, Task
from forge_core.names import API_URL_ENV, TOKEN_PATH, TOKEN_PATH_ENV
from forge_kinds.cleanup import clones
from forge_kinds.cleanup.config import CleanupConfig
from forge_runner.internal_api import Away, Fenced, InternalApi, Refused
from forge_runner.kinds import Result
from forge_runner.patience import within
from forge_runner.report import Permanent, Report, Transient

ALLOWANCE: Final = 300.0
"""Seconds that one call waits for an API that is away."""
TO_THE_END: Final = 95.0
"""Percent: the last ones are the runner's, for storing the result."""


def work(assignment: Assignment, workdir: Path, report: Report) -> Result:
    """Do the whole of one clean-up; its summary says what changed, or would have. Raises Permanent or Transient."""
    del workdir
    config = CleanupConfig.read(assignment.config)
    if config.task is Task.CLEANUP_OLD_CLONES:
        return clones.clean(config, report)
    try:
        return asyncio.run(_clean(STEPS[config.task], report, dry_run=config.dryRun))
    except Fenced as error:
        raise Permanent(f"The job is over: {error}") from None
    except Refused as error:
        raise Permanent(f"The API refuses this clean-up: {error}.") from None
    except Away as error:
        raise Transient(f"The API was away for too long: {error}.") from None


@dataclass
class _Cleaning:
    """What is done so far."""

    api: InternalApi
    report: Report
    counts: Counter[str]
    dry_run: bool


async def _clean(steps: tuple[Step, ...], report: Report, *, dry_run: bool) -> Result:
    url, token = os.environ.get(API_URL_ENV, ""), os.environ.get(TOKEN_PATH_ENV, TOKEN_PATH)
    async with InternalApi.connect(url, Path(token)) as api:
        cleaning = _Cleaning(api, report, Counter(), dry_run)
        for number, step in enumerate(steps):
            await _finish(cleaning, step, number, len(steps))
    changed = {name: count for name, count in sorted(cleaning.counts.items()) if count}
    if dry_run:
        report.log(f"Nothing was changed. Would be done: {changed or 'nothing'}")
        return Result({"dryRun": True, "wouldChange": changed})
    report.log(f"Done: {changed or 'nothing was left to do'}")
    return Result({"changed": changed})


async def _finish(cleaning: _Cleaning, step: Step, number: int, steps: int) -> None:
    ask = Ask(dry_run=cleaning.dry_run)
    while True:
        done = await _one_batch(cleaning, step, ask)
        cleaning.counts.update(done.counts)
        ask = ask.changed(after=done.after, done=ask.done + done.looked_at)
        percent = TO_THE_END * (number + done.share) / steps
        cleaning.report.progress(step, percent, f"{ask.done:,} looked at")
        if not done.after:
            cleaning.report.log(f"{step}: {ask.done:,} looked at")
            return


async def _one_batch(cleaning: _Cleaning, step: Step, ask: Ask) -> Done:
    return await within(
        ALLOWANCE,
        lambda: cleaning.api.maintain(step, ask),
        lambda why: cleaning.report.log(f"trying again: {why}"),
    )
