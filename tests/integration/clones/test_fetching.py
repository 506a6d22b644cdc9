"""Runners that fetch through the clone cache: real git over real HTTP, from the host to the mirror to the job."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from forge_core.clones import Wanted
from forge_runner.clone_cache import CloneCache
from forge_runner.report import Permanent
from forge_runner.workspace import Checkout, EntryKind, NoSuchCommit, Reach, fetch
from forge_runner.workspace.checkout import Options
from tests.integration.workspace.reports import Remembered, an_assignment
from tests.integration.workspace.repositories import a_repository, git
from tests.integration.workspace.servers import GitServer
from tests.services.clones import Clones

SERVED = "The clone cache served commit "
DIRECT = "The clone cache could not serve this clone, which is now a direct one: "


def written(checkout: Checkout) -> dict[str, bytes]:
    checkout.write([entry.path for entry in checkout.entries if entry.kind is EntryKind.FILE])
    return {str(each.relative_to(checkout.root)): each.read_bytes() for each in checkout.root.rglob("*.*")}


def another_commit(bare: Path, text: bytes, branch: str = "main", day: str = "") -> str:
    """One more commit on a branch; its id."""
    blob = git(bare, "hash-object", "-w", "--stdin", stdin=text)
    tree = git(bare, "mktree", stdin=f"100644 blob {blob}\tapp.py\n".encode())
    parent = git(bare, "rev-parse", branch)
    person = f"ann <ann@git.example> {day or 1700000000} +0000"
    body = f"tree {tree}\nparent {parent}\nauthor {person}\ncommitter {person}\n\nmore\n"
    commit = git(bare, "hash-object", "-t", "commit", "-w", "--stdin", stdin=body.encode())
    git(bare, "update-ref", f"refs/heads/{branch}", commit)
    return commit


def posts(server: GitServer) -> int:
    """Questions that the repositories' host was asked, beyond what it offers."""
    return sum(path.endswith("/git-upload-pack") for path in server.asked)


class Job:
    """A job of a repository, with a folder of its own."""

    def __init__(self, clones: Clones, url: str, folder: Path, namespace: str = "tenant-acme") -> None:
        self.url, self.folder, self.report = url, folder, Remembered()
        self.cache = clones.cache_of(url, namespace)
        folder.mkdir()

    def fetched(self, ref: str = "main", **options: object) -> Checkout:
        given = Options(cache=self.cache, **options)  # type: ignore[arg-type]
        secret = given.credentials.is_dir()
        return fetch(an_assignment(self.url, ref, has_credentials=secret), self.folder, self.report, given)

    @property
    def way(self) -> str:
        """How its last clone came."""
        told = [line for line in self.report.lines if line.startswith((SERVED, DIRECT))]
        return told[-1] if told else ""


def test_a_second_job_is_served_what_the_first_one_brought(server: GitServer, clones: Clones, tmp_path: Path) -> None:
    commit = a_repository(server.root, "shop.git", {b"app.py": b"x = 1\n"})
    first = Job(clones, server.url("shop.git"), tmp_path / "first")
    checkout = first.fetched()
    assert (checkout.commit, written(checkout)) == (commit, {"app.py": b"x = 1\n"})
    assert first.way == SERVED + commit
    before = posts(server)
    second = Job(clones, server.url("shop.git"), tmp_path / "second")
    assert written(second.fetched()) == {"app.py": b"x = 1\n"}
    assert second.way == SERVED + commit
    assert posts(server) - before == 1, "only its refs were asked for"
    [mirror] = clones.mirrors
    assert git(mirror / "repository.git", "rev-list", "--all", "--count") == "1"


def test_only_what_is_new_is_fetched_from_the_host(server: GitServer, clones: Clones, tmp_path: Path) -> None:
    a_repository(server.root, "shop.git", {b"f%d" % n: b"%d" % n * 50 for n in range(300)})
    Job(clones, server.url("shop.git"), tmp_path / "first").fetched()
    new = another_commit(server.root / "shop.git", b"x = 2\n")
    job = Job(clones, server.url("shop.git"), tmp_path / "second")
    assert job.fetched().commit == new
    assert job.way == SERVED + new
    packs = sorted((clones.mirrors[0] / "repository.git/objects/pack").glob("*.pack"), key=lambda p: p.stat().st_size)
    assert len(packs) == 2
    assert packs[0].stat().st_size < 1000, "three objects, and not 300 files again"


