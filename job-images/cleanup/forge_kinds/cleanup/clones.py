"""A clean-up of the clone cache: it has the service remove mirrors, a batch a call, until nothing is left to remove."""

import time
from collections.abc import Callable
from typing import Final

from forge_core.clones import Sweep, Swept
from forge_kinds.cleanup.config import CleanupConfig
from forge_runner.clone_cache import CloneCache, NoCache
from forge_runner.kinds import Result
from forge_runner.report import Permanent, Report, Transient

ALLOWANCE: Final = 300.0
"""Seconds that one call waits for a cache that is away."""
PAUSE: Final = 2.0
STAGE: Final = "clones"
TO_THE_END: Final = 95.0


def clean(config: CleanupConfig, report: Report) -> Result:
    """Do the whole of it; the summary says what went and what stays. Raises Permanent or Transient."""
    cache = CloneCache.told()
    if cache is None:
        raise Permanent("This installation has no clone cache (the chart's value cloneCache.enabled is false).")
    sweep = Sweep(unused_for=config.unusedFor, max_bytes=config.maxSize, dry_run=config.dryRun)
    mirrors = freed = 0
    while True:
        swept = _patiently(lambda: cache.swept(sweep), report)
        mirrors, freed = mirrors + swept.mirrors, freed + swept.freed
        done = mirrors / (mirrors + swept.left) if swept.left else 1.0
        report.progress(STAGE, TO_THE_END * done, f"{mirrors:,} mirrors")
        if not swept.left or not swept.mirrors:
            break
    report.log(f"{'would remove' if config.dryRun else 'removed'} {mirrors} mirrors of {freed:,} bytes")
    return Result(_summary(mirrors, freed, swept, dry_run=config.dryRun))


def _summary(mirrors: int, freed: int, last: Swept, *, dry_run: bool) -> dict[str, object]:
    counts = {"bytes": freed, "clones": mirrors} if mirrors else {}
    kept = {"kept": last.kept, "keptBytes": last.kept_bytes, "inUse": last.in_use}
    if dry_run:
        return {"dryRun": True, "wouldChange": counts, "clones": kept}
    return {"changed": counts, "clones": kept}


def _patiently(call: Callable[[], Swept], report: Report) -> Swept:
    end = time.monotonic() + ALLOWANCE
    while True:
        try:
            return call()
        except NoCache as error:
            if error.final:
                raise Permanent(f"The clone cache refuses this clean-up: {error}.") from None
            if time.monotonic() > end:
                raise Transient(f"The clone cache was away for too long: {error}.") from None
            report.log(f"trying again: {error}")
            time.sleep(PAUSE)
