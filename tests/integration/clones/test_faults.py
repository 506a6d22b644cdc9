"""Killed writers and services, full disks, cut-off clients: the mirror is whole again, and the job has its clone."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from forge_clones.mirrors import Mirrors, VolumeTaken
from forge_core.clones import Wanted
from forge_runner.clone_cache import NoCache
from tests.integration.clones.process import Process
from tests.integration.clones.slow_host import gated
from tests.integration.clones.test_fetching import DIRECT, SERVED, Job, another_commit, posts, written
from tests.integration.workspace.repositories import a_repository, git
from tests.integration.workspace.servers import GitServer
from tests.services.clones import Clones, Tenants, clone_cache
from tests.services.waiting import wait_until

MAIN = Wanted(ref="main")


def noise(size: int) -> bytes:
    """Bytes that no packing makes smaller."""
    return os.urandom(size)


def writers(repository: Path) -> list[int]:
    """Processes of git that write into a repository."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            command = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
            if b"fetch" in command and str(repository).encode() in command:
                found.append(int(process.name))
        except OSError:
            continue
    return found


def intact(repository: Path) -> bool:
    """By git's own word."""
    git(repository, "fsck", "--full", "--strict")
    return not list(repository.rglob("tmp_*")) and not list(repository.rglob("*.lock"))


@pytest.fixture
def process(tmp_path: Path, tenants: Tenants) -> Iterator[Process]:
    (tmp_path / "process").mkdir()
    made = Process(tmp_path / "process", tenants)
    yield made
    made.kill()


def test_a_writer_killed_in_the_middle_leaves_a_mirror_that_the_next_one_completes(
    server: GitServer, clones: Clones, tmp_path: Path
) -> None:
    commit = a_repository(server.root, "shop.git", {b"app.py": b"x = 1\n", b"big": noise(3_000_000)})
    with gated(server.root, 500_000) as (slow, gate), ThreadPoolExecutor(1) as pool:
        job = Job(clones, slow.url("shop.git"), tmp_path / "first")
        asking = pool.submit(job.cache.brought, MAIN)
        assert gate.reached.wait(120)
        [mirror] = clones.mirrors
        pids = wait_until(lambda: writers(mirror / "repository.git"), what="git fetches")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        gate.open.set()
        with pytest.raises(NoCache, match="502"):
            asking.result(120)
        assert written(job.fetched())["app.py"] == b"x = 1\n"
        assert job.way == SERVED + commit
    assert clones.mirrors == [mirror]
    assert intact(mirror / "repository.git")


def test_a_killed_service_finds_its_mirrors_again_and_completes_what_was_half_written(
    server: GitServer, process: Process, tmp_path: Path
) -> None:
    a_repository(server.root, "shop.git", {b"app.py": b"x = 1\n"})
    with gated(server.root, 500_000) as (slow, gate), ThreadPoolExecutor(1) as pool:
        url = slow.url("shop.git")
        jobs = [process.tenants.pod("tenant-acme", url) for _ in range(3)]
        running = process.start()
        process.tenants.cache(running.url, jobs[0]).brought(MAIN)
        [mirror] = running.mirrors
        new = another_commit(server.root / "shop.git", noise(3_000_000))
        asking = pool.submit(process.tenants.cache(running.url, jobs[1]).brought, MAIN)
        assert gate.reached.wait(120)
        pids = wait_until(lambda: writers(mirror / "repository.git"), what="git fetches")
        process.kill()
        with pytest.raises(NoCache):
            asking.result(120)
        again = process.start()
        cache = process.tenants.cache(again.url, jobs[2])
        if any(Path(f"/proc/{pid}").exists() for pid in pids):
            with pytest.raises(NoCache, match="has not ended yet"):
                cache.brought(MAIN)  # the orphan holds the mirror's lock: nobody writes beside it
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        gate.open.set()

        def brought() -> str:
            try:
                return cache.brought(MAIN)
            except NoCache:
                return ""

        assert wait_until(brought, what="the orphan's lock is free") == new
    assert intact(mirror / "repository.git")
    process.stop()


@pytest.mark.parametrize("harm", ["a pack is cut off", "a pack is gone", "a ref leads nowhere", "no repository at all"])
def test_a_mirror_that_a_kill_left_broken_is_made_anew(
    server: GitServer, tenants: Tenants, tmp_path: Path, harm: str
) -> None:
    commit = a_repository(server.root, "shop.git", {b"app.py": b"x = 1\n", b"more": noise(20_000)})
    root = tmp_path / "clones"
    with clone_cache(root, tenants) as clones:
        clones.cache_of(server.url("shop.git")).brought(MAIN)
        [mirror] = clones.mirrors
    repository = mirror / "repository.git"
    (mirror / "writing").touch()
    [pack] = (repository / "objects/pack").glob("*.pack")
    match harm:
        case "a pack is cut off":
            pack.chmod(0o600)
            os.truncate(pack, pack.stat().st_size - 5000)
        case "a pack is gone":
            pack.unlink()
        case "a ref leads nowhere":
            [ref] = (repository / "refs/forge").iterdir()
            ref.write_text("0123456789" * 4 + "\n")
        case _:
            shutil.rmtree(repository)
    with clone_cache(root, tenants) as clones:
        job = Job(clones, server.url("shop.git"), tmp_path / "job")
        assert written(job.fetched())["app.py"] == b"x = 1\n"
        assert job.way == SERVED + commit
        assert clones.mirrors == [mirror]
        assert intact(repository)
        assert not (mirror / "writing").exists()


