"""Fetching from a real git server: refs, credentials, failures, and what a hostile repository can't do."""

import os
import stat
from pathlib import Path

import pytest

from forge_runner.report import Permanent, Transient
from forge_runner.workspace import Checkout, EntryKind, Limits, fetch
from forge_runner.workspace.checkout import Options
from tests.integration.workspace.reports import Remembered, an_assignment
from tests.integration.workspace.repositories import (
    LINK,
    PROGRAM,
    SUBMODULE,
    Content,
    Odd,
    a_repository,
    a_tree,
    an_empty_repository,
    git,
)
from tests.integration.workspace.servers import GitServer


def written(checkout: Checkout) -> dict[str, bytes]:
    checkout.write([entry.path for entry in checkout.entries if entry.kind is EntryKind.FILE])
    return {
        str(path.relative_to(checkout.root)): path.read_bytes() for path in checkout.root.rglob("*") if path.is_file()
    }


@pytest.fixture
def two_commits(server: GitServer) -> tuple[str, str]:
    """`shop.git`: a first commit tagged v1, a second on `main`, a third on the branch `next`."""
    first = a_repository(server.root, "shop.git", {b"app.py": b"x = 1\n"})
    bare = server.root / "shop.git"
    git(bare, "tag", "-a", "v1", "-m", "one", first)
    tree = git(
        bare,
        "mktree",
        stdin=f"100644 blob {git(bare, 'hash-object', '-w', '--stdin', stdin=b'x = 2')}\tapp.py\n".encode(),
    )
    second = git(bare, "commit-tree", tree, "-p", first, "-m", "two")
    git(bare, "update-ref", "refs/heads/main", second)
    git(bare, "update-ref", "refs/heads/release/next", first)
    return first, second


@pytest.mark.parametrize(("ref", "number"), [("", 1), ("main", 1), ("release/next", 0), ("v1", 0), ("refs/tags/v1", 0)])
def test_a_branch_a_tag_or_nothing_names_a_commit(
    server: GitServer, two_commits: tuple[str, str], workdir: Path, ref: str, number: int
) -> None:
    checkout = fetch(an_assignment(server.url("shop.git"), ref), workdir, Remembered())
    assert checkout.commit == two_commits[number]
    assert written(checkout) == {"app.py": b"x = 2" if number else b"x = 1\n"}


def test_a_commit_is_fetched_by_its_id(
    server: GitServer, two_commits: tuple[str, str], workdir: Path, report: Remembered
) -> None:
    assert fetch(an_assignment(server.url("shop.git"), two_commits[0]), workdir, report).commit == two_commits[0]


def test_only_one_commit_is_fetched_and_no_tag(
    server: GitServer, two_commits: tuple[str, str], workdir: Path, report: Remembered
) -> None:
    checkout = fetch(an_assignment(server.url("shop.git")), workdir, report)
    assert checkout.git.output("rev-list", "--all", "--count") == "0"
    assert checkout.git.output("rev-list", "--count", checkout.commit) == "1"
    assert checkout.git.output("tag") == ""


def test_cloning_spans_5_to_10_percent(server: GitServer, workdir: Path, report: Remembered) -> None:
    a_repository(server.root, "many.git", {b"f%d" % n: b"%d" % n for n in range(500)})
    fetch(an_assignment(server.url("many.git")), workdir, report)
    assert report.percents[0] == 5.0
    assert report.percents == sorted(report.percents)
    assert 9 < report.percents[-1] <= 10
    assert {stage for stage, _percent, _message in report.progressed} == {"cloning"}


def refused(server: GitServer, workdir: Path, report: Remembered, name: str = "shop.git", **changes: object) -> str:
    options = changes.pop("options", Options())
    assert isinstance(options, Options)
    with pytest.raises(Permanent) as refusal:
        written(fetch(an_assignment(server.url(name), **changes), workdir, report, options))  # type: ignore[arg-type]
    return str(refusal.value)


def test_a_repository_without_a_commit_is_empty(server: GitServer, workdir: Path, report: Remembered) -> None:
    an_empty_repository(server.root, "empty.git")
    assert refused(server, workdir, report, "empty.git") == "The repository is empty: it has no commit yet."


def test_a_ref_that_is_not_there_is_named(
    server: GitServer, two_commits: tuple[str, str], workdir: Path, report: Remembered
) -> None:
    assert refused(server, workdir, report, ref="nope") == "The repository has no branch, tag or commit 'nope'."
    assert "no branch, tag or commit '" + "0" * 40 in refused(server, workdir, report, ref="0" * 40)


def test_a_repository_that_is_not_there_is_told(server: GitServer, workdir: Path, report: Remembered) -> None:
    assert "has no such repository" in refused(server, workdir, report, "nope.git")


def a_secret(folder: Path, **keys: str) -> Options:
    folder.mkdir()
    for key, value in keys.items():
        (folder / key).write_text(value)
    return Options(credentials=folder)


