"""Forge Jobs as it is installed on the real cluster, and repositories for it to look at."""

import io
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import receiving
from forge_core.cluster import core, job_queues
from tests.conftest import LOCAL, Kubectl
from tests.e2e.forge import GIT_HOST, Forge, Jobs, installed
from tests.e2e.hooks import Hooks


@pytest.fixture(scope="session")
def forge(kubectl: Kubectl) -> Forge:
    """The installed release; `make install` brings it there."""
    return installed(kubectl, f"http://127.0.0.1:{(LOCAL / 'api-port').read_text().strip()}")


@pytest.fixture
def jobs(forge: Forge) -> Iterator[Jobs]:
    """AnalysisJobs and JobQueues of one test, all gone after it."""
    made = Jobs(forge)
    yield made
    made.clear()


@pytest.fixture(scope="session")
def small_repository(serve: Callable[..., str]) -> str:
    """URL of a small Python repository with a few findings."""
    code = "import os\n\n\ndef greet(name):\n    eval(name)\n    print('hello', name)\n"
    return serve({f"package/module_{number}.py": code for number in range(5)} | {"README.md": "# small\n"})


@pytest.fixture(scope="session")
def long_repository(serve: Callable[..., str]) -> str:
    """URL of a repository with enough code to be at it for a while with a share of a processor."""
    function = "def f{n}(a, b):\n    if a:\n        for i in b:\n            print(i, a)\n    return eval(a)\n\n\n"
    module = "".join(function.format(n=number) for number in range(300))
    return serve({f"package/module_{number}.py": module for number in range(60)})


@pytest.fixture
def slow_queue(jobs: Jobs) -> str:
    """A queue whose only class is a fifth of a processor."""
    return jobs.sized_queue("200m", "512Mi")


@pytest.fixture(scope="session")
def hooks(kubectl: Kubectl) -> Iterator[Hooks]:
    """A receiver of webhooks in the cluster, gone after the last test."""
    kubectl.server.apply(*receiving.manifests(kubectl.server.get(job_queues("webhooks"))["spec"]["image"]))
    place = ("-n", receiving.NAMESPACE)
    kubectl.run(*place, "rollout", "status", f"deployment/{receiving.NAME}", "--timeout=300s")
    yield Hooks(kubectl)
    kubectl.server.delete(core("namespaces", name=receiving.NAMESPACE), wait=False)


@pytest.fixture(scope="session")
def serve(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """`serve({path: text}, credentials="user:password")` makes a repository and answers its URL in the cluster."""
    names = []

    def make(files: dict[str, str], credentials: str = "") -> str:
        name = f"test-{uuid.uuid4().hex[:8]}"
        names.append(name)
        bare = bare_repository(tmp_path_factory.mktemp(name), files)
        if credentials:
            (bare / "credentials").write_text(credentials)
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(bare, arcname=f"{name}.git")
        in_git_server(kubectl, "tar", "-C", "/repositories", "-xf", "-", stdin=archive.getvalue())
        return f"http://{GIT_HOST}/{name}.git"

    yield make
    in_git_server(kubectl, "rm", "-rf", *(f"/repositories/{name}.git" for name in names))


def bare_repository(folder: Path, files: dict[str, str]) -> Path:
    """A bare repository whose only commit holds `files`."""
    work = folder / "work"
    for path, text in files.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(text)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", work, *arguments], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", work, folder / "bare.git"], check=True)
    return folder / "bare.git"


def in_git_server(kubectl: Kubectl, *command: str, stdin: bytes = b"") -> None:
    """Run a command in the git server's pod."""
    call = kubectl.command("-n", "git", "exec", "-i", "deployment/git-server", "--", *command)
    subprocess.run(call, input=stdin, check=True, capture_output=True, timeout=120)
