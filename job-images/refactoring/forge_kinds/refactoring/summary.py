"""The two documents of a result: the summary that is shown, and the list of every change. Neither holds a time."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from forge_core.attempts import MAX_ARTIFACT_BYTES, MAX_SUMMARY_BYTES
from forge_kinds.refactoring.changes import Change, Dropped
from forge_kinds.refactoring.complexity import totals
from forge_kinds.refactoring.notes import Notes
from forge_kinds.refactoring.survey import Survey
from forge_runner.sources.patching import Patch

SCHEMA: Final = "forge.refactoring/1"
PATCH: Final = "changes.patch"
TESTS: Final = "tests.log"
LIST: Final = "changes.json"
MAX_SHOWN: Final = 50


@dataclass(frozen=True)
class Outcome:
    """Everything that came of one refactoring."""

    commit: str
    operations: tuple[str, ...]
    before: Survey
    after: Survey
    changes: Sequence[Change]
    dropped: Sequence[Dropped]
    patch: Patch
    notes: Notes
    tools: Mapping[str, str]
    tests: Mapping[str, Any] = field(default_factory=dict)
    """What the repository's tests said; empty when they weren't asked."""


def summary(outcome: Outcome) -> dict[str, Any]:
    """What the platform shows; at most MAX_SUMMARY_BYTES as JSON."""
    document = {
        "schema": SCHEMA,
        "commit": outcome.commit,
        "message": _message(outcome),
        "operations": list(outcome.operations),
        "files": {"looked": len(outcome.before.standings), "changed": len(outcome.patch.files)},
        "changes": {
            "total": len(outcome.changes),
            "byOperation": _counted(change.operation for change in outcome.changes),
            "byRule": _counted(change.rule for change in outcome.changes),
        },
        "dropped": {
            "total": len(outcome.dropped),
            "shown": [each.document() for each in outcome.dropped[:MAX_SHOWN]],
        },
        "patch": outcome.patch.document(PATCH),
        "findings": _findings(outcome),
        "complexity": {
            "before": totals(outcome.before.functions.items()),
            "after": totals(outcome.after.functions.items()),
        },
        **({"tests": dict(outcome.tests)} if outcome.tests else {}),
        "notes": outcome.notes.document(),
        "tools": dict(sorted(outcome.tools.items())),
    }
    return _fitted(document)


def _message(outcome: Outcome) -> str:
    files, changes = len(outcome.patch.files), len(outcome.changes)
    left = f"; {len(outcome.dropped):,} left undone, each with its reason" if outcome.dropped else ""
    tests = f" {outcome.tests['message']}" if outcome.tests else ""
    if not files:
        return f"Nothing to change in {len(outcome.before.standings):,} files{left}.{tests}"
    return f"{changes:,} changes in {files:,} files{left}.{tests}"


def _findings(outcome: Outcome) -> dict[str, Any]:
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    for survey, counts in ((outcome.before, before), (outcome.after, after)):
        for standing in survey.standings.values():
            counts.update(standing.findings)
    differing = {code: [before[code], after[code]] for code in sorted({*before, *after}) if before[code] != after[code]}
    return {"before": before.total(), "after": after.total(), "byRule": differing}


def _counted(words: Any) -> dict[str, int]:
    return dict(sorted(Counter(words).items(), key=lambda item: (-item[1], item[0])))


def _fitted(document: dict[str, Any]) -> dict[str, Any]:
    """Fewer examples and places when paths are so long that the summary would be refused."""
    while len(json.dumps(document).encode()) > MAX_SUMMARY_BYTES:
        shown = document["dropped"]["shown"]
        for side in ("before", "after"):
            document.get("tests", {}).get(side, {}).pop("shown", None)
        document["dropped"]["shown"] = shown[: len(shown) // 2]
        document["notes"] = [{**note, "paths": note["paths"][: len(note["paths"]) // 2]} for note in document["notes"]]
        if not shown and not any(note["paths"] for note in document["notes"]):
            for side in document["complexity"].values():
                side.pop("worst", None)
    return document


def change_list(outcome: Outcome) -> bytes:
    """`changes.json`: every change and everything dropped; fewer when it would be refused, and it says so."""
    changes, dropped = list(outcome.changes), list(outcome.dropped)
    while True:
        document = {
            "schema": SCHEMA,
            "commit": outcome.commit,
            "total": len(outcome.changes),
            "droppedTotal": len(outcome.dropped),
            "changes": [each.document() for each in changes],
            "dropped": [each.document() for each in dropped],
        }
        body = json.dumps(document, separators=(",", ":"), ensure_ascii=True).encode()
        if len(body) <= MAX_ARTIFACT_BYTES:
            return body
        changes, dropped = changes[: len(changes) // 2], dropped[: len(dropped) // 2]
