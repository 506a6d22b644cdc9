"""Runs of tests, each in a process of its own and each in other circumstances; what they agree upon is the answer."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from forge_kinds.test_generation.inside.asked import Asked, Child, Ended

MOST_DEATHS: Final = 5
USAGE: Final = 4
"""pytest's exit code for options that it doesn't know."""
CIRCUMSTANCES: Final[tuple[Mapping[str, str], ...]] = (
    {"PYTHONHASHSEED": "0", "TZ": "UTC0", "COLUMNS": "80"},
    {"PYTHONHASHSEED": "1", "TZ": "AAA-9", "COLUMNS": "120", "USER": "somebody", "LOGNAME": "somebody"},
    {"PYTHONHASHSEED": "4242", "TZ": "BBB+8", "COLUMNS": "40", "USER": "other", "LOGNAME": "other"},
)
"""Of a first, second and third run: a test that depends on any of these fails in one."""
_RELAXED: Final = {"plain": "addopts", "alone": "conftest.py"}
_NOTHING: Final[dict[str, Any]] = {
    "exit": None, "outcomes": {}, "why": {}, "effects": {}, "coverage": {}, "contexts": {}, "imported": {},
}  # fmt: skip


def measured(asked: Asked) -> dict[str, Any]:
    """Outcomes of each run, and the lines and arcs that every run covered: of all tests, and of each new one."""
    child = Child(asked)
    options = dict(asked.options)
    runs: list[dict[str, Any]] = []
    culprits: dict[str, str] = {}
    for seed in options.pop("seeds"):
        options["seed"] = seed
        ran = _run(child, options, CIRCUMSTANCES[seed % len(CIRCUMSTANCES)], culprits)
        runs.append(ran)
        if ran["exit"] is None:
            break
    complete = [ran for ran in runs if ran["exit"] is not None]
    return {
        "runs": [{key: ran[key] for key in ("exit", "how", "notes", "outcomes", "why", "effects")} for ran in runs],
        "coverage": _agreed([ran["coverage"] for ran in complete]),
        "imported": _agreed([ran["imported"] for ran in complete]),
        "contexts": {
            name: _agreed([ran["contexts"].get(name, {}) for ran in complete])
            for name in (complete[0]["contexts"] if complete else ())
        },
    }


def _run(
    child: Child, options: dict[str, Any], variables: Mapping[str, str], culprits: dict[str, str]
) -> dict[str, Any]:
    """One run. Tests that end its process become culprits, are left out from then on, and count as failing.

    What of the repository's configuration had to be left out is left out from then on too.
    """
    notes: list[str] = []
    ended = Ended(None, None, (), "there was no time")
    while len(culprits) <= MOST_DEATHS and child.left > 1:
        ended = child.run("session", {**options, "without": list(culprits)}, variables)
        if relaxed := _relaxed(ended, options):
            options |= {relaxed: True}
            notes.append(f"without the repository's {_RELAXED[relaxed]}, for pytest {ended.how}")
            continue
        if isinstance(ended.told, dict):
            outcomes = {**ended.told["outcomes"], **dict.fromkeys(culprits, "failed")}
            return {
                **ended.told,
                "outcomes": outcomes,
                "why": {**ended.told["why"], **culprits},
                "how": "",
                "notes": notes,
            }
        test = ended.steps[-1] if ended.steps else ""
        if not test or test in culprits:
            break
        culprits[test] = f"the process {ended.how}"
    return {
        **_NOTHING, "outcomes": dict.fromkeys(culprits, "failed"), "why": culprits, "how": ended.how, "notes": notes,
    }  # fmt: skip


def _relaxed(ended: Ended, options: Mapping[str, Any]) -> str:
    """What of the repository's configuration stands in the way of any test, "" for nothing that could be left out."""
    if isinstance(ended.told, dict):
        stands = ended.told.get("exit") == USAGE
        order: tuple[str, ...] = ("plain", "alone")  # a conftest.py that raises is a matter of usage for pytest, too
    else:
        stands = not ended.steps and ended.code is not None
        order = ("alone",)
    return next((each for each in order if not options.get(each)), "") if stands else ""


def _agreed(coverages: Sequence[dict[str, dict[str, list[Any]]]]) -> dict[str, dict[str, list[Any]]]:
    """Lines and arcs by path that all have; what a file consists of is the same in all."""
    found: dict[str, dict[str, list[Any]]] = {}
    for path in coverages[0] if coverages else ():
        parts = [each[path] for each in coverages if path in each]
        if len(parts) == len(coverages):
            found[path] = {**parts[0], "lines": _both(parts, "lines"), "arcs": _both(parts, "arcs")}
    return found


def _both(parts: Sequence[dict[str, list[Any]]], key: str) -> list[Any]:
    common = set.intersection(*({_whole(each) for each in part[key]} for part in parts))
    return [list(each) if isinstance(each, tuple) else each for each in sorted(common)]


def _whole(each: Any) -> Any:
    return tuple(each) if isinstance(each, list) else each
