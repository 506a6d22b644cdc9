"""How often each file was changed, from git's history, and where that meets with what it costs."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from forge_core.git.command import Failed, Stopped
from forge_kinds.analysis.config import MAX_COMMITS
from forge_kinds.analysis.ledger import Ledger
from forge_kinds.analysis.scoring import cost
from forge_runner.report import Transient
from forge_runner.sources.selection import display
from forge_runner.workspace import Checkout

TOP: Final = 10
# The oldest commit that was fetched has no parent here: to git it would seem to add every file (log.showRoot).
_LOG: Final = ("-c", "log.showRoot=false", "log", "--no-merges", "--no-renames", f"--max-count={MAX_COMMITS}")
_PIECE: Final = 1 << 20


@dataclass(frozen=True)
class Churn:
    """`changes` are commits by path, of those `commits` that were looked at."""

    commits: int
    changes: Mapping[str, int]

    def document(self, ledger: Ledger) -> dict[str, Any]:
        """The summary's member `history`: the files in which cost and change meet, hottest first."""
        heat = {path: cost(counts) * self.changes.get(path, 0) for path, counts in ledger.files.items()}
        hottest = sorted((path for path in heat if heat[path] > 0), key=lambda path: (-heat[path], path))[:TOP]
        files = [
            {
                "path": path,
                "changes": self.changes[path],
                "cost": round(cost(ledger.files[path]), 1),
                "heat": round(heat[path], 1),
            }
            for path in hottest
        ]
        return {"commits": self.commits, "files": files}


def churn_of(checkout: Checkout, paths: Collection[str]) -> Churn:
    """Ask git about the history that was fetched; only `paths` are counted. Raises Transient when it takes too long."""
    wanted = {*paths}
    changes: Counter[str] = Counter()
    try:
        commits = len(checkout.git.output(*_LOG, "--format=%h", "--abbrev=4", checkout.commit, limit=_PIECE).split())
        with checkout.git.running(*_LOG, "--format=", "--name-only", "-z", checkout.commit) as child:
            assert child.stdout is not None  # noqa: S101 - a pipe was asked for
            rest = b""
            while piece := child.stdout.read(_PIECE):
                *names, rest = (rest + piece).split(b"\0")
                changes.update(path for name in names if (path := display(name)) in wanted)
    except (Stopped, Failed) as failure:
        raise Transient(f"The repository's history could not be read: {str(failure)[:200]}") from None
    return Churn(commits, dict(changes))
