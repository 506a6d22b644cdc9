"""Files of a repository that nobody there wrote, told by their paths."""

import re
from typing import Final

_VENDORED: Final = frozenset(
    {"node_modules", "vendor", "vendored", "_vendor", "third_party", "third-party", "site-packages", ".venv", "venv",
     ".tox", ".eggs"}
)  # fmt: skip
_GENERATED: Final = re.compile(r"(_pb2(_grpc)?\.pyi?|\.generated\.pyi?)$")


def vendored(path: str) -> bool:
    """Whether it lies in a folder of third parties."""
    return not _VENDORED.isdisjoint(path.split("/")[:-1])


def generated(path: str) -> bool:
    """Whether a program wrote it."""
    return bool(_GENERATED.search(path))