@pytest.mark.parametrize("ref", ["", "main", "refs/heads/main", "v1", "release/next", "commit"])
def test_every_kind_of_ref_names_the_same_commit_as_without_a_cache(
    server: GitServer, clones: Clones, tmp_path: Path, ref: str
) -> None:
    first = a_repository(server.root, "shop.git", {b"app.py": b"x = 1\n"})
    bare = server.root / "shop.git"
    git(bare, "tag", "-a", "v1", "-m", "one", first)
    git(bare, "update-ref", "refs/heads/release/next", first)
    another_commit(bare, b"x = 2\n")
    job = Job(clones, server.url("shop.git"), tmp_path / "cached")
    (tmp_path / "direct").mkdir()
    asked = first if ref == "commit" else ref
    direct = fetch(an_assignment(job.url, asked), tmp_path / "direct", Remembered(), Options(cache=None))
    for _ in range(2):
        assert job.fetched(asked).commit == direct.commit
        assert job.way == SERVED + direct.commit


def test_a_branch_that_was_moved_back_is_followed(server: GitServer, clones: Clones, tmp_path: Path) -> None:
    first = a_repository(server.root, "shop.git", {b"app.py": b"x = 1\n"})
    another_commit(server.root / "shop.git", b"x = 2\n")
    Job(clones, server.url("shop.git"), tmp_path / "first").fetched()
    git(server.root / "shop.git", "update-ref", "refs/heads/main", first)
    job = Job(clones, server.url("shop.git"), tmp_path / "second")
    assert job.fetched().commit == first
    assert job.way == SERVED + first


def test_history_is_as_deep_as_was_asked_for(server: GitServer, clones: Clones, tmp_path: Path) -> None:
    a_repository(server.root, "shop.git", {b"app.py": b"x = 0\n"})
    for number in range(1, 6):
        another_commit(server.root / "shop.git", b"x = %d\n" % number, day=str(1700000000 + number * 86400))
    for number, (reach, commits) in enumerate(
        [(Reach(), 1), (Reach(3), 3), (Reach(since="2023-11-18"), 2), (Reach(since="2030-01-01"), 1), (Reach(99), 6)]
    ):
        job = Job(clones, server.url("shop.git"), tmp_path / str(number))
        checkout = job.fetched(reach=reach)
        assert job.way.startswith(SERVED), job.way
        assert checkout.git.output("rev-list", "--count", checkout.commit) == str(commits), reach


def test_another_commit_beside_it_comes_through_the_cache_too(
    server: GitServer, clones: Clones, tmp_path: Path
) -> None:
    first = a_repository(server.root, "shop.git", {b"app.py": b"x = 1\n"})
    another_commit(server.root / "shop.git", b"x = 2\n")
    job = Job(clones, server.url("shop.git"), tmp_path / "job")
    beside = job.fetched().beside(first, job.folder / "beside")
    assert written(beside) == {"app.py": b"x = 1\n"}
    assert job.way == SERVED + first


def test_many_jobs_at_once_are_all_served_the_right_commit(server: GitServer, clones: Clones, tmp_path: Path) -> None:
    for name in ("a.git", "b.git", "c.git"):
        a_repository(server.root, name, {b"app.py": name.encode() * 100})
    jobs = [Job(clones, server.url(f"{'abc'[n % 3]}.git"), tmp_path / str(n)) for n in range(12)]

    def work(job: Job) -> bytes:
        return written(job.fetched())["app.py"]

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(work, jobs))
    for job, text in zip(jobs, found, strict=True):
        assert text == job.url.rpartition("/")[2].encode() * 100
        assert job.way.startswith(SERVED), job.way
    assert len(clones.mirrors) == 3


