"""The runner's last words, which the operator reads from the pod's status: at most 4096 bytes, the kubelet's limit."""

from contextlib import suppress
from pathlib import Path
from typing import Final

from forge_core.messages import Termination

_LIMIT: Final = 4000
_LONGEST: Final = 1024


def write(path: Path, words: Termination) -> None:
    """Leave `words` at `path`; where that can't be written (outside of a pod) nobody would read them either."""
    with suppress(OSError):
        path.write_text(fitting(words))


def fitting(words: Termination) -> str:
    """`words` as JSON within the limit, the message cut as far as it needs."""
    message = words.message
    length = _LONGEST
    while True:
        text = words.changed(message=message[:length]).encode()
        if len(text.encode()) <= _LIMIT:
            return text
        length //= 2
