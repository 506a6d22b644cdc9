"""The first process of a rehearsal's pod: it runs the real runner, which may then be stopped or killed.

The kernel spares a container's first process, whatever its own processes send it.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

ASKED_TO_STOP = Path("/tmp/asked-to-stop")
DEAF = Path("/tmp/deaf")


def main() -> int:
    """Run it to its end; its exit code."""
    runner = subprocess.Popen([sys.executable, "-m", "forge_runner"])

    def stop(number: int, _frame: object) -> None:
        ASKED_TO_STOP.touch()
        if not DEAF.exists():
            os.kill(runner.pid, number)

    signal.signal(signal.SIGTERM, stop)
    while True:
        ended, status = os.wait()  # whoever else ends was an orphan
        if ended == runner.pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
