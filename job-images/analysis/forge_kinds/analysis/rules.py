"""Every rule that can be reported: what it counts against, how gravely, what mending one place takes, where it is told.

ruff's rules are chosen one by one or by family, for what a lead engineer would act on: likely bugs, risks, code that is
hard to change. Formatting, docstrings, annotations and naming are left to the repository's own linter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from forge_kinds.analysis.findings import Dimension, Severity
from forge_runner.sources.ruff import IGNORE, SELECT

DOCS: Final = "https://forge-factory.dev/docs/scoring"
"""Where docs/scoring.md is served; own rules are its anchors."""

_CRITICAL: Final = frozenset({"S307", "S602", "S605", "S609"})
_HIGH: Final = frozenset(
    {"S102", "S201", "S202", "S301", "S302", "S306", "S323", "S501", "S502", "S503", "S505", "S506", "S507",
     "S601", "S604", "S608", "S610", "S611", "S612", "S701", "S702", "F821", "F822", "F823"}
)  # fmt: skip
_LOW: Final = frozenset(
    {"S104", "S108", "S110", "S112", "S308", "S310", "S311", "S704", "B018", "ERA001", "E741", "E731"}
)
_NOT_A_RISK: Final = frozenset({"S110", "S112"})
_BY_CATEGORY: Final = {"correctness": Severity.MEDIUM, "suspicious": Severity.LOW, "security": Severity.MEDIUM}
_COMPLEXITY: Final = frozenset({"PLR0911", "PLR0913", "SIM102"})
_MINUTES: Final = {"correctness": 15, "suspicious": 10, "security": 30, "complexity": 10}


@dataclass(frozen=True)
class Rule:
    """One rule. `minutes` is what mending one place takes a person who knows the code."""

    id: str
    name: str
    dimension: Dimension
    severity: Severity
    minutes: float
    summary: str
    help_uri: str
    explanation: str = ""
    first_step: str = ""
    title: str = ""
    """What it is, in a few words without places or values."""
    fixable: bool = False
    """Whether `ruff check --fix` mends it safely."""
    confidence: int = 100
    """Per cent, as the tool itself says."""


COGNITIVE: Final = "forge/cognitive-complexity"
CYCLOMATIC: Final = "forge/cyclomatic-complexity"
LONG_FUNCTION: Final = "forge/long-function"
LONG_FILE: Final = "forge/long-file"
SECRET: Final = "forge/secret/"  # noqa: S105 - the beginning of a rule's id

UNUSED_FUNCTION: Final = "forge/unused-function"
UNUSED_CLASS: Final = "forge/unused-class"
UNUSED_METHOD: Final = "forge/unused-method"
UNREACHABLE: Final = "forge/unreachable-code"
LAYER: Final = "forge/layer"

BETWEEN_FILES: Final = frozenset({UNUSED_FUNCTION, UNUSED_CLASS, UNUSED_METHOD, LAYER})
"""Their findings depend on other files too, and never cost anything (docs/adr/0025)."""

GRADED: Final = frozenset({COGNITIVE, CYCLOMATIC, LONG_FUNCTION, LONG_FILE})
"""Their findings differ in gravity by a measure, so the gravest are a recommendation of their own."""


def _unused(rule: str, what: str) -> Rule:
    name = rule.rpartition("/")[2]
    return Rule(
        id=rule,
        name=name,
        dimension=Dimension.MAINTAINABILITY,
        severity=Severity.INFO,
        minutes=5,
        summary=f"A {what} may be unused: no file of the repository names it",
        help_uri=f"{DOCS}#unused-code",
        explanation="Code that nobody calls is read, tested and changed for nothing. Whether it is dead is a guess: "
        "it is found by its name alone, and may be called by other repositories or by a name made at run time.",
        first_step="Search for the name in other repositories and plug-ins, which weren't looked at; else delete it.",
        title=f"{what.capitalize()} that may be unused",
        confidence=60,
    )


_OWN: Final = (
    Rule(
        COGNITIVE, "cognitive-complexity", Dimension.COMPLEXITY, Severity.MEDIUM, 60,
        "A function is hard to follow: its cognitive complexity is over 15",
        f"{DOCS}#cognitive-complexity",
        "Cognitive complexity counts breaks in a function's flow, each the more the deeper it is nested.",
        "Take the worst function, move its most deeply nested block into a function with a name, and return early.",
        "Function that is hard to follow",
    ),
    Rule(
        CYCLOMATIC, "cyclomatic-complexity", Dimension.COMPLEXITY, Severity.MEDIUM, 60,
        "A function has too many paths: its cyclomatic complexity is over 15",
        f"{DOCS}#cyclomatic-complexity",
        "Cyclomatic complexity counts the independent paths through a function: it needs at least as many tests.",
        "Take the worst function and split it along its largest condition; a table often replaces a chain of cases.",
        "Function with too many paths",
    ),
    Rule(
        LONG_FUNCTION, "long-function", Dimension.SIZE, Severity.LOW, 45,
        "A function is over 100 lines long",
        f"{DOCS}#long-function",
        "A function that doesn't fit on a screen can't be read at once, and usually does several things.",
        "Name the paragraphs of the longest function, and make each of them a function of that name.",
        "Long function",
    ),
    Rule(
        LONG_FILE, "long-file", Dimension.SIZE, Severity.LOW, 90,
        "A file has over 750 lines of code",
        f"{DOCS}#long-file",
        "A large file collects unrelated reasons to change, and with them conflicts between those who change it.",
        "Group the largest file's functions by what they are for, and move the smallest group into its own module.",
        "Large file",
    ),
    _unused(UNUSED_FUNCTION, "function"),
    _unused(UNUSED_CLASS, "class"),
    _unused(UNUSED_METHOD, "method"),
    Rule(
        UNREACHABLE, "unreachable-code", Dimension.MAINTAINABILITY, Severity.LOW, 5,
        "Code is never reached",
        f"{DOCS}#unreachable-code",
        "What stands behind a return or a raise, or under a condition that is never true, misleads whoever reads it.",
        "Delete it, or mend the line before it when the code was meant to run.",
        "Unreachable code",
    ),
    Rule(
        LAYER, "layer", Dimension.MAINTAINABILITY, Severity.MEDIUM, 30,
        "A lower layer imports a higher one",
        f"{DOCS}#layer",
        "The job's config.layers says which modules stand above which; an import upwards ties the lower to the higher.",
        "Move what is imported down, or pass it in from above.",
        "Import of a higher layer",
    ),
)  # fmt: skip

_PERHAPS: Final = (
    "Look whether it is a secret at all: a checksum or a sample value is none. "
    "If it is one, revoke it where it was issued, for the history keeps it."
)
_LEAKED: Final = (
    "Treat it as leaked: revoke it where it was issued, and read its successor from the environment or a secret store. "
    "Removing the line is not enough, for the history keeps it."
)


def _slug(kind: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in kind.lower()).split())


def secret_rule_id(kind: str) -> str:
    """The id of a secret's rule, by its detector's own name."""
    return SECRET + _slug(kind)


def secret_rule(kind: str, severity: Severity) -> Rule:
    """The rule of one of the secret detectors, by its own name (`AWS Access Key`)."""
    slug = _slug(kind)
    return Rule(
        id=SECRET + slug,
        name=f"secret-{slug}",
        dimension=Dimension.SECRETS,
        severity=severity,
        minutes=45 if severity >= Severity.HIGH else 10,
        title=f"{'Committed' if severity >= Severity.HIGH else 'Possible'} secret: {kind}",
        summary=f"Something that looks like a secret is committed: {kind}",
        help_uri=f"{DOCS}#secrets",
        explanation="Whoever can read the repository, or any copy of it, has the secret. Only a fingerprint is kept.",
        first_step=_LEAKED if severity >= Severity.HIGH else _PERHAPS,
    )


_VAGUE_SECRETS: Final = {
    "Base64 High Entropy String": Severity.LOW,
    "Hex High Entropy String": Severity.LOW,
    "Secret Keyword": Severity.HIGH,
    "Basic Auth Credentials": Severity.HIGH,
    "JSON Web Token": Severity.MEDIUM,
}


@cache
def own_rules(secret_kinds: tuple[str, ...]) -> Mapping[str, Rule]:
    """Our own rules by id, one for each kind of secret among them."""
    secrets = (secret_rule(kind, _VAGUE_SECRETS.get(kind, Severity.CRITICAL)) for kind in secret_kinds)
    return {rule.id: rule for rule in (*_OWN, *secrets)}


def ruff_rules(catalogue: Iterable[Mapping[str, Any]]) -> dict[str, Rule]:
    """ruff's own catalogue (`ruff rule --all --output-format json`) as rules, by code; those selected only."""
    named = ((str(each["code"]), each) for each in catalogue if each["code"] and not each.get("preview"))
    return {code: _ruff_rule(each) for code, each in named if code.startswith(SELECT) and code not in IGNORE}