def test_a_mirror_that_breaks_while_it_is_read_serves_nothing_false_and_is_made_anew(
    server: GitServer, clones: Clones, tmp_path: Path
) -> None:
    commit = a_repository(server.root, "shop.git", {b"app.py": b"x = 1\n", b"more": noise(20_000)})
    clones.cache_of(server.url("shop.git")).brought(MAIN)
    [pack] = (clones.mirrors[0] / "repository.git/objects/pack").glob("*.pack")
    pack.chmod(0o600)
    with pack.open("r+b") as file:
        file.seek(pack.stat().st_size // 2)
        file.write(b"\0" * 2000)
    job = Job(clones, server.url("shop.git"), tmp_path / "job")
    assert written(job.fetched())["app.py"] == b"x = 1\n"
    assert job.way.startswith(DIRECT)
    later = Job(clones, server.url("shop.git"), tmp_path / "later")
    another_commit(server.root / "shop.git", b"x = 2\n")
    later.fetched(commit)
    assert written(Job(clones, server.url("shop.git"), tmp_path / "last").fetched(commit))["app.py"] == b"x = 1\n"


def test_a_runner_does_not_wait_for_a_slow_first_fetch_which_serves_the_next_one(
    server: GitServer, tenants: Tenants, tmp_path: Path
) -> None:
    commit = a_repository(server.root, "shop.git", {b"big": noise(3_000_000), b"app.py": b"x = 1\n"})
    root = tmp_path / "clones"
    with gated(server.root, 500_000) as (slow, gate):
        with clone_cache(root, tenants, patience=1.0) as clones:

            def refused_while_it_is_fetched() -> bool:
                with pytest.raises(NoCache, match="still being fetched; clone directly"):
                    clones.cache_of(slow.url("shop.git")).brought(MAIN)
                return gate.reached.is_set()

            wait_until(refused_while_it_is_fetched, 60, "the fetch is in the middle of a pack")
            assert refused_while_it_is_fetched()
            [mirror] = clones.mirrors
            gate.open.set()
            wait_until(lambda: not (mirror / "writing").exists(), 60, "the fetch went on without them")
        before = posts(slow)
        with clone_cache(root, tenants) as clones:  # one that waits long enough on any machine
            job = Job(clones, slow.url("shop.git"), tmp_path / "job")
            assert job.fetched().commit == commit
            assert job.way == SERVED + commit
        assert posts(slow) - before == 1, "only its refs were asked for"


def test_a_full_disk_whose_mirrors_are_all_promised_is_a_plain_refusal(
    server: GitServer, process: Process, tmp_path: Path
) -> None:
    for name in ("a.git", "b.git", "c.git"):
        a_repository(server.root, name, {b"app.py": b"x = 1\n", b"big": noise(5_000_000)})
    process.volume = "14m"
    pods = {name: process.tenants.pod("tenant-acme", server.url(name)) for name in ("a.git", "b.git", "c.git")}
    running = process.start()
    for name in ("a.git", "b.git"):
        process.tenants.cache(running.url, pods[name]).brought(MAIN)
    with pytest.raises(NoCache, match="507: The clone cache's disk is full, and all that it holds is in use"):
        process.tenants.cache(running.url, pods["c.git"]).brought(MAIN)  # both were granted a moment ago
    process.stop()


def test_on_a_full_disk_the_least_recently_used_mirror_gives_way(
    server: GitServer, process: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = {}
    for name in ("a.git", "b.git", "c.git"):
        commits[name] = a_repository(server.root, name, {b"app.py": b"x = 1\n", b"big": noise(5_000_000)})
    process.volume, process.settings = "14m", {"grant_seconds": 0.1}
    jobs = {}
    for name in ("a.git", "b.git", "c.git"):
        jobs[name] = process.tenants.pod("tenant-acme", server.url(name))
    running = process.start()
    for name in ("a.git", "b.git"):
        assert process.tenants.cache(running.url, jobs[name]).brought(MAIN) == commits[name]

    def brought() -> str:
        try:
            return process.tenants.cache(running.url, jobs["c.git"]).brought(MAIN)
        except NoCache:
            return ""

    assert wait_until(brought, what="the grants have run out") == commits["c.git"]
    assert 'forge_clones_evicted_total{cause="disk"} 1.0' in running.metrics()
    assert "forge_clones_mirrors 2.0" in running.metrics()
    process.stop()


def test_above_the_limit_of_all_mirrors_the_least_recently_used_goes_at_once(
    server: GitServer, tenants: Tenants, tmp_path: Path
) -> None:
    names = ("a.git", "b.git", "c.git")
    for name in names:
        a_repository(server.root, name, {b"big": noise(1_000_000)})
    with clone_cache(tmp_path / "clones", tenants, max_size=2_500_000, grant_seconds=0.0) as clones:
        for name in names:
            clones.cache_of(server.url(name)).brought(MAIN)
        assert len(clones.mirrors) == 2
        assert 'forge_clones_evicted_total{cause="size"} 1.0' in clones.metrics()
        before = clones.mirrors
        clones.cache_of(server.url("a.git")).brought(MAIN)
        assert len(clones.mirrors) == 2
        assert clones.mirrors != before, "the first one had gone"


def test_a_repository_that_is_too_large_is_refused_and_not_fetched_again_and_again(
    server: GitServer, tenants: Tenants, tmp_path: Path
) -> None:
    commit = a_repository(server.root, "shop.git", {b"app.py": b"x = 1\n", b"big": noise(3_000_000)})
    with clone_cache(tmp_path / "clones", tenants, mirror_size=1_000_000) as clones:
        job = Job(clones, server.url("shop.git"), tmp_path / "job")
        assert job.fetched().commit == commit
        assert job.way.startswith(DIRECT)
        assert "more than a mirror takes" in job.way
        served = sum(path.endswith("/git-upload-pack") for path in server.asked)
        again = Job(clones, server.url("shop.git"), tmp_path / "again")
        assert again.fetched().commit == commit
        assert "not tried again for a while" in again.way
        more = sum(path.endswith("/git-upload-pack") for path in server.asked) - served
        assert more == 3, "what the host has, once by the cache and twice by the runner itself"
        assert sum(each.stat().st_size for each in clones.root.rglob("*") if each.is_file()) < 100_000


def test_a_client_that_is_cut_off_leaves_no_process_and_no_use_behind(
    server: GitServer, clones: Clones, tmp_path: Path
) -> None:
    a_repository(server.root, "shop.git", {b"big": noise(20_000_000)})
    pod = clones.tenants.pod("tenant-acme", server.url("shop.git"))
    commit = clones.tenants.cache(clones.url, pod).brought(MAIN)
    want = f"want {commit} side-band-64k no-progress\n"
    body = f"{len(want) + 4:04x}{want}00000009done\n".encode()
    host, port = clones.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(
            b"POST /internal/v1/clones/repository.git/git-upload-pack HTTP/1.1\r\nHost: x\r\n"
            b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n" % (pod.token.encode(), len(body)) + body
        )
        assert client.recv(15, socket.MSG_WAITALL) == b"HTTP/1.1 200 OK"
    repository = str(clones.mirrors[0] / "repository.git")

    def reading() -> bool:
        done = subprocess.run(["pgrep", "-f", f"upload-pack.*{repository}"], capture_output=True, check=False)
        return done.returncode == 0

    wait_until(lambda: not reading(), what="its process has ended")
    wait_until(lambda: 'forge_clones_reads_total{end="broken off"} 1.0' in clones.metrics(), what="it is counted")
    job = Job(clones, server.url("shop.git"), tmp_path / "job")
    assert job.fetched().commit == commit
    assert job.way == SERVED + commit


def test_a_volume_has_one_service(tmp_path: Path, clones: Clones) -> None:
    with pytest.raises(VolumeTaken, match="another clone cache works on"):
        Mirrors.opened(clones.root)


def test_what_was_half_removed_is_gone_after_a_start(server: GitServer, tenants: Tenants, tmp_path: Path) -> None:
    (tmp_path / "clones/trash/half/objects").mkdir(parents=True)
    with clone_cache(tmp_path / "clones", tenants) as clones:
        assert list((clones.root / "trash").iterdir()) == []


def test_a_service_that_is_told_to_stop_ends_its_fetches(server: GitServer, tenants: Tenants, tmp_path: Path) -> None:
    a_repository(server.root, "shop.git", {b"big": noise(3_000_000)})
    with gated(server.root, 500_000) as (slow, gate), ThreadPoolExecutor(1) as pool:
        with clone_cache(tmp_path / "clones", tenants) as clones:
            asking = pool.submit(clones.cache_of(slow.url("shop.git")).brought, MAIN)
            assert gate.reached.wait(120)
            [mirror] = clones.mirrors
        assert not gate.open.is_set(), "the host would have held it up for ever"
        assert writers(mirror / "repository.git") == []
        with pytest.raises(NoCache):
            asking.result(120)
