"""The kinds of work a runner can do, and what each hands back.

A kind is a package or module of this folder, named as the queue's jobType (`test_generation` for test-generation), with
a synchronous callable `work`. So an image knows the kinds whose folders it holds, and a new kind is one folder more.
`work` runs in a child process of the runner with its own process group, which is killed as a whole on a timeout. It
raises `Permanent` or `Transient` (forge_runner.report), or returns a `Result`.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from forge_runner.report import Report

if TYPE_CHECKING:  # pydantic is slow to import, and an analyser's process does not need it
    from forge_core.assignment import Assignment


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


class Kind(Protocol):
    """One kind of work; `workdir` is empty and the kind's own."""

    def __call__(self, assignment: "Assignment", workdir: Path, report: Report) -> Result:
        """Do the whole work of one attempt. Raises Permanent or Transient."""
        ...


class _Folder(Mapping[str, Kind]):
    """Imports a kind when it is asked for, so that a runner image needs only the libraries of its own kind."""

    def __getitem__(self, kind: str) -> Kind:
        module = f"{__name__}.{kind.replace('-', '_')}"
        if not _JOB_TYPE.fullmatch(kind) or find_spec(module) is None:
            raise KeyError(kind)
        return cast("Kind", importlib.import_module(module).work)

    def __iter__(self) -> Iterator[str]:
        return (module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))

    def __len__(self) -> int:
        return sum(1 for _ in self)


_JOB_TYPE: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
KINDS: Final[Mapping[str, Kind]] = _Folder()
"""`assignment.kind` (the queue's jobType) -> the callable."""
