"""Who may have what: tenants are apart, hosts decide, and nothing that is sent here leads anywhere else."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from forge_clones.reading import MAX_REQUEST
from forge_core.clones import CLONES_PATH, REPOSITORY_PATH, SWEEP_PATH, Wanted
from forge_core.names import TOKEN_AUDIENCE
from forge_runner.clone_cache import NoCache
from tests.integration.clones.test_fetching import SERVED, Job
from tests.integration.workspace.repositories import a_repository
from tests.integration.workspace.servers import GitServer
from tests.services.clones import Clones

MAIN = Wanted(ref="main")
WANTED = json.dumps({"ref": "main"}).encode()
REFS = f"{REPOSITORY_PATH}/info/refs?service=git-upload-pack"
UPLOAD = f"{REPOSITORY_PATH}/git-upload-pack"


@pytest.fixture
def private(server: GitServer) -> str:
    """The URL of a repository that asks for a password."""
    server.password = "hunter2hunter2"
    a_repository(server.root, "shop.git", {b"app.py": b"secret = 1\n"})
    return server.url("shop.git")


def asked_for(ref: str = "main", password: str = "hunter2hunter2") -> Wanted:
    return Wanted(ref=ref, username="ann", password=password)


def test_a_tenant_has_no_part_in_another_ones_mirror(clones: Clones, private: str) -> None:
    clones.cache_of(private, "tenant-acme").brought(asked_for())
    stranger = clones.tenants.pod("tenant-other", private)
    for path in (REFS, UPLOAD):
        status, said = clones.send("POST" if path == UPLOAD else "GET", path, stranger.token, b"0000")
        assert status == 403, path
        assert "Ask for the repository first" in said["detail"]
    with pytest.raises(NoCache, match=r"502: The host .* refused access"):
        clones.tenants.cache(clones.url, stranger).brought(MAIN)
    assert clones.send("GET", REFS, stranger.token)[0] == 403
    assert len(clones.mirrors) == 1
    clones.cache_of(private, "tenant-other").brought(asked_for())
    assert len(clones.mirrors) == 2, "one for each tenant"


def test_a_job_of_the_same_tenant_is_asked_for_credentials_too(clones: Clones, private: str) -> None:
    clones.cache_of(private).brought(asked_for())
    colleague = clones.tenants.pod("tenant-acme", private)
    with pytest.raises(NoCache, match="refused access"):
        clones.tenants.cache(clones.url, colleague).brought(MAIN)
    assert clones.send("GET", REFS, colleague.token)[0] == 403


def test_credentials_that_were_withdrawn_open_nothing_from_then_on(
    clones: Clones, server: GitServer, private: str
) -> None:
    cache = clones.cache_of(private)
    commit = cache.brought(asked_for())
    server.password = "another-password"
    for ref in ("main", commit):
        with pytest.raises(NoCache, match="refused access"):
            clones.cache_of(private).brought(asked_for(ref))


def test_a_commit_that_the_mirror_holds_is_asked_of_the_host_all_the_same(
    clones: Clones, server: GitServer, private: str
) -> None:
    commit = clones.cache_of(private).brought(asked_for())
    before = len(server.asked)
    assert clones.cache_of(private).brought(asked_for(commit)) == commit
    assert len(server.asked) > before


def test_a_pod_reads_only_the_repository_that_its_job_names(clones: Clones, server: GitServer, tmp_path: Path) -> None:
    for name in ("a.git", "b.git"):
        a_repository(server.root, name, {b"app.py": name.encode()})
    pod = clones.tenants.pod("tenant-acme", server.url("a.git"))
    clones.tenants.cache(clones.url, pod).brought(MAIN)
    clones.cache_of(server.url("b.git")).brought(MAIN)
    names = {path.name for path in clones.mirrors}
    for path in (f"/{name}" for name in names):
        for form in (f"{CLONES_PATH}{path}/info/refs", f"{REPOSITORY_PATH}/..{path}/info/refs", f"{path}/HEAD"):
            assert clones.send("GET", form + "?service=git-upload-pack", pod.token)[0] == 404


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PROPFIND"])
@pytest.mark.parametrize(
    "path",
    ["/", "/..%2f..%2fetc/passwd", f"{REPOSITORY_PATH}/HEAD", f"{REPOSITORY_PATH}/objects/info/packs",
     f"{REPOSITORY_PATH}/git-receive-pack", f"{REPOSITORY_PATH}/config", f"{CLONES_PATH}/%00", f"{REPOSITORY_PATH}//"],
)  # fmt: skip
def test_there_is_nothing_else_to_ask_for(clones: Clones, server: GitServer, method: str, path: str) -> None:
    a_repository(server.root, "a.git", {b"app.py": b"x"})
    pod = clones.tenants.pod("tenant-acme", server.url("a.git"))
    assert clones.send(method, path, pod.token, b"" if method != "GET" else None)[0] in {404, 405}


def test_nobody_pushes(clones: Clones, server: GitServer) -> None:
    a_repository(server.root, "a.git", {b"app.py": b"x"})
    pod = clones.tenants.pod("tenant-acme", server.url("a.git"))
    clones.tenants.cache(clones.url, pod).brought(MAIN)
    status, said = clones.send("GET", f"{REPOSITORY_PATH}/info/refs?service=git-receive-pack", pod.token)
    assert (status, said["detail"]) == (403, "Only git-upload-pack is served here.")


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"authenticated": False}, 401), ({"audiences": [TOKEN_AUDIENCE]}, 401), ({"audiences": []}, 401),
     ({"user": {"username": "system:serviceaccount:tenant-acme:default"}}, 403),
     ({"user": {"username": "system:serviceaccount:tenant-acme:forge-runner", "extra": {}}}, 403)],
)  # fmt: skip
def test_a_token_that_is_no_runners_for_the_cache_opens_nothing(
    clones: Clones, server: GitServer, changes: dict[str, Any], status: int
) -> None:
    a_repository(server.root, "a.git", {b"app.py": b"x"})
    pod = clones.tenants.pod("tenant-acme", server.url("a.git"), **changes)
    cleaning = clones.tenants.cleaner(**changes)
    assert clones.send("POST", CLONES_PATH, pod.token, WANTED)[0] == status
    assert clones.send("GET", REFS, pod.token)[0] == status
    assert clones.send("POST", UPLOAD, pod.token, b"0000")[0] == status
    assert clones.send("POST", SWEEP_PATH, cleaning.token, b"{}")[0] == status
    assert clones.mirrors == []


@pytest.mark.parametrize("token", ["", "nonsense", "x" * 17_000, "a b"])
def test_a_token_that_is_none_is_a_401(clones: Clones, token: str) -> None:
    assert clones.send("POST", CLONES_PATH, token, WANTED)[0] == 401


def test_a_cluster_that_can_not_be_asked_is_a_503(clones: Clones, server: GitServer) -> None:
    pod = clones.tenants.pod("tenant-acme", server.url("a.git"))
    clones.tenants.cluster.away = True
    status, said = clones.send("POST", CLONES_PATH, pod.token, WANTED)
    assert (status, said["error"]) == (503, "The Kubernetes API can't be asked who calls; try again.")


def test_a_job_without_a_repository_has_no_business_here(clones: Clones) -> None:
    assert clones.send("POST", CLONES_PATH, clones.tenants.pod().token, WANTED)[0] == 403


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc", "must begin with https://"),
        ("/etc", "must begin with https://"),
        ("ext::sh -c touch% /tmp/x", "characters that a URL can't have"),
        ("https://ann:pw@git.example/x.git", "carries a user name or password"),
        ("http://10.0.0.1/x.git", "must begin with https://"),
        ("https://10.0.0.1/x.git", "not a public address"),
        ("https://[::1]/x.git", "not a public address"),
        ("https://169.254.169.254/latest/meta-data", "not a public address"),
        ("--upload-pack=touch /tmp/x", "characters that a URL can't have"),
        ("https://git.example/x.git?a=b", "query or fragment"),
    ],
)
def test_a_url_that_no_runner_would_clone_is_not_fetched_here_either(clones: Clones, url: str, why: str) -> None:
    status, said = clones.send("POST", CLONES_PATH, clones.tenants.pod("tenant-acme", url).token, WANTED)
    assert status == 502
    assert why in said["detail"]
    assert "ann:pw" not in json.dumps(said)
    assert clones.mirrors == []


@pytest.mark.parametrize("ref", ["--upload-pack=id", "a..b", "x\x00y", "a b", "../../etc", "@{1}", "a.lock", "+main"])
def test_a_ref_that_git_can_not_have_is_refused(clones: Clones, server: GitServer, ref: str) -> None:
    a_repository(server.root, "a.git", {b"app.py": b"x"})
    pod = clones.tenants.pod("tenant-acme", server.url("a.git"))
    status, _ = clones.send("POST", CLONES_PATH, pod.token, json.dumps({"ref": ref}).encode())
    assert status == 502
    assert server.asked == []


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b"[]", b"{}", b'{"ref": ""}', b'{"ref": 5}', b'{"ref": "main", "url": "https://x.example/y"}',
     json.dumps({"ref": "x" * 256}).encode(), json.dumps({"ref": "main", "password": "two\nlines"}).encode(),
     json.dumps({"ref": "main", "password": "hunter2" * 10_000}).encode(), b"\xff\xfe"],
)  # fmt: skip
def test_a_body_that_is_none_is_a_422_that_repeats_nothing_of_it(
    clones: Clones, server: GitServer, body: bytes
) -> None:
    pod = clones.tenants.pod("tenant-acme", server.url("a.git"))
    status, said = clones.send("POST", CLONES_PATH, pod.token, body)
    assert status == 422
    assert "hunter2" not in json.dumps(said)
    assert "two" not in json.dumps(said)
    assert server.asked == []


def test_a_body_that_is_too_large_is_a_413(clones: Clones, server: GitServer) -> None:
    pod = clones.tenants.pod("tenant-acme", server.url("a.git"))
    assert clones.send("POST", CLONES_PATH, pod.token, b"x" * 300_000)[0] == 413


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(gzip.compress(b"0" * (MAX_REQUEST + 1)), "gzip"), (b"nonsense", "gzip"), (zlib.compress(b"0000"), "gzip"),
     (gzip.compress(b"0000")[:-6], "x-gzip"), (b"0" * (MAX_REQUEST + 1), "identity")],
)  # fmt: skip
def test_a_fetch_that_is_larger_than_any_or_no_gzip_is_a_413(
    clones: Clones, server: GitServer, body: bytes, encoding: str
) -> None:
    a_repository(server.root, "a.git", {b"app.py": b"x"})
    pod = clones.tenants.pod("tenant-acme", server.url("a.git"))
    clones.tenants.cache(clones.url, pod).brought(MAIN)
    assert clones.send("POST", UPLOAD, pod.token, body, Content_Encoding=encoding)[0] == 413


@pytest.mark.parametrize("body", [b"nonsense", b"ffff", b"0008\x00\x00\x00\x00", b"0011command=fetch\n0000" * 50])
@pytest.mark.parametrize("protocol", ["version=2", "", "version=9; x", "version=2:sideband=\n"])
def test_a_fetch_that_is_none_harms_nobody(
    clones: Clones, server: GitServer, tmp_path: Path, body: bytes, protocol: str
) -> None:
    commit = a_repository(server.root, "a.git", {b"app.py": b"x"})
    pod = clones.tenants.pod("tenant-acme", server.url("a.git"))
    clones.tenants.cache(clones.url, pod).brought(MAIN)
    try:
        status, _ = clones.send("POST", UPLOAD, pod.token, body, Git_Protocol=protocol)
    except (OSError, ValueError):
        status = 0  # the answer broke off, or the header is none that can be sent
    assert status in {0, 200, 500}
    job = Job(clones, server.url("a.git"), tmp_path / "job")
    assert job.fetched().commit == commit
    assert job.way == SERVED + commit


def test_a_host_that_redirects_is_not_followed(clones: Clones, server: GitServer) -> None:
    server.answer, server.location = 302, "http://169.254.169.254/x.git"
    with pytest.raises(NoCache, match="redirects this URL elsewhere"):
        clones.cache_of(server.url("a.git")).brought(asked_for())
    assert server.credentials == [], "nobody was told them"


def test_nothing_that_is_logged_holds_a_credential(
    clones: Clones, private: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    clones.cache_of(private).brought(asked_for())
    with pytest.raises(NoCache):
        clones.cache_of(private).brought(asked_for(password="wrong-wrong-wrong"))
    seen = "".join(capfd.readouterr()) + caplog.text
    assert "asked for" in seen
    assert "hunter2" not in seen
    assert "wrong-wrong" not in seen
    assert "token-of-" not in seen


def test_a_restarted_cache_has_forgotten_who_may_read(clones: Clones, server: GitServer) -> None:
    a_repository(server.root, "a.git", {b"app.py": b"x"})
    pod = clones.tenants.pod("tenant-acme", server.url("a.git"))
    assert clones.send("GET", REFS, pod.token)[0] == 403
    clones.tenants.cache(clones.url, pod).brought(MAIN)
    assert clones.send("GET", REFS, pod.token)[0] == 200
