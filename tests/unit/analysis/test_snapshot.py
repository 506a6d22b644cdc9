"""A baseline's artefact: what is written is read again, and nothing else is."""

import json
from typing import Any

import pytest

from forge_kinds.analysis.baseline import snapshot
from forge_kinds.analysis.baseline.snapshot import Snapshot
from forge_kinds.analysis.findings import Finding, fingerprinted
from forge_runner.report import Permanent
from tests.unit.analysis.builders import a_finding, a_rule


def a_snapshot(findings: list[Finding]) -> Snapshot:
    marked = tuple(fingerprinted(findings))
    scope = {"paths": ["src"], "exclude": [], "languages": []}
    return Snapshot("c" * 40, marked, {"F841": a_rule()}, 81.5, {"security": None}, scope, {"ruff": "0.17.1"})


def document(**changes: Any) -> bytes:
    body = a_snapshot([a_finding()]).encode()
    assert body is not None
    return json.dumps({**json.loads(body), **changes}).encode()


def test_what_is_written_is_read_again() -> None:
    written = a_snapshot([a_finding(line=3), a_finding(line=9, suppressed=True, path="caf\\xe9.py", end_line=11)])
    body = written.encode()
    assert body is not None
    read = Snapshot.decode(body)
    assert read == written
    assert read.encode() == body


def test_too_many_findings_are_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "MAX_FINDINGS", 1)
    assert a_snapshot([a_finding(line=3), a_finding(line=9)]).encode() is None


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b"\xff", b"[" * 100_000,
        document(schema="forge.analysis.baseline/9"),
        document(commit="--upload-pack=touch"),
        document(commit="HEAD"),
        document(findings=[[7, 3, "a.py", 1, 1, 0, "m", "", "", 0]]),
        document(findings=[[0, 99, "a.py", 1, 1, 0, "m", "", "", 0]]),
        document(findings=[[0, 3, "a.py", -1, 1, 0, "m", "", "", 0]]),
        document(findings=[[0, 3, "a.py"]]),
        document(findings=[["0; drop", {}, None]]),
        document(findings=[[0, 3, "a.py", 1, 1, 0, "m" * 5000, "", "", 0]]),
        document(score=1e9),
        document(more="of it"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_in_a_sentence(body: bytes) -> None:
    with pytest.raises(Permanent, match=r"can't be read .* name a ref"):
        Snapshot.decode(body)
