"""What a job's `config` may say about a test generation. The CRD checks it first; what slips through ends Permanent."""

from typing import Annotated, Final

from pydantic import Field

from forge_core.resource import Seconds
from forge_runner.sandboxed.terms import Installed
from forge_runner.sources.selection import Selection

DEFAULT_BUDGET: Final = 480.0
"""Seconds: within the queue's promise of ten minutes, with room for starting and cloning."""

ModuleName = Annotated[str, Field(max_length=255, pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)*$")]


class TestGenerationConfig(Selection):
    """All of the repository's modules, those first of which most is uncovered, when nothing is said."""

    __test__ = False  # pytest takes classes of that name for tests

    targets: Annotated[tuple[ModuleName, ...], Field(max_length=50)] = ()
    """Modules, dotted as they are imported; done in this order."""
    budget: Annotated[Seconds, Field(ge=60, le=3600)] = DEFAULT_BUDGET
    """Seconds for all of it."""
    install: Annotated[tuple[Installed, ...], Field(max_length=10)] = ()
    """Files of requirements, or the repository itself."""
