"""A result on its way through a folder."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from forge_core.attempts import MAX_ARTIFACT_BYTES, MAX_CACHE_BYTES
from forge_runner.kinds import Artifact, Result
from forge_runner.result_files import MAX_KIND_ARTIFACTS, Unfit, read_result, write_result


def manifest(folder: Path, **fields: object) -> None:
    (folder / "result.json").write_text(json.dumps({"summary": {}, "artifacts": [], **fields}))


def test_a_result_comes_out_as_it_went_in(tmp_path: Path) -> None:
    write_result(tmp_path, Result({"score": "B"}, (Artifact("sarif", "application/json", b"{}"),)))
    result = read_result(tmp_path)
    (sarif,) = result.artifacts
    assert result.summary == {"score": "B"}
    assert (sarif.name, sarif.content_type, sarif.size) == ("sarif", "application/json", 2)
    assert b"".join(sarif.chunks()) == b"{}"
    assert sarif.reference().sha256 == hashlib.sha256(b"{}").hexdigest()


def test_a_missing_manifest_is_unfit(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match=r"result.json is missing"):
        read_result(tmp_path)


@pytest.mark.parametrize(
    "artifacts",
    [
        [{"name": "../../etc/passwd", "content_type": "text/plain"}],
        [{"name": "x", "content_type": "text/plain\r\nAuthorization: mine"}],
        [{"name": "log", "content_type": "text/plain"}],
        [{"name": "x", "content_type": "text/plain"}] * 2,
        [{"name": f"x{n}", "content_type": "text/plain"} for n in range(MAX_KIND_ARTIFACTS + 1)],
    ],
    ids=["a path", "a header", "the log's name", "twice", "too many"],
)
def test_artefacts_that_keep_no_rule_are_unfit(tmp_path: Path, artifacts: list[dict[str, str]]) -> None:
    for number in range(len(artifacts)):
        (tmp_path / str(number)).write_text("body")
    manifest(tmp_path, artifacts=artifacts)
    with pytest.raises(Unfit):
        read_result(tmp_path)


def test_a_fifo_in_place_of_an_artefact_is_unfit_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "0")
    manifest(tmp_path, artifacts=[{"name": "x", "content_type": "text/plain"}])
    with pytest.raises(Unfit, match="not a regular file"):
        read_result(tmp_path)


def test_an_artefact_over_the_limit_is_unfit(tmp_path: Path) -> None:
    with (tmp_path / "0").open("wb") as file:
        file.truncate(MAX_ARTIFACT_BYTES + 1)
    manifest(tmp_path, artifacts=[{"name": "x", "content_type": "text/plain"}])
    with pytest.raises(Unfit, match="more than the limit"):
        read_result(tmp_path)


def test_deep_nesting_in_a_manifest_is_unfit_rather_than_a_crash(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"artifacts": [], "summary": {"a": ' + "[" * 50_000 + "]" * 50_000 + "}}")
    with pytest.raises(Unfit):
        read_result(tmp_path)


def test_a_cache_comes_out_as_it_went_in(tmp_path: Path) -> None:
    write_result(tmp_path, Result({}, cache=b"for the next"))
    cache = read_result(tmp_path).cache
    assert cache is not None
    assert b"".join(cache.chunks()) == b"for the next"
    assert read_result(tmp_path).artifacts == ()


@pytest.mark.parametrize("what", ["a link", "a fifo", "a folder", "too much"])
def test_a_cache_that_is_none_costs_no_result(tmp_path: Path, what: str) -> None:
    cache = tmp_path / "cache"
    make: dict[str, Callable[[], object]] = {
        "a link": lambda: cache.symlink_to("/etc/passwd"),
        "a fifo": lambda: os.mkfifo(cache),
        "a folder": cache.mkdir,
        "too much": lambda: cache.write_bytes(bytes(MAX_CACHE_BYTES + 1)),
    }
    make[what]()
    manifest(tmp_path)
    assert read_result(tmp_path).cache is None