def test_packs_are_put_together_before_they_are_too_many(server: GitServer, clones: Clones, tmp_path: Path) -> None:
    a_repository(server.root, "shop.git", {b"app.py": b"x = 0\n"})
    cache = clones.cache_of(server.url("shop.git"))
    for number in range(30):
        commit = another_commit(server.root / "shop.git", b"x = %d\n" % number)
        assert cache.brought(Wanted(ref="main")) == commit
    repository = clones.mirrors[0] / "repository.git"
    assert len(list((repository / "objects/pack").glob("*.pack"))) <= 25
    assert git(repository, "rev-list", "--all", "--count") == "31"
    assert written(Job(clones, server.url("shop.git"), tmp_path / "job").fetched()) == {"app.py": b"x = 29\n"}


def test_a_ref_that_the_host_does_not_have_is_told_as_without_a_cache(
    server: GitServer, clones: Clones, tmp_path: Path
) -> None:
    a_repository(server.root, "shop.git", {b"app.py": b"x = 1\n"})
    job = Job(clones, server.url("shop.git"), tmp_path / "job")
    with pytest.raises(NoSuchCommit, match="has no branch, tag or commit 'nope'"):
        job.fetched("nope")
    assert job.way.startswith(DIRECT + "it answered 502")
    assert clones.mirrors == [], "nothing is kept of what was not there"


def test_without_an_answer_the_clone_is_a_direct_one(server: GitServer, clones: Clones, tmp_path: Path) -> None:
    commit = a_repository(server.root, "shop.git", {b"app.py": b"x = 1\n"})
    job = Job(clones, server.url("shop.git"), tmp_path / "job")
    for number, url in enumerate(["http://127.0.0.1:9", "http://no-such-host.invalid:8082", "nonsense", "http://[::1"]):
        job.folder = tmp_path / f"job-{number}"
        job.folder.mkdir()
        job.cache = CloneCache(url, job.cache.token_path)
        assert job.fetched().commit == commit
        assert job.way.startswith(DIRECT)


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b""), (200, b"nonsense"), (200, b'{"commit": "--upload-pack=id"}'), (200, b"x" * 1_000_000), (204, b""),
     (302, b""), (500, b"\xff"), (503, b'{"detail": 5}'), (403, b"[]")],
)  # fmt: skip
def test_a_cache_that_answers_nonsense_is_passed_by(
    server: GitServer, tmp_path: Path, status: int, body: bytes
) -> None:
    commit = a_repository(server.root, "shop.git", {b"app.py": b"x = 1\n"})
    token, folder, report = tmp_path / "token", tmp_path / "job", Remembered()
    token.write_text("a-token")
    folder.mkdir()

    class Nonsense(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Location", "http://169.254.169.254/")
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Nonsense) as listener:
        thread = Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        cache = CloneCache(f"http://127.0.0.1:{listener.server_address[1]}", token)
        try:
            assert fetch(an_assignment(server.url("shop.git")), folder, report, Options(cache=cache)).commit == commit
        finally:
            listener.shutdown()
            thread.join()
    assert [line for line in report.lines if line.startswith(DIRECT)]
    assert "a-token" not in "".join(report.lines)


def test_a_private_repository_needs_credentials_at_each_clone(
    server: GitServer, clones: Clones, tmp_path: Path
) -> None:
    server.password = "hunter2hunter2"
    commit = a_repository(server.root, "shop.git", {b"app.py": b"x = 1\n"})
    secret = tmp_path / "secret"
    secret.mkdir()
    for key, value in {"host": "127.0.0.1", "username": "ann", "password": "hunter2hunter2"}.items():
        (secret / key).write_text(value)
    job = Job(clones, server.url("shop.git"), tmp_path / "job")
    assert job.fetched(credentials=secret).commit == commit
    assert job.way == SERVED + commit
    other = Job(clones, server.url("shop.git"), tmp_path / "other")
    with pytest.raises(Permanent, match="refused access"):
        other.fetched()
    assert other.way.startswith(DIRECT + "it answered 502: The host 127.0.0.1 refused access")
    kept = b"".join(path.read_bytes() for path in clones.root.rglob("*") if path.is_file())
    assert b"hunter2" not in kept
