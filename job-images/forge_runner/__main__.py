"""The program of a runner's pod: `python -m forge_runner`.

Its first line is written before anything is imported: it tells when the pod's own program began. Until the event loop
listens, SIGTERM must end it from here, for a container's first process ignores a signal that it has no handler for.
"""

import os
import sys

sys.stdout.write(f"runner started: {os.environ.get('FORGE_POD_NAME', 'outside of a pod')}\n")
sys.stdout.flush()

import signal  # noqa: E402

_BEFORE_CLAIM = 12
"""forge_core.exits.Exit.BEFORE_CLAIM, which isn't imported yet."""
signal.signal(signal.SIGTERM, lambda *_: os._exit(_BEFORE_CLAIM))

if __name__ == "__main__":
    from forge_core.starting import start

    start("forge_runner.main")
