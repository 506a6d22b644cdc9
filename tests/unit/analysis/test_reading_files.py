"""What is decided about a file before and while it is read: its language, its lines, its place in the inventory."""

from pathlib import Path
from typing import Any

import pytest

from forge_kinds.analysis.config import AnalysisConfig
from forge_kinds.analysis.inventory import MAX_FILE_BYTES, is_test, plan
from forge_kinds.analysis.languages import language_of
from forge_kinds.analysis.lines import Lines, count_lines
from forge_kinds.analysis.measures import Measured
from forge_kinds.analysis.measuring import measure
from forge_kinds.analysis.notes import Note, Notes
from forge_runner.report import Permanent
from forge_runner.sources.selection import display
from forge_runner.workspace import Entry, EntryKind


def planned(*paths: str, config: dict[str, Any] | None = None) -> list[str]:
    entries = [Entry(path.encode(), EntryKind.FILE, 10) for path in paths]
    return [file.path for file in plan(entries, AnalysisConfig.read(config or {}), Notes())]


def codes(entry: Entry) -> list[str]:
    notes = Notes()
    assert plan([entry], AnalysisConfig(), notes) == ()
    return [note["code"] for note in notes.document()]


def test_links_submodules_and_large_files_are_left_out_and_told() -> None:
    assert codes(Entry(b"link", EntryKind.SYMLINK, 10)) == ["symlink"]
    assert codes(Entry(b"sub", EntryKind.SUBMODULE, 0)) == ["submodule"]
    assert codes(Entry(b"big.py", EntryKind.FILE, MAX_FILE_BYTES + 1)) == ["too-large"]
    assert codes(Entry(b"web/node_modules/x/y.js", EntryKind.FILE, 10)) == ["vendored"]


def test_pictures_and_lock_files_are_not_read() -> None:
    assert planned("logo.png", "poetry.lock", "package-lock.json", "app.py") == ["app.py"]


def test_a_job_may_name_the_parts_it_wants() -> None:
    paths = ("src/a.py", "src/deep/b.py", "srcs/c.py", "docs/d.py")
    assert planned(*paths, config={"paths": ["src"]}) == ["src/a.py", "src/deep/b.py"]
    assert planned(*paths, config={"paths": ["./src/"], "exclude": ["*/deep/*"]}) == ["src/a.py"]


def test_a_job_may_name_its_languages() -> None:
    entries = [Entry(name, EntryKind.FILE, 10) for name in (b"a.py", b"b.js")]
    files = plan(entries, AnalysisConfig.read({"languages": ["python"]}), Notes())
    assert [(file.path, file.analysed) for file in files] == [("a.py", True), ("b.js", False)]


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"minSeverty": "low"}, "config.minSeverty: Extra inputs are not permitted"),
        ({"paths": ["../other"]}, "inside the repository"),
        ({"paths": ["/etc"]}, "inside the repository"),
        ({"languages": ["klingon"]}, "not a language that is known here"),
        ({"exclude": ["x"] * 51}, "at most 50"),
        ({"exclude": "docs/*"}, "config.exclude"),
        ({"paths": ["x" * 300]}, "at most 255"),
    ],
)
def test_a_config_that_cannot_be_followed_is_refused_with_its_field(config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Permanent, match=sentence):
        AnalysisConfig.read(config)


def test_a_name_that_is_no_text_can_be_shown() -> None:
    assert display(b"caf\xe9.py") == "caf\\xe9.py"
    assert display("café\n.py".encode()) == "café\n.py"


@pytest.mark.parametrize(
    "path", ["tests/a.py", "pkg/test_a.py", "a_test.go", "web/a.spec.ts", "conftest.py", "e2e/x.js"]
)
def test_tests_are_known_by_where_they_stand(path: str) -> None:
    assert is_test(path)


@pytest.mark.parametrize("path", ["src/latest.py", "contest.py", "attestation/a.py", "src/testbed.py"])
def test_what_only_sounds_like_a_test_is_none(path: str) -> None:
    assert not is_test(path)


def counted(text: str, path: str) -> Lines:
    language = language_of(path)
    assert language is not None
    return count_lines(text.split("\n"), language)


def test_each_line_is_code_or_comment_or_blank() -> None:
    text = '"""Docs\nover two lines."""\n\n# a comment\nx = 1  # code\ny = """text\n\n"""'
    assert counted(text, "a.py") == Lines(code=3, comment=3, blank=2)


def test_the_end_of_a_long_string_does_not_begin_a_docstring() -> None:
    assert counted('x = f("""\n  text\n""")\ny = 1\nz = 2', "a.py") == Lines(5, 0, 0)
    assert counted('"""One line."""\nx = 1', "a.py") == Lines(1, 1, 0)
    assert counted("x = '''a''' + '''b\nc'''", "a.py") == Lines(2, 0, 0)


def test_block_comments_of_other_languages_are_comments() -> None:
    assert counted("/* one */\n// two\n/*\nthree\n*/ \nint x; /* code */\n/* a */ int y;", "a.c") == Lines(2, 5, 0)


def measured(tmp_path: Path, name: str, body: bytes) -> Measured:
    path = tmp_path / name
    path.write_bytes(body)
    return measure(path, name, language_of(name), analysed=True)


def test_functions_of_python_are_measured_by_how_hard_they_are_to_follow(tmp_path: Path) -> None:
    [function] = measured(
        tmp_path, "a.py", b"def f(x):\n    if x:\n        for y in x:\n            if y:\n                return y\n"
    ).functions
    assert (function.name, function.line, function.lines, function.complexity) == ("f", 1, 5, 6)


def test_functions_of_other_languages_are_measured_by_their_paths(tmp_path: Path) -> None:
    [function] = measured(
        tmp_path, "a.js", b"function f(a, b) {\n  if (a) { return b; }\n  return a && b;\n}\n"
    ).functions
    assert (function.name, function.complexity, function.parameters) == ("f", 3, 2)


@pytest.mark.parametrize(
    ("name", "body", "note"),
    [
        ("a.py", b"x = 1\0", Note.BINARY),
        ("a.py", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", Note.LFS_POINTER),
        ("a.py", b"x = '" + b"a" * 30_000 + b"'", Note.TOO_LARGE),
        ("a.js", b"// @generated by a program\nfunction f() {}\n", Note.GENERATED),
        ("a.js", b"var a=1;" * 100, Note.GENERATED),
    ],
)
def test_what_cannot_be_analysed_says_why(tmp_path: Path, name: str, body: bytes, note: Note) -> None:
    found = measured(tmp_path, name, body)
    assert found.notes == (note,)
    assert found.opaque


def test_text_that_is_not_utf8_is_counted_all_the_same(tmp_path: Path) -> None:
    found = measured(tmp_path, "a.py", b"# caf\xe9\nx = 1\n")
    assert found.notes == (Note.NOT_UTF8,)
    assert found.lines == Lines(1, 1, 1)


def test_python_that_cannot_be_parsed_is_told(tmp_path: Path) -> None:
    assert measured(tmp_path, "a.py", b"def f(:\n").notes == (Note.UNPARSABLE,)


def test_measures_survive_the_way_from_the_worker(tmp_path: Path) -> None:
    found = measured(tmp_path, "a.py", b"def f():\n    db_password = 'Tr0ub4dor&3x'\n")
    assert found.secrets
    assert Measured.decode(found.encode()) == found