def test_a_private_repository_is_fetched_with_the_secret(
    server: GitServer, two_commits: tuple[str, str], workdir: Path, tmp_path: Path, report: Remembered
) -> None:
    server.password = "hunter2hunter2"
    options = a_secret(tmp_path / "secret", host="127.0.0.1", username="ann", password="hunter2hunter2")
    checkout = fetch(an_assignment(server.url("shop.git"), has_credentials=True), workdir, report, options)
    assert checkout.commit == two_commits[1]
    assert "hunter2" not in "".join(report.lines)
    on_disk = [path for path in workdir.rglob("*") if path.is_file() and b"hunter2hunter2" in path.read_bytes()]
    assert on_disk == []


def test_missing_or_wrong_credentials_are_a_sentence_without_them(
    server: GitServer, two_commits: tuple[str, str], workdir: Path, tmp_path: Path, report: Remembered
) -> None:
    server.password = "hunter2hunter2"
    assert "refused access" in refused(server, workdir, report)
    wrong = a_secret(tmp_path / "secret", host="127.0.0.1", username="ann", token="wr0ng-wr0ng")
    sentence = refused(server, workdir, report, has_credentials=True, options=wrong)
    assert "refused access" in sentence
    assert "wr0ng" not in sentence + "".join(report.lines)


def test_credentials_of_another_host_are_not_sent(
    server: GitServer, two_commits: tuple[str, str], workdir: Path, tmp_path: Path, report: Remembered
) -> None:
    server.password = "hunter2hunter2"
    other = a_secret(tmp_path / "secret", host="github.com", token="t0ken-t0ken")
    assert "is for the host github.com" in refused(server, workdir, report, has_credentials=True, options=other)
    assert server.asked == server.credentials == []


