"""Every command under "How to look" of a runbook works on an installed release: who is called at night can paste it."""

import os
import re
import subprocess

import pytest

from tests.conftest import LOCAL, ROOT
from tests.e2e.forge import Forge

pytestmark = pytest.mark.cluster
RUNBOOKS = ROOT / "docs" / "runbooks"
FUNCTIONS = re.findall(r"```\n(.*?)```", (RUNBOOKS / "README.md").read_text(), re.DOTALL)[-1]
PAGES = sorted(page for page in RUNBOOKS.glob("*.md") if page.name != "README.md")


def commands(text: str) -> list[str]:
    looking = text.split("## How to look")[1].split("## What to do", maxsplit=1)[0]
    return [line for block in re.findall(r"```\n(.*?)```", looking, re.DOTALL) for line in block.splitlines() if line]


@pytest.mark.parametrize(
    ("page", "command"),
    [(page.stem, command) for page in PAGES for command in commands(page.read_text())],
)
def test_a_command_works(forge: Forge, page: str, command: str) -> None:
    path = f"{LOCAL / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "KUBECONFIG": str(forge.kubectl.kubeconfig)}
    script = f"set -eo pipefail\n{FUNCTIONS}\n{command}\n"
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    # A reader that closes the pipe (head) ends its writer by SIGPIPE; that is no fault of the command.
    assert done.returncode in {0, 141}, f"{page}: {done.stderr[-1000:]}"
