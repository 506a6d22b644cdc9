"""The result in Markdown, short enough for a comment on a pull request.

What comes from the repository (paths, names, messages) can't break out of its place: no mention of a person, no link,
no image, no HTML.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from forge_kinds.analysis.baseline.standing import Standing
from forge_kinds.analysis.findings import Finding

ARTIFACT: Final = "summary.md"
MAX_LISTED: Final = 20
MAX_CHARACTERS: Final = 60_000
"""GitHub takes 65,536 in a comment."""
_MAX_PATH: Final = 200
_MAX_MESSAGE: Final = 300
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$])")
_SPACES: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")


def text(words: str) -> str:
    """Words from the repository as plain text of one line."""
    plain = _SPACES.sub(" ", words[:_MAX_MESSAGE]).strip()
    return (
        _SPECIAL.sub(r"\\\1", plain).replace("@", "@\u200b").replace("://", ":\u200b//").replace("www.", "www\u200b.")
    )


def code(words: str) -> str:
    """A path or a name as code."""
    plain = _SPACES.sub(" ", words[:_MAX_PATH]).strip().replace("`", "'").replace("|", "\\|")
    return f"`{plain}`" if plain else ""


def render(document: Mapping[str, Any], standing: Standing | None) -> bytes:
    """`summary.md`, from the summary and, where there is a baseline, the comparison."""
    score = document["score"]
    lines = [*_head(document, standing), ""]
    lines += _table(score, standing)
    if standing:
        new, fixed = standing.comparison.new, [each for each in standing.comparison.fixed if not each.suppressed]
        lines += [*_listed("New findings", new), *_listed("Fixed", fixed)]
    lines += _advice(document["recommendations"])
    lines += ["", f"<sub>Commit `{document['commit'][:12]}`, {document['codeLines']:,} lines of code</sub>", ""]
    return _cut("\n".join(lines)).encode()


def _head(document: Mapping[str, Any], standing: Standing | None) -> list[str]:
    score = document["score"]
    value = "nothing to score" if score["value"] is None else f"{score['value']:g} ({score['grade']})"
    if standing is None:
        return [f"## Analysis: {value}", "", f"{document['findings']['total']:,} findings."]
    told = standing.document()
    title = f"## Gate {standing.verdict}" if standing.verdict else "## Analysis"
    name = code(standing.asked.ref) if standing.asked.ref else f"analysis {code(str(standing.asked.analysis))}"
    counts = f"**{told['new']['total']:,} new**, {told['fixed']['total']:,} fixed, {told['unchanged']:,} unchanged"
    lines = [f"{title}: {value}", "", f"{counts} since {name} (`{standing.base.commit[:12]}`)."]
    if "newCode" in told:
        new = told["newCode"]
        lines += ["", f"{new['lines']:,} new lines of code, {new['duplicatedPercent']:g} % of them duplicated."]
    if standing.conditions:
        lines += [""]
        lines += [f"- {'✅' if each.passed else '❌'} {each.reason}" for each in standing.conditions]
    return lines


def _table(score: Mapping[str, Any], standing: Standing | None) -> list[str]:
    rows = [("**score**", score["value"], standing.base.score if standing else None)]
    for name, each in score["dimensions"].items():
        rows.append((name, each["value"], standing.base.dimensions.get(name) if standing else None))
    if standing is None:
        return ["| | score |", "|---|---:|", *(f"| {name} | {_score(value)} |" for name, value, _ in rows)]
    return [
        "| | baseline | now | |",
        "|---|---:|---:|---:|",
        *(f"| {name} | {_score(was)} | {_score(now)} | {_change(was, now)} |" for name, now, was in rows),
    ]


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _change(was: float | None, now: float | None) -> str:
    return "" if was is None or now is None or was == now else f"{now - was:+.1f}"


def _listed(title: str, findings: Iterable[Finding]) -> list[str]:
    found = sorted(findings, key=lambda each: (-each.severity, each.order))
    if not found:
        return []
    lines = ["", f"### {title}", "", "| severity | where | what |", "|---|---|---|"]
    for each in found[:MAX_LISTED]:
        place = code(f"{each.path[-(_MAX_PATH - 12) :]}:{each.line}")
        lines.append(f"| {each.severity.word} | {place} | {text(each.message)} ({code(each.rule)}) |")
    more = len(found) - MAX_LISTED
    return [*lines, "", f"{more:,} more are in `report.json`."] if more > 0 else lines


def _advice(recommendations: Iterable[Mapping[str, Any]]) -> list[str]:
    first = list(recommendations)[:3]
    if not first:
        return []
    return [
        "",
        "### What to do first",
        "",
        *(f"1. **{text(each['title'])}** ({each['count']:,}): {text(each['firstStep'])}" for each in first),
    ]


def _cut(whole: str) -> str:
    if len(whole) <= MAX_CHARACTERS:
        return whole
    return whole[:MAX_CHARACTERS].rpartition("\n")[0] + "\n\nThe rest is in `report.json`.\n"