def test_a_redirect_is_not_followed(
    server: GitServer, two_commits: tuple[str, str], workdir: Path, tmp_path: Path, report: Remembered
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with GitServer.serving(elsewhere) as other:
        server.answer, server.location = 302, other.url("shop.git/info/refs?service=git-upload-pack")
        assert "redirects this URL elsewhere" in refused(server, workdir, report)
        assert other.asked == []


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_server_in_trouble_is_asked_again_later(
    server: GitServer, workdir: Path, report: Remembered, status: int
) -> None:
    server.answer = status
    with pytest.raises(Transient, match="overloaded or broken"):
        fetch(an_assignment(server.url("shop.git")), workdir, report)


def test_a_server_that_is_down_is_asked_again_later(workdir: Path, report: Remembered) -> None:
    with pytest.raises(Transient, match="could not be fetched"):
        fetch(an_assignment("http://127.0.0.1:9/shop.git"), workdir, report)


def test_loopback_is_refused_unless_the_chart_allows_it(server: GitServer, workdir: Path, report: Remembered) -> None:
    for url in ("https://127.0.0.1/shop.git", "https://localhost/shop.git", "https://[::1]/shop.git"):
        with pytest.raises(Permanent, match="not a public address"):
            fetch(an_assignment(url, allowed_hosts=()), workdir, report)
    assert server.asked == []


def test_git_connects_to_the_checked_address_whatever_the_name_says_later(
    server: GitServer, two_commits: tuple[str, str], workdir: Path, report: Remembered
) -> None:
    # `.invalid` never resolves: that git reaches the server shows that it used the address it was given.
    from forge_core.git.command import Git
    from forge_core.git.environment import git_environment
    from forge_core.git.location import Location

    url = f"http://rebinding.invalid:{server.port}/shop.git"
    pinned = Location(url, "http", "rebinding.invalid", server.port, ("127.0.0.1",))
    git_dir = workdir / "r.git"
    pinned_git = Git(git_environment(pinned, workdir, Limits()), git_dir, 30)
    pinned_git.output("init", "--quiet", "--bare", str(git_dir))
    assert two_commits[1] in pinned_git.output("ls-remote", url, "refs/heads/main")


def test_the_runners_own_environment_does_not_reach_git(
    server: GitServer, two_commits: tuple[str, str], workdir: Path, report: Remembered, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = workdir / "trap"
    for name in ("GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "GIT_PROXY_COMMAND", "GIT_TRACE"):
        monkeypatch.setenv(name, f"touch {trap}" if name != "GIT_TRACE" else str(trap))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.hooksPath'='{workdir}'")
    written(fetch(an_assignment(server.url("shop.git")), workdir, report))
    assert not trap.exists()


def test_links_and_submodules_are_told_and_never_written(server: GitServer, workdir: Path, report: Remembered) -> None:
    files: dict[bytes, Content] = {
        b"out": Odd(LINK, b"/etc/passwd"),
        b"up": Odd(LINK, b"../../../../.."),
        b"sub": Odd(SUBMODULE, b"1" * 40),
        b".gitmodules": b'[submodule "s"]\n\tpath = sub\n\turl = file:///etc\n',
        b"app.py": Odd(PROGRAM, b"x = 1\n"),
    }
    a_repository(server.root, "links.git", files)
    checkout = fetch(an_assignment(server.url("links.git")), workdir, report)
    kinds = {entry.path: entry.kind.value for entry in checkout.entries}
    assert kinds == {
        b"out": "symlink",
        b"up": "symlink",
        b"sub": "submodule",
        b".gitmodules": "file",
        b"app.py": "file",
    }
    assert set(written(checkout)) == {".gitmodules", "app.py"}
    assert {path.name for path in checkout.root.iterdir()} == {".gitmodules", "app.py"}


def test_a_link_asked_for_by_name_comes_out_as_a_plain_file(
    server: GitServer, workdir: Path, report: Remembered
) -> None:
    a_repository(server.root, "links.git", {b"out": Odd(LINK, b"/etc/passwd")})
    checkout = fetch(an_assignment(server.url("links.git")), workdir, report)
    checkout.write([b"out"])
    assert stat.S_ISREG((checkout.root / "out").lstat().st_mode)


def test_attributes_filters_and_hooks_of_the_repository_have_no_effect(
    server: GitServer, workdir: Path, report: Remembered
) -> None:
    trap = workdir / "trap"
    program = b"#!/bin/sh\ntouch %s\n" % os.fsencode(trap)
    files: dict[bytes, Content] = {
        b".gitattributes": b"* filter=lfs text eol=crlf ident working-tree-encoding=UTF-16\n",
        b".gitconfig": b'[core]\n\thooksPath = .githooks\n\tfsmonitor = ./hook\n[filter "lfs"]\n\tsmudge = ./hook\n',
        b".lfsconfig": b"[lfs]\n\turl = http://127.0.0.1:9/\n",
        b".githooks/post-checkout": Odd(PROGRAM, program),
        b"hook": Odd(PROGRAM, program),
        b"app.py": b"# $Id$\r\nx = 1\n",
    }
    a_repository(server.root, "hooks.git", files)
    assert written(fetch(an_assignment(server.url("hooks.git")), workdir, report))["app.py"] == b"# $Id$\r\nx = 1\n"
    assert not trap.exists()


@pytest.mark.parametrize("name", [b".git", b"..", b".GIT", b"a/../../b", b""])
def test_a_tree_that_would_write_elsewhere_is_refused(
    server: GitServer, workdir: Path, report: Remembered, name: bytes
) -> None:
    a_tree(an_empty_repository(server.root, "evil.git"), {name: b"gotcha"})
    try:
        sentence = refused(server, workdir, report, "evil.git")
    except pytest.fail.Exception:
        assert not any(path.read_bytes() == b"gotcha" for path in workdir.parent.rglob("*") if path.is_file())
    else:
        assert "refuses as unsafe or broken" in sentence


def test_names_with_newlines_dashes_and_odd_bytes_are_written(
    server: GitServer, workdir: Path, report: Remembered
) -> None:
    names = (b"-rf", b"--help.py", b"a\nb.py", b"caf\xe9.py", "日本.py".encode(), b'q"uote.py', b"tab\t.py")
    a_repository(server.root, "names.git", dict.fromkeys(names, b"x = 1\n"))
    checkout = fetch(an_assignment(server.url("names.git")), workdir, report)
    assert [entry.path for entry in checkout.entries] == sorted(names)
    written(checkout)
    assert sorted(os.fsencode(path.name) for path in checkout.root.iterdir()) == sorted(names)


def test_a_name_that_no_file_system_takes_is_left_out(server: GitServer, workdir: Path, report: Remembered) -> None:
    a_repository(server.root, "long.git", {b"x" * 300: b"1", b"app.py": b"x = 1\n"})
    assert written(fetch(an_assignment(server.url("long.git")), workdir, report)) == {"app.py": b"x = 1\n"}


def test_a_tree_of_a_billion_files_in_a_few_kilobytes_is_refused(
    server: GitServer, workdir: Path, report: Remembered
) -> None:
    bare = an_empty_repository(server.root, "bomb.git")
    node = git(bare, "hash-object", "-w", "--stdin", stdin=b"boom")
    kind, mode = "blob", "100644"
    for _level in range(9):
        lines = "".join(f"{mode} {kind} {node}\tf{n}\n" for n in range(10))
        node, kind, mode = git(bare, "mktree", stdin=lines.encode()), "tree", "040000"
    git(bare, "update-ref", "refs/heads/main", git(bare, "commit-tree", node, "-m", "bomb"))
    options = Options(limits=Limits(entries=20_000))
    assert "more than 20,000 files" in refused(server, workdir, report, "bomb.git", options=options)


def test_a_repository_larger_than_the_limit_is_stopped(server: GitServer, workdir: Path, report: Remembered) -> None:
    a_repository(server.root, "large.git", {b"noise.bin": os.urandom(5_000_000)})
    options = Options(limits=Limits(packed_bytes=1_000_000))
    assert "is larger than 0.0 GiB packed" in refused(server, workdir, report, "large.git", options=options)


def test_a_job_without_a_repository_says_so(workdir: Path, report: Remembered) -> None:
    with pytest.raises(Permanent, match=r"set spec\.repository\.url"):
        fetch(an_assignment("https://github.com/a/b").changed(repository=None), workdir, report)
