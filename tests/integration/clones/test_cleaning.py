"""Clean-ups of the cache: who may ask, what goes, what a dry run says, and the real runner doing one."""

import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from forge_core.clones import SWEEP_PATH, Sweep, Wanted
from forge_core.exits import Exit
from forge_runner.clone_cache import NoCache
from tests.integration.clones.slow_host import gated
from tests.integration.clones.test_fetching import SERVED, Job
from tests.integration.runner.pods import Pod
from tests.integration.runner.standin import Ledger
from tests.integration.runner.standin import serving as api_serving
from tests.integration.workspace.repositories import a_repository
from tests.integration.workspace.servers import GitServer
from tests.services.clones import SYSTEM, Clones, Tenants, clone_cache

MAIN = Wanted(ref="main")
ALL = Sweep(unused_for=0)


@pytest.fixture
def three(server: GitServer) -> list[str]:
    """URLs of three repositories."""
    for name in ("a.git", "b.git", "c.git"):
        a_repository(server.root, name, {b"app.py": name.encode()})
    return [server.url(name) for name in ("a.git", "b.git", "c.git")]


def forgotten(tmp_path: Path, tenants: Tenants, urls: list[str]) -> Path:
    """A volume with mirrors of these repositories, which nobody uses any more."""
    root = tmp_path / "clones"
    with clone_cache(root, tenants) as clones:
        for url in urls:
            clones.cache_of(url).brought(MAIN)
    return root


def test_a_clean_up_removes_what_is_unused_and_says_what_it_freed(
    tmp_path: Path, tenants: Tenants, three: list[str]
) -> None:
    with clone_cache(forgotten(tmp_path, tenants, three), tenants) as clones:
        swept = clones.cleaner().swept(ALL)
        assert (swept.mirrors, swept.left, swept.kept, swept.in_use) == (3, 0, 0, 0)
        assert swept.freed > 3 * 10_000
        assert clones.mirrors == []
        assert list((clones.root / "trash").iterdir()) == []
        assert clones.cleaner().swept(ALL).mirrors == 0


def test_a_dry_run_says_the_same_and_removes_nothing(tmp_path: Path, tenants: Tenants, three: list[str]) -> None:
    with clone_cache(forgotten(tmp_path, tenants, three), tenants) as clones:
        would = clones.cleaner().swept(Sweep(unused_for=0, dry_run=True))
        assert len(clones.mirrors) == 3
        assert 'cause="clean-up"' not in clones.metrics()
        done = clones.cleaner().swept(ALL)
        assert (would.mirrors, would.freed, would.kept) == (done.mirrors, done.freed, 0)


def test_what_is_left_out_is_the_installations_own_limit(tmp_path: Path, tenants: Tenants, three: list[str]) -> None:
    root = forgotten(tmp_path, tenants, three)
    with clone_cache(root, tenants) as clones:
        assert clones.cleaner().swept(Sweep()).mirrors == 0
        swept = clones.cleaner().swept(Sweep(max_bytes=0))
        assert (swept.mirrors, len(clones.mirrors)) == (3, 0)


def test_mirrors_that_were_just_promised_or_are_being_fetched_stay(
    server: GitServer, clones: Clones, three: list[str], tmp_path: Path
) -> None:
    job = Job(clones, three[0], tmp_path / "job")
    job.cache.brought(MAIN)
    with gated(server.root, 0) as (slow, gate):
        asking = threading.Thread(target=lambda: clones.cache_of(slow.url("b.git")).brought(MAIN))
        asking.start()
        assert gate.reached.wait(120)
        swept = clones.cleaner().swept(Sweep(unused_for=0, max_bytes=0))
        assert (swept.mirrors, swept.kept, swept.in_use) == (0, 2, 2)
        gate.open.set()
        asking.join()
    job.fetched()
    assert job.way.startswith(SERVED)