def _ruff_rule(each: Mapping[str, Any]) -> Rule:
    code, category = str(each["code"]), str(each.get("category", ""))
    fixable = each.get("fix_availability") == "Always"
    summary = " ".join(str(each["summary"]).split()).replace("{", "").replace("}", "")
    return Rule(
        code,
        str(each["name"]),
        _dimension(code),
        _severity(code, category),
        0.2 if fixable else _MINUTES.get(category, 5),
        summary,
        f"https://docs.astral.sh/ruff/rules/{each['name']}",
        str(each.get("explanation", ""))[:4000],
        title=str(each["name"]).replace("-", " ").capitalize(),
        fixable=fixable,
    )


def _dimension(code: str) -> Dimension:
    if code in _COMPLEXITY:
        return Dimension.COMPLEXITY
    return (
        Dimension.SECURITY
        if code.startswith("S") and code[1].isdigit() and code not in _NOT_A_RISK
        else Dimension.MAINTAINABILITY
    )


def _severity(code: str, category: str) -> Severity:
    if code in _CRITICAL:
        return Severity.CRITICAL
    if code in _LOW:
        return Severity.LOW
    if code in _HIGH or code.startswith(("F50", "F52", "F63", "F7", "PLE0", "PLE1")):
        return Severity.HIGH
    return _BY_CATEGORY.get(category, Severity.INFO)
