"""How the programs start, and how they are told to stop."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from forge_core.program import WRONG_SETTING, stop_signal


@pytest.mark.parametrize(
    ("program", "given", "variable"),
    [
        ("forge_api", {}, "FORGE_DATABASE_URL"),
        ("forge_operator", {}, "FORGE_DATABASE_URL"),
        ("forge_operator.schedule", {}, "FORGE_TASK"),
        ("forge_clones", {"FORGE_READS_AT_ONCE": "hunter2"}, "FORGE_READS_AT_ONCE"),
    ],
)
def test_a_setting_that_is_missing_or_wrong_is_named_and_not_shown(
    program: str, given: dict[str, str], variable: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FORGE_")} | given
    command = [sys.executable, "-m", program]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=240, text=True, check=False)
    assert (done.returncode, f'"variable": "{variable}"' in done.stderr) == (WRONG_SETTING, True)
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_says_stop(number: signal.Signals) -> None:
    async def told() -> bool:
        stop = stop_signal()
        os.kill(os.getpid(), number)
        async with asyncio.timeout(10):
            return await stop.wait()

    assert asyncio.run(told())
