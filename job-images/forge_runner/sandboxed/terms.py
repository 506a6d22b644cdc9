"""What a queue's sandbox offers, held against what a job asks for, before anything is done."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from forge_core.assignment import Sandbox as Terms
from forge_runner.report import Permanent

Installed = Annotated[
    str, Field(max_length=255, pattern=r"^(\.(\[[A-Za-z0-9_,-]+\])?|[A-Za-z0-9_][^\x00-\x1f]*\.txt)$")
]
"""A file of requirements, or the repository itself as `.` or `.[extra]`."""


def check_sandbox(terms: Terms | None, prefix: str, purpose: str, way_out: str) -> Terms:
    """The terms. Raises Permanent where there is none, and says how else: `prefix` names the field that asks for it,
    `purpose` what would run, `way_out` ends in "ask"."""
    if terms is None:
        raise Permanent(
            f"{prefix}this queue has no sandbox, in which alone {purpose} may run. {way_out} the administrator for a "
            "queue with spec.sandbox."
        )
    return terms


def check_installed(terms: Terms, field: str, wanted: Sequence[str]) -> None:
    """Raises Permanent for what would be installed where nothing is."""
    if wanted and not terms.index:
        raise Permanent(
            f"{field}: this queue installs nothing. Leave install out, or ask the administrator for "
            "spec.sandbox.packages."
        )
