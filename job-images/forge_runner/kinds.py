"""The kinds of work a runner can do, and what each hands back.

A kind is a package or module of the namespace `forge_kinds`, named as the queue's jobType (`test_generation` for
test-generation), with a synchronous callable `work`. Each lies in a folder of job-images/ of its own, and an image
holds one of them; docs/adding-a-kind.md adds another.

`work` runs in a child process of the runner with its own process group, which is killed as a whole on a timeout. It
raises `Permanent` or `Transient` (forge_runner.report), or returns a `Result`.
"""

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from forge_runner.report import Report

if TYPE_CHECKING:  # pydantic is slow to import, and an analyser's process does not need it
    from forge_core.assignment import Assignment


NAMESPACE: Final = "forge_kinds"


@dataclass(frozen=True)
class Artifact:
    """One file of the result; name and size keep to forge_core.attempts (ARTIFACT_NAME, MAX_ARTIFACT_BYTES)."""

    name: str
    content_type: str
    body: bytes


@dataclass(frozen=True)
class Result:
    """What a kind hands back; `summary` is at most forge_core.attempts.MAX_SUMMARY_BYTES of JSON."""

    summary: dict[str, Any]
    artifacts: tuple[Artifact, ...] = ()
    cache: bytes | None = None
    """For the next job of the kind and repository (CACHE_PATH_ENV): no part of the result, and lost without harm.

    At most forge_core.attempts.MAX_CACHE_BYTES.
    """


class Kind(Protocol):
    """One kind of work; `workdir` is empty and the kind's own."""

    def __call__(self, assignment: "Assignment", workdir: Path, report: Report) -> Result:
        """Do the whole work of one attempt. Raises Permanent or Transient."""
        ...


class _Folder(Mapping[str, Kind]):
    """Imports a kind when it is asked for, so that a runner image needs only the libraries of its own kind."""

    def __getitem__(self, kind: str) -> Kind:
        name = kind.replace("-", "_")
        if not _JOB_TYPE.fullmatch(kind) or name not in set(_modules()):
            raise KeyError(kind)
        return cast("Kind", importlib.import_module(f"{NAMESPACE}.{name}").work)

    def __iter__(self) -> Iterator[str]:
        return (name.replace("_", "-") for name in _modules())

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _modules() -> Iterator[str]:
    places = [str(Path(each) / NAMESPACE) for each in sys.path]
    return (module.name for module in pkgutil.iter_modules(places))


_JOB_TYPE: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
KINDS: Final[Mapping[str, Kind]] = _Folder()
"""`assignment.kind` (the queue's jobType) -> the callable."""
