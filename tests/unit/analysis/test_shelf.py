"""What is kept of a file is known again just when all is equal that its findings follow from; it is trusted little."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.attempts import MAX_CACHE_BYTES
from forge_kinds.analysis import shelf as shelves
from forge_kinds.analysis.config import AnalysisConfig
from forge_kinds.analysis.deadcode.names import Definition, Kind, Names, Unreachable
from forge_kinds.analysis.deadcode.reading import MAX_DEFINED, MAX_NAME
from forge_kinds.analysis.duplication import prints_of
from forge_kinds.analysis.examined import Examined, notes_on
from forge_kinds.analysis.findings import Severity, fingerprinted
from forge_kinds.analysis.imports import Import
from forge_kinds.analysis.inventory import SourceFile, plan
from forge_kinds.analysis.languages import PYTHON
from forge_kinds.analysis.lines import Lines
from forge_kinds.analysis.linting import Raw
from forge_kinds.analysis.measures import Function, Measured, Secret
from forge_kinds.analysis.notes import Note, Notes
from forge_kinds.analysis.rules import BETWEEN_FILES, UNREACHABLE
from forge_kinds.analysis.shelf import SCHEMA, Shelf, key_of
from forge_kinds.analysis.shelved import MAX_USED, decode, encode
from forge_runner.workspace.tree import Entry, EntryKind
from tests.unit.analysis.builders import a_finding, a_rule, a_source

LINTED = {code: a_rule(code) for code in ("F841", "S602")}
RULES = "0" * 64
FILE = replace(a_source(), blob=bytes(20))

numbers = st.integers(0, 2**31)
words = st.text(max_size=60)
secrets = st.builds(Secret, st.sampled_from(["AWS Access Key", "Secret Keyword"]), numbers, st.text(max_size=32))
prints = st.lists(st.tuples(st.integers(1, 2**32 - 1), st.text(min_size=1, max_size=9)), max_size=9).map(prints_of)
several = st.lists(words, max_size=4).map(tuple)
names = st.builds(
    Names,
    defined=st.lists(
        st.builds(Definition, st.sampled_from(Kind), words, words, numbers, numbers, several, st.booleans()), max_size=4
    ).map(tuple),
    classes=st.lists(st.tuples(words, several), max_size=4).map(tuple),
    used=words,
    unreachable=st.lists(
        st.builds(Unreachable, words, numbers, numbers, st.text(max_size=32), st.booleans()), max_size=3
    ).map(tuple),
)
measures = st.builds(
    Measured,
    lines=st.builds(Lines, numbers, numbers, numbers),
    functions=st.lists(st.builds(Function, words, numbers, numbers, numbers, numbers), max_size=5).map(tuple),
    secrets=st.lists(secrets, max_size=3).map(tuple),
    opaque=st.booleans(),
    prints=prints,
    imports=st.lists(st.builds(Import, words, numbers, st.booleans()), max_size=5).map(tuple),
    names=names,
)
findings = st.lists(
    st.builds(
        a_finding,
        rule=st.sampled_from(sorted(LINTED)),
        line=st.integers(1, 9),
        message=st.text(max_size=80),
        column=numbers,
        end_line=numbers,
        severity=st.sampled_from(Severity),
        suppressed=st.booleans(),
    ),
    max_size=6,
).map(lambda found: tuple(fingerprinted(found)))
notes = st.sets(st.sampled_from([Note.GENERATED, Note.BINARY, Note.NOT_UTF8, Note.UNPARSABLE])).map(sorted).map(tuple)


def an_examined(*rules: str, note: Note | None = None, code: int = 7) -> Examined:
    found = fingerprinted(a_finding(rule) for rule in rules)
    return Examined(Measured(Lines(code)), tuple(found), (note,) if note else ())


def kept(*files: SourceFile, examined: Examined | None = None) -> bytes:
    """What an analysis of these files leaves."""
    shelf = Shelf(RULES, LINTED, {})
    for file in files:
        shelf.put(file, examined or an_examined("F841"))
    body = shelf.encode()
    assert body is not None
    return body


def sealed(*lines: bytes, rules: str = RULES, schema: bytes = SCHEMA) -> bytes:
    """Kept bytes as somebody would forge them who knows the format."""
    rest = b"\n".join(lines)
    return b" ".join((schema, rules.encode(), hashlib.sha256(rest).hexdigest().encode())) + b"\n" + rest


@given(measures, findings, notes)
def test_what_is_kept_of_a_file_comes_back_as_it_was(measured: Measured, found: Any, about: tuple[Note, ...]) -> None:
    examined = Examined(measured, found, about)
    line = encode(examined)
    assert line is not None
    assert b"\n" not in line
    back = decode(line, FILE, LINTED)
    assert back is not None
    assert (replace(back.measured, notes=()), back.findings, back.notes) == (measured, found, about)


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("content", {"blob": bytes(19) + b"x"}),
        ("path", {"raw": b"src/other.py", "path": "src/other.py"}),
        ("a path that looks the same", {"raw": b"src/app\xff.py"}),
        ("packages above it", {"packages": 1}),
        ("no language, for the job asked for others", {"language": None}),
        ("only searched for secrets", {"analysed": False}),
        ("a file of the tests", {"test": True}),
    ],
)
def test_a_file_is_another_one_by_its(what: str, changes: dict[str, Any]) -> None:
    assert Shelf.of(kept(FILE), RULES, LINTED).find(FILE) == an_examined("F841")
    assert Shelf.of(kept(FILE), RULES, LINTED).find(replace(FILE, **changes)) is None, what


def test_other_rules_know_nothing() -> None:
    assert Shelf.of(kept(FILE), "1" * 64, LINTED).find(FILE) is None
    assert Shelf.of(kept(FILE), RULES, {"S602": a_rule("S602")}).find(FILE) is None


@given(st.data())
def test_damaged_bytes_are_passed_over(data: st.DataObject) -> None:
    body = bytearray(kept(FILE, replace(FILE, packages=1)))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(body), bytes(body[:at]), bytes(body[at + 1 :])):
        assert Shelf.of(damaged, RULES, LINTED).find(FILE) is None


@given(st.binary(max_size=300))
def test_bytes_of_anything_are_passed_over(body: bytes) -> None:
    assert Shelf.of(body, RULES, LINTED).find(FILE) is None
    assert Shelf.of(sealed(body), RULES, LINTED).find(FILE) is None
    assert Shelf.of(sealed(key_of(FILE).encode() + b" " + body), RULES, LINTED).find(FILE) is None


def forged(**changes: Any) -> bytes:
    line = encode(an_examined("F841"))
    assert line is not None
    document = {**json.loads(line), **changes}
    return json.dumps({name: value for name, value in document.items() if value is not ...}).encode()


FINDING = ["F841", 2, 3, "m", 1, 0, "c", False]
DEFINITION = ["function", "f", "", 1, 2, [], False]
UNREACHED: list[Any] = ["unreachable code after 'return'", 3, 3, "c", False]


def names_of(
    defined: Any = (), classes: Any = (), used: Any = "", unreachable: Any = (), more: Any = ()
) -> dict[str, Any]:
    return {"names": [defined, classes, used, unreachable, *more]}


FORGED: dict[str, dict[str, Any]] = {
    "a rule that there isn't": {"findings": [["X1", *FINDING[1:]]]},
    "a secret's rule without the secret": {"findings": [["forge/secret/aws-access-key", *FINDING[1:]]]},
    "a severity beyond the gravest": {"findings": [["F841", 9, *FINDING[2:]]]},
    "a line below none": {"findings": [["F841", 2, -1, *FINDING[3:]]]},
    "a line beyond all": {"findings": [["F841", 2, 2**63, *FINDING[3:]]]},
    "a message too long": {"findings": [[*FINDING[:3], "m" * 501, *FINDING[4:]]]},
    "half a finding": {"findings": [FINDING[:4]]},
    "a note that there isn't": {"notes": ["all-is-well"]},
    "half a line's print": {"prints": "AAAA"},
    "prints that are none": {"prints": "\u00e9" * 16},
    "too many imports": {"imports": [["a", 1, False]] * 1001},
    "an import of a name too long": {"imports": [["a" * 301, 1, False]]},
    "an import without its line": {"imports": ["a"]},
    "an import on no line": {"imports": [["a", -1, False]]},
    "no names": {"names": ...},
    "half of the names": {"names": [[], []]},
    "more than the names": names_of(more=[[]]),
    "too many definitions": names_of([DEFINITION] * (MAX_DEFINED + 1)),
    "a definition of what can't be unused": names_of([["module", *DEFINITION[1:]]]),
    "a definition with a name too long": names_of([["function", "f" * (MAX_NAME + 1), *DEFINITION[2:]]]),
    "a definition in a class with a name too long": names_of([["method", "f", "C" * (MAX_NAME + 1), *DEFINITION[3:]]]),
    "a definition on no line": names_of([[*DEFINITION[:3], -1, *DEFINITION[4:]]]),
    "a definition with too many bases": names_of([[*DEFINITION[:5], ["B"] * (MAX_DEFINED + 1), False]]),
    "half a definition": names_of([DEFINITION[:3]]),
    "too many classes": names_of(classes=[["C", []]] * (MAX_DEFINED + 1)),
    "a class with a name too long": names_of(classes=[["C" * (MAX_NAME + 1), []]]),
    "a class with a base too long": names_of(classes=[["C", ["B" * (MAX_NAME + 1)]]]),
    "a class with too many bases": names_of(classes=[["C", ["B"] * (MAX_DEFINED + 1)]]),
    "a class whose base is no list": names_of(classes=[["C", "Base"]]),
    "uses as a list": names_of(used=["f"]),
    "more uses than a file has letters": names_of(used="f" * (MAX_USED + 1)),
    "too much that isn't reached": names_of(unreachable=[UNREACHED] * (MAX_DEFINED + 1)),
    "unreachable for a reason too long": names_of(unreachable=[["w" * 301, *UNREACHED[1:]]]),
    "unreachable on no line": names_of(unreachable=[[*UNREACHED[:1], -3, *UNREACHED[2:]]]),
    **{
        f"a finding that depends on other files ({rule})": {"findings": [[rule, *FINDING[1:]]]}
        for rule in sorted(BETWEEN_FILES)
    },
    "a name too long": {"functions": [["f" * 301, 1, 1, 1, 1]]},
    "a number that is none": {"functions": [["f", 1, 1, float("inf"), 1]]},
    "too many secrets": {"secrets": [["kind", 1, "c"]] * 1001},
    "a member too many": {"more": 1},
    "a member too few": {"lines": ...},
    "negative lines": {"lines": [-1, 0, 0]},
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_line_is_passed_over_though_its_seal_is_right(what: str) -> None:
    body = sealed(key_of(FILE).encode() + b" " + forged(**FORGED[what]))
    assert Shelf.of(body, RULES, LINTED).find(FILE) is None


def test_the_forger_of_these_tests_knows_the_format() -> None:
    defined = [["method", "f" * MAX_NAME, "C" * MAX_NAME, 1, 2, ["B" * MAX_NAME] * 9, True], DEFINITION]
    told = names_of(defined, [["C", ["Base"]]] * MAX_DEFINED, "f g*", [UNREACHED])
    unreachable = [UNREACHABLE, *FINDING[1:]]
    line = forged(findings=[FINDING, unreachable], imports=[["a" * 300, 1, True]] * 1000, **told)
    body = sealed(key_of(FILE).encode() + b" " + line)
    found = Shelf.of(body, RULES, LINTED).find(FILE)
    assert found is not None
    assert [finding.rule for finding in found.findings] == ["F841", UNREACHABLE]
    assert [each.name for each in found.measured.names.defined] == ["f" * MAX_NAME, "f"]
    assert (found.measured.names.used, len(found.measured.names.classes)) == ("f g*", MAX_DEFINED)
    assert found.measured.names.unreachable == (Unreachable(*UNREACHED),)
    assert found.measured.imports[0] == Import("a" * 300, 1, late=True)
    assert Shelf.of(sealed(key_of(FILE).encode() + b" " + forged(), schema=b"x/2"), RULES, LINTED).find(FILE) is None


def test_nesting_without_end_is_passed_over() -> None:
    body = sealed(key_of(FILE).encode() + b" " + b"[" * 1_000_000)
    assert Shelf.of(body, RULES, LINTED).find(FILE) is None


def test_kinds_of_secrets_without_end_are_not_believed() -> None:
    files = [replace(FILE, packages=number) for number in range(200)]
    lines = [
        key_of(file).encode() + b" " + forged(secrets=[[f"kind {file.packages}", 1, "c"]], findings=[])
        for file in files
    ]
    shelf = Shelf.of(sealed(*lines), RULES, LINTED)
    assert sum(shelf.find(file) is not None for file in files) == shelves.MAX_KINDS


def test_more_than_a_cache_may_hold_is_not_read() -> None:
    assert Shelf.of(kept(FILE) + bytes(MAX_CACHE_BYTES), RULES, LINTED).find(FILE) is None


@pytest.mark.parametrize("note", [Note.BROKE_TOOL, Note.MISSING])
def test_what_may_be_otherwise_the_next_time_is_not_kept(note: Note) -> None:
    shelf = Shelf(RULES, LINTED, {})
    shelf.put(FILE, an_examined(note=note))
    assert shelf.encode() is None


def test_a_name_that_is_no_text_is_not_kept() -> None:
    assert encode(Examined(Measured(functions=(Function("f\udcff", 1, 1, 1),)), (), ())) is None


def test_nothing_new_is_nothing_to_keep() -> None:
    shelf = Shelf.of(kept(FILE), RULES, LINTED)
    assert shelf.find(FILE)
    assert shelf.encode() is None


def test_what_was_not_used_is_kept_as_far_as_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [replace(FILE, packages=number) for number in range(10)]
    new = replace(FILE, packages=99)
    size = len(kept(*files)) - len(kept(*files[:9]))

    def left_by(least: int) -> list[int]:
        monkeypatch.setattr(shelves, "LEAST_BYTES", least)
        shelf = Shelf.of(kept(*files), RULES, LINTED)
        assert shelf.find(files[7])
        shelf.put(new, an_examined("F841"))
        after = Shelf.of(shelf.encode() or b"", RULES, LINTED)
        return [file.packages for file in (*files, new) if after.find(file)]

    assert left_by(100 * size) == [*range(10), 99]
    assert left_by(6 * size) == [0, 1, 2, 3, 7, 99]
    assert left_by(0) == [0, 1, 7, 99], "as much again as was used"


def test_tools_that_were_given_up_leave_nothing_to_be_known() -> None:
    shelf = Shelf.of(kept(FILE), RULES, LINTED)
    shelf.put(replace(FILE, packages=1), an_examined())
    shelf.close()
    assert shelf.find(FILE) is None
    shelf.put(FILE, an_examined())
    body = shelf.encode()
    assert body is not None
    assert Shelf.of(body, RULES, LINTED).find(FILE) is None


def test_the_notes_of_a_file_tell_each_thing_once() -> None:
    unparsable = [Raw("invalid-syntax", 1, 1, 1, 1, "m")]
    assert notes_on(Measured(notes=("unparsable",)), unparsable, []) == (Note.UNPARSABLE,)
    assert notes_on(Measured(notes=("not-utf-8",)), unparsable, []) == (Note.NOT_UTF8,)
    assert notes_on(Measured(), [], [Note.BROKE_TOOL]) == (Note.BROKE_TOOL,)


def test_a_python_file_knows_the_packages_that_it_is_in() -> None:
    names = (b"__init__.py", b"a/__init__.py", b"a/b/__init__.py", b"a/b/c.py", b"a/d/e.py", b"a/b/f.js", b"g/h/i.py")
    entries = [Entry(name, EntryKind.FILE, 5) for name in names]
    entries.append(Entry(b"g/h/__init__.py", EntryKind.SYMLINK, 5))
    planned = plan(entries, AnalysisConfig(), Notes())
    assert {file.raw: file.packages for file in planned} == {
        b"__init__.py": 1, b"a/__init__.py": 2, b"a/b/__init__.py": 3, b"a/b/c.py": 3, b"a/d/e.py": 0, b"a/b/f.js": 0,
        b"g/h/i.py": 0,
    }  # fmt: skip
    [deep] = [file for file in planned if file.raw == b"a/b/c.py"]
    assert (deep.language, [*deep.markers()]) == (PYTHON, [b"a/b/__init__.py", b"a/__init__.py", b"__init__.py"])
