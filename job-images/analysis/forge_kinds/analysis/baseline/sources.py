"""Where a baseline comes from: a ref that is fetched and analysed too, or what an earlier analysis left."""

import os
from dataclasses import dataclass
from pathlib import Path

from forge_core.names import BASELINE_PATH_ENV
from forge_kinds.analysis.baseline.snapshot import Snapshot
from forge_kinds.analysis.config import AnalysisConfig
from forge_kinds.analysis.notes import Note
from forge_kinds.analysis.surveying import Planned
from forge_runner.report import Permanent, Report
from forge_runner.workspace import Checkout, NoSuchCommit


@dataclass(frozen=True)
class Base:
    """`planned` is a commit that is analysed here, `earlier` what was found in one before: one of the two."""

    checkout: Checkout | None
    """None when the earlier analysis' commit is no longer in the repository."""
    planned: Planned | None = None
    earlier: Snapshot | None = None


def base_of(config: AnalysisConfig, head: Planned, root: Path, report: Report) -> Base | None:
    """What the job asked for, fetched beside the head. Raises Permanent or Transient."""
    if config.baseline is None:
        return None
    if config.baseline.ref:
        checkout = head.checkout.beside(config.baseline.ref, root)
        report.log(f"Fetched the baseline's commit {checkout.commit}")
        return Base(checkout, Planned.of(checkout, config))
    earlier = _earlier(config)
    try:
        return Base(head.checkout.beside(earlier.commit, root), earlier=earlier)
    except NoSuchCommit:
        report.log(f"The baseline's commit {earlier.commit} is no longer in the repository")
        head.notes.count(Note.NO_CHANGES, 1)
        return Base(None, earlier=earlier)


def _earlier(config: AnalysisConfig) -> Snapshot:
    """What the runner was given of the analysis that the job names. Raises Permanent."""
    given = os.environ.get(BASELINE_PATH_ENV, "")
    if not given:
        raise Permanent("config.baseline.analysis: this runner wasn't given that analysis' findings; name a ref.")
    earlier = Snapshot.decode(Path(given).read_bytes())
    scope = config.scope()
    for name in sorted({*scope, *earlier.scope}):
        if list(earlier.scope.get(name, ())) != scope.get(name, []):
            raise Permanent(
                f"config.{name}: the baseline's analysis looked at another part of the repository, or at it otherwise; "
                f"give this one the same {name}, or name a ref."
            )
    return earlier
