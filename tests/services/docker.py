"""The Docker that the cluster's nodes and the images are made with."""

import os
import subprocess

from tests.conftest import program


def docker(*arguments: str, check: bool = True, seconds: float = 120) -> str:
    """What it prints. Raises RuntimeError with what it says when it fails and `check` is true."""
    environment = os.environ | {"DOCKER_BUILDKIT": "1"}
    done = subprocess.run(
        [program("docker"), *arguments], capture_output=True, text=True, env=environment, check=False, timeout=seconds
    )
    if check and done.returncode != 0:
        raise RuntimeError(f"docker {' '.join(arguments[:3])}: {done.stderr.strip()[-2000:]}")
    return done.stdout.strip()
