"""The kinds of work a runner can do, and what each hands back.

A kind is a synchronous callable that runs in a child process of the runner with its own process group, which is killed
as a whole on a timeout. It raises `Permanent` or `Transient` (forge_runner.report), or returns a `Result`.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
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


class _Lazy(Mapping[str, Kind]):
    """Imports a kind when it is asked for, so that a runner image needs only the libraries of its own kind."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, kind: str) -> Kind:
        module, _, name = self._places[kind].partition(":")
        return cast("Callable[..., Result]", getattr(importlib.import_module(module), name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


KINDS: Final[Mapping[str, Kind]] = _Lazy({"analysis": "forge_runner.kinds.analysis:analyse"})
"""`assignment.kind` (the queue's jobType) -> the callable."""
