"""How long an analyser may take for one file, and the first word of a worker process."""

from typing import Final

FILE_CPU_SECONDS: Final = 10
"""Of CPU and so on a busy machine too; a megabyte of code takes about two."""
READY: Final = "ready"
"""What a worker process says first."""