@pytest.mark.parametrize(
    ("namespace", "queue"), [("tenant-acme", "cleanup"), (SYSTEM, "analysis"), (SYSTEM, "gone"), ("", "cleanup")]
)
def test_only_the_system_tenants_clean_ups_may_ask(clones: Clones, namespace: str, queue: str) -> None:
    with pytest.raises(NoCache, match=r"403: (Maintenance is for|The job.s queue is gone)") as refusal:
        clones.cleaner(namespace=namespace, queue=queue).swept(ALL)
    assert refusal.value.final


def test_an_analysis_may_not_clean(clones: Clones, three: list[str]) -> None:
    with pytest.raises(NoCache, match="403"):
        clones.cache_of(three[0]).swept(ALL)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"unused_for": -1}', b'{"max_bytes": 1.5}', b'{"unused_for": "1h"}', b'{"all": true}']
)
def test_a_sweep_that_is_none_is_a_422(clones: Clones, body: bytes) -> None:
    assert clones.send("POST", SWEEP_PATH, clones.tenants.cleaner().token, body)[0] == 422


def cleaned(tmp_path: Path, clones: Clones, ledger: Ledger, **config: Any) -> Pod:
    """The real runner's clean-up job, ended."""
    token = tmp_path / "token-for-the-cache"
    token.write_text(clones.tenants.cleaner().token)
    environment = {"FORGE_CLONES_URL": clones.url, "FORGE_CLONES_TOKEN_PATH": str(token)}
    given = {"task": "cleanup-old-clones", **config}
    pod = Pod(
        tmp_path / f"pod-{len(ledger.claims)}-{len(config)}", ledger.url, kind="cleanup", attempts=1, config=given,
        program=(sys.executable, "-m", "forge_runner"), environment=environment,
    ).start()  # fmt: skip
    pod.end()
    return pod


def test_the_real_runner_cleans_the_real_cache(tmp_path: Path, tenants: Tenants, three: list[str]) -> None:
    with clone_cache(forgotten(tmp_path, tenants, three), tenants) as clones, api_serving() as ledger:
        dry = cleaned(tmp_path, clones, ledger, unusedFor="0s", dryRun=True)
        assert dry.words.failure_class is None, dry.output
        summary = ledger.outcomes[1].summary
        assert len(clones.mirrors) == 3
        assert summary["dryRun"] is True
        assert "changed" not in summary
        assert summary["wouldChange"]["clones"] == 3
        ledger.claims.clear()
        real = cleaned(tmp_path, clones, ledger, maxSize="0")
        assert real.words.failure_class is None, real.output
        summary = ledger.outcomes[1].summary
        assert (summary["changed"]["clones"], summary["clones"]["kept"]) == (3, 0)
        assert summary["changed"]["bytes"] > 30_000
        assert clones.mirrors == []
        assert ledger.asks == [], "the API has no part in it"
        assert "removed 3 mirrors" in ledger.log_of(1)


def test_without_a_cache_a_clean_up_of_clones_fails_for_good_with_a_sentence(tmp_path: Path) -> None:
    with api_serving() as ledger:
        pod = Pod(
            tmp_path / "pod", ledger.url, kind="cleanup", attempts=1, config={"task": "cleanup-old-clones"},
            program=(sys.executable, "-m", "forge_runner"),
        ).start()  # fmt: skip
        assert pod.end() == Exit.PERMANENT
        assert "has no clone cache" in ledger.outcomes[1].message


@pytest.mark.parametrize(
    "config",
    [{"unusedFor": "soon"}, {"unusedFor": "-1h"}, {"maxSize": "much"}, {"maxSize": "-5Gi"}, {"dryRun": "maybe"},
     {"task": "purge-history", "maxSize": "1Gi"}, {"task": "retire-orphans", "unusedFor": "1h"}],
)  # fmt: skip
def test_a_config_that_is_none_fails_for_good_with_the_field(
    tmp_path: Path, clones: Clones, config: dict[str, Any]
) -> None:
    with api_serving() as ledger:
        pod = cleaned(tmp_path, clones, ledger, **config)
        assert pod.process
        assert pod.process.returncode == Exit.PERMANENT, pod.output
        assert ledger.outcomes[1].message.startswith("config")
        assert ledger.asks == []
