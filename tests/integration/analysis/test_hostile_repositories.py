"""Repositories made to break an analysis: each ends in a result that tells what was left out."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge_kinds.analysis import analyse
from forge_runner.report import Permanent
from tests.integration.analysis.conftest import Analyse
from tests.integration.workspace.reports import Remembered, an_assignment
from tests.integration.workspace.repositories import LINK, PROGRAM, SUBMODULE, Odd, an_empty_repository
from tests.integration.workspace.servers import GitServer

FLAWED = b"def f():\n    unused = 1\n\n\nf()\n"
SANE: dict[bytes, bytes | Odd] = {b"sane.py": FLAWED}


def rules_of(findings: list[dict[str, object]], path: str) -> set[object]:
    return {finding["rule"] for finding in findings if finding["path"] == path}


def test_an_empty_repository_is_a_sentence(server: GitServer, tmp_path: Path) -> None:
    an_empty_repository(server.root, "empty.git")
    with pytest.raises(Permanent, match="The repository is empty"):
        analyse(an_assignment(server.url("empty.git")), tmp_path, Remembered())


def test_a_repository_without_code_has_no_score(analysed: Analyse) -> None:
    result = analysed({b"README.md": b"# Nothing here\n"})
    assert result.summary["score"]["value"] is None
    assert result.summary["score"]["grade"] == "-"
    assert "no-code" in result.notes


def test_50000_files_are_analysed_or_told(analysed: Analyse) -> None:
    def many() -> Iterator[tuple[bytes, bytes | Odd]]:
        yield from ((b"d%02d/f%03d.dat" % (n // 1000, n % 1000), b"%d\n" % n) for n in range(47_000))
        yield from ((b"p%d/f%03d.py" % (n // 1000, n % 1000), b"x%d = 1\n" % n) for n in range(3_000))

    result = analysed(many())
    assert result.summary["files"] == 50_000
    assert result.summary["codeLines"] == 3_000


def test_a_file_of_300_mb_is_passed_over(analysed: Analyse) -> None:
    result = analysed({**SANE, b"big.py": b"x = 1\n" * 50_000_000})
    assert result.notes == {"too-large": ["big.py"]}
    assert rules_of(result.findings, "sane.py") == {"F841"}


def test_a_line_of_50_mb_is_passed_over(analysed: Analyse) -> None:
    result = analysed({**SANE, b"line.js": b"var x = '" + b"a" * 50_000_000 + b"';"})
    assert result.notes == {"too-large": ["line.js"]}


def test_a_line_of_half_a_megabyte_in_a_small_file_is_passed_over(analysed: Analyse) -> None:
    result = analysed({**SANE, b"line.py": b"x = '" + b"a" * 500_000 + b"'\n"})
    assert result.notes == {"too-large": ["line.py"]}


NESTED = {
    b"brackets": b"x = " + b"(\n" * 100_000 + b"1" + b"\n)" * 100_000,
    b"never_closed": b"x = " + b"[\n" * 100_000,
    b"signs": b"x = " + b"-\\\n" * 100_000 + b"1\n",
    b"sums": b"x = (" + b"1 +\n" * 100_000 + b"1)\n",
    b"attributes": b"x = a" + b"\\\n.b" * 100_000 + b"\n",
    b"lambdas": b"x = " + b"lambda:\\\n" * 60_000 + b"1\n",
    b"blocks": b"".join(b" " * n + b"if x:\n" for n in range(1200)) + b" " * 1200 + b"x\n",
}


def test_nesting_that_breaks_parsers_spoils_only_its_own_file(analysed: Analyse) -> None:
    python = {name + b".py": body for name, body in NESTED.items()}
    script = {name + b".js": body for name, body in NESTED.items()}
    result = analysed({**SANE, **python, **script, b"sane.js": b"function f(a) { return a; }\n"})
    assert rules_of(result.findings, "sane.py") == {"F841"}
    assert result.summary["codeLines"] > 3
    told = {path for note in ("broke-a-tool", "unparsable") for path in result.notes.get(note, [])}
    assert {"brackets.py", "never_closed.py", "lambdas.py"} <= told
    assert not told & {"sane.py", "sane.js"}


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (b"# caf\xe9\ndef f():\n    unused = 1\n", "not-utf-8"),
        (b"x = 1\0\n", "binary-content"),
        (b"\xff\xfex\0=\0001\0", "binary-content"),
    ],
)
def test_text_in_another_encoding_is_told(analysed: Analyse, body: bytes, note: str) -> None:
    result = analysed({**SANE, b"odd.py": body})
    assert result.notes == {note: ["odd.py"]}
    assert "F841" in rules_of(result.findings, "sane.py")


def test_a_link_out_of_the_tree_is_never_followed(analysed: Analyse, tmp_path: Path) -> None:
    secret = tmp_path / "outside.py"
    secret.write_bytes(b"import os\naws_key = 'AKIAQYLPMN5HHHFPZAM2'\n")
    result = analysed({**SANE, b"link.py": Odd(LINK, os.fsencode(secret)), b"etc": Odd(LINK, b"/etc")})
    assert result.notes == {"symlink": ["etc", "link.py"]}
    assert {finding["path"] for finding in result.findings} == {"sane.py"}


def test_a_submodule_to_a_local_folder_is_never_fetched(analysed: Analyse) -> None:
    modules = b'[submodule "s"]\n\tpath = sub\n\turl = file:///etc\n\tupdate = !touch /tmp/x\n'
    result = analysed({**SANE, b".gitmodules": modules, b"sub": Odd(SUBMODULE, b"1" * 40)})
    assert result.notes == {"submodule": ["sub"]}


def test_a_pointer_to_large_file_storage_is_told(analysed: Analyse) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 12345\n" % (b"0" * 64)
    result = analysed({**SANE, b"model.py": pointer, b".gitattributes": b"*.py filter=lfs\n"})
    assert result.notes == {"lfs-pointer": ["model.py"]}


def test_odd_names_are_analysed_and_told_as_they_are(analysed: Analyse) -> None:
    names = {
        b"-rf.py": "-rf.py",
        b"--config=x.py": "--config=x.py",
        b"a\nb.py": "a\nb.py",
        b"caf\xe9.py": "caf\\xe9.py",
        "日本.py".encode(): "日本.py",
        b"sp ace.py": "sp ace.py",
        b"q\"uo'te.py": "q\"uo'te.py",
        b"#frag%41.py": "#frag%41.py",
    }
    result = analysed(dict.fromkeys(names, FLAWED))
    assert {finding["path"] for finding in result.findings} == set(names.values())
    assert result.summary["findings"]["byRule"] == {"F841": len(names)}
    uris = {
        each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for each in result.artifact("results.sarif")["runs"][0]["results"]
    }
    assert {"caf%E9.py", "a%0Ab.py", "%23frag%2541.py"} <= uris


def test_a_repositorys_own_settings_switch_nothing_off(analysed: Analyse) -> None:
    settings = {
        b"pyproject.toml": b'[tool.ruff]\nexclude = ["*.py"]\n[tool.ruff.lint]\nselect = []\n',
        b"ruff.toml": b'extend = "/etc/ruff.toml"\nexclude = ["*"]\n',
        b".ruff.toml": b"lint.select = []\n",
        b"setup.cfg": b"[flake8]\nignore = F841\n",
        b".gitignore": b"*\n",
        b".ignore": b"*\n",
        b".secrets.baseline": b'{"plugins_used": [], "results": {}}',
        b".forge.toml": b"exclude = ['*']\n",
    }
    hushed = b"# ruff: noqa\n# flake8: noqa\n" + FLAWED + b"key = 'AKIAQYLPMN5HHHFPZAM2'  # pragma: allowlist secret\n"
    result = analysed({**settings, b"pkg/app.py": hushed, b"pkg/ruff.toml": b"lint.select = []\n"})
    assert rules_of(result.findings, "pkg/app.py") >= {"F841", "forge/secret/aws-access-key"}


def test_modules_of_the_repository_are_not_imported(analysed: Analyse, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    body = f"open({str(trap)!r}, 'w').close()\n".encode()
    names = ("json", "lizard", "complexipy", "sitecustomize", "usercustomize", "conftest", "setup", "ruff", "re")
    files: dict[bytes, bytes | Odd] = {f"{name}.py".encode(): body for name in names}
    files[b"forge_runner/__init__.py"] = body
    files[b"ruff"] = Odd(PROGRAM, b"#!/bin/sh\ntouch " + os.fsencode(trap))
    result = analysed(files)
    assert result.summary["files"] == len(files)
    assert not trap.exists()


def test_analysers_are_not_given_the_runners_secrets(analysed: Analyse, monkeypatch: pytest.MonkeyPatch) -> None:
    from forge_runner.sources.bounded import bare_environment

    monkeypatch.setenv("FORGE_REDIS_PASSWORD", "s3cret")
    monkeypatch.setenv("RUFF_CONFIG", "/tmp/x.toml")
    assert not {"FORGE_REDIS_PASSWORD", "RUFF_CONFIG"} & set(bare_environment())
    assert rules_of(analysed(SANE).findings, "sane.py") == {"F841"}


def test_thousands_of_findings_are_counted_exactly_and_listed_in_part(analysed: Analyse) -> None:
    body = b"".join(b"def f%d():\n    unused = 1\n" % n for n in range(3_000))
    result = analysed({b"a.py": body})
    assert result.summary["findings"]["byRule"]["F841"] == 3_000
    assert result.summary["findings"]["byRule"]["forge/unused-function"] == 3_000
    assert result.summary["findings"]["listed"] == len(result.findings) < 6_002
    assert [(each["rule"], each["count"]) for each in result.summary["recommendations"] if each["rule"] == "F841"] == [
        ("F841", 3_000)
    ]
    assert "truncated" in result.notes


def test_no_name_makes_a_summary_too_large(analysed: Analyse) -> None:
    folder = b"/".join([b"n" * 250] * 8)
    result = analysed({folder + b"/%d.py" % n: FLAWED + b"import os\n" + b"if x == None: pass\n" for n in range(60)})
    assert len(repr(result.summary)) < 256 * 1024
    assert result.summary["recommendations"]
