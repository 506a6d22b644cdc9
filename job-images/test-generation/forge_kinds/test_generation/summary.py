"""The documents of a result: the summary that is shown, each test, each file's coverage. None holds a time."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from forge_core.attempts import MAX_ARTIFACT_BYTES, MAX_SUMMARY_BYTES
from forge_kinds.test_generation.covered import Items, told
from forge_kinds.test_generation.judging import counts
from forge_kinds.test_generation.splitting import Dropped, TestKind
from forge_kinds.test_generation.verifying import Verified
from forge_kinds.test_generation.work import Job, Measured
from forge_runner.sources.patching import Patch

SCHEMA: Final = "forge.test-generation/1"
PATCH: Final = "tests.patch"
TESTS: Final = "tests.json"
COVERAGE: Final = "coverage.json"
LOG: Final = "generation.log"
MAX_SHOWN: Final = 50


@dataclass(frozen=True)
class Outcome:
    """Everything that came of one test generation."""

    job: Job
    before: Measured
    verified: Verified
    dropped: Sequence[Dropped]
    patch: Patch
    tools: Mapping[str, str]


def summary(outcome: Outcome) -> dict[str, Any]:
    """What the platform shows; at most MAX_SUMMARY_BYTES as JSON."""
    whole, before, after = outcome.before.whole, outcome.before.before, outcome.verified.covered
    figures = {"before": whole.figures(before), "after": whole.figures(after)}
    files = [each for each in whole.by_file(before, after) if each["before"] != each["after"]]
    why = Counter(drop.why.partition(":")[0] for drop in outcome.dropped).most_common()
    document = {
        "schema": SCHEMA,
        "commit": outcome.job.checkout.commit,
        "message": message(outcome, figures),
        "coverage": {**figures, "files": files[:MAX_SHOWN], "filesChanged": len(files)},
        "gain": {
            part: round(figures["after"][part]["percent"] - figures["before"][part]["percent"], 1)
            for part in ("lines", "branches")
        },
        "tests": {
            "kept": sum(len(tests) for tests in outcome.verified.kept.values()),
            "byKind": _by_kind(outcome),
            "files": [path.decode(errors="replace") for path in outcome.patch.files],
        },
        "dropped": {
            "total": len(outcome.dropped),
            "byWhy": dict(why),
        },
        "verified": {"runs": outcome.verified.runs, "withOwnTests": outcome.verified.together},
        "ownTests": dict(counts(outcome.before.own)),
        "modules": {"looked": len(outcome.job.modules), "withTests": len(outcome.verified.kept)},
        "patch": outcome.patch.document(PATCH),
        "notes": outcome.job.notes.document(),
        "tools": dict(sorted(outcome.tools.items())),
    }
    return _fitted(document)


def message(outcome: Outcome, figures: Mapping[str, Any]) -> str:
    """One sentence: the gain, or why there is none."""
    kept = sum(len(tests) for tests in outcome.verified.kept.values())
    before, after, modules = figures["before"], figures["after"], len(outcome.verified.kept)
    if not kept:
        why = (
            outcome.verified.why_nothing
            or "No test was found that covers something new, asserts it and passes each time."
        )
        return f"{why} Line coverage stays at {before['lines']['percent']} %."
    return (
        f"{kept:,} {'test raises' if kept == 1 else 'tests raise'} line coverage from {before['lines']['percent']} % "
        f"to {after['lines']['percent']} % and branch coverage from {before['branches']['percent']} % to "
        f"{after['branches']['percent']} %, in {modules:,} {'module' if modules == 1 else 'modules'}."
    )


def _by_kind(outcome: Outcome) -> dict[str, int]:
    every = [test.kind for tests in outcome.verified.kept.values() for test in tests]
    return {kind.value: every.count(kind) for kind in TestKind}


def _fitted(document: dict[str, Any]) -> dict[str, Any]:
    """Fewer places when paths are so long that the summary would be refused."""
    while len(json.dumps(document).encode()) > MAX_SUMMARY_BYTES:
        for part, key in ((document["coverage"], "files"), (document["tests"], "files")):
            part[key] = part[key][: len(part[key]) // 2]
        document["notes"] = [{**note, "paths": note["paths"][: len(note["paths"]) // 2]} for note in document["notes"]]
    return document


def test_list(outcome: Outcome) -> bytes:
    """`tests.json`: every test with what it adds, and every one that was dropped with why."""
    tests = [
        _test(outcome, module, test, outcome.verified.adds[module][test.name])
        for module, of_module in outcome.verified.kept.items()
        for test in of_module
    ]
    dropped = [
        {"module": each.module, "kind": each.kind.value, "name": each.name, "why": each.why} for each in outcome.dropped
    ]
    head = {"schema": SCHEMA, "commit": outcome.job.checkout.commit, "total": len(tests), "droppedTotal": len(dropped)}
    while True:
        body = json.dumps({**head, "tests": tests, "dropped": dropped}, separators=(",", ":")).encode()
        if len(body) <= MAX_ARTIFACT_BYTES:
            return body
        tests, dropped = tests[: len(tests) // 2], dropped[: len(dropped) // 2]


def _test(outcome: Outcome, module: Any, test: Any, adds: Items) -> dict[str, Any]:
    return {
        "file": outcome.job.path_for(module, test.kind), "name": test.name, "kind": test.kind.value,
        "target": module.name, "adds": told(adds),
    }  # fmt: skip


def coverage_list(outcome: Outcome) -> bytes:
    """`coverage.json`: each file before and after."""
    whole, before, after = outcome.before.whole, outcome.before.before, outcome.verified.covered
    document = {
        "schema": SCHEMA, "commit": outcome.job.checkout.commit, "before": whole.figures(before),
        "after": whole.figures(after), "files": whole.by_file(before, after),
    }  # fmt: skip
    return json.dumps(document, separators=(",", ":")).encode()
