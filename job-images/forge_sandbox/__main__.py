"""The program of a sandbox: `python -P -m forge_sandbox VOLUME [SCRATCH...]`, its container's first process.

As the first process it can't be killed from inside, and kills everything else at once; not dumpable, it can be neither
traced nor read by what it runs, although that has the same UID.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

from forge_sandbox.serving import serve

_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38


def main() -> None:
    """Serve until SIGTERM."""
    if os.getpid() != 1:
        sys.exit("forge_sandbox ends every process that it may signal: it only runs as the first one of a container")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) or libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        sys.exit(f"forge_sandbox can't protect itself: {os.strerror(ctypes.get_errno())}")
    os.umask(0o022)
    volume, *scratch = map(Path, sys.argv[1:])
    serve(volume, scratch)


if __name__ == "__main__":
    main()
