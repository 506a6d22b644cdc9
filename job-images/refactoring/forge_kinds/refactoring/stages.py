"""The stages of a refactoring and the percentages they span; each percentage comes from work that is done."""

from typing import Final

from forge_runner.metering import Meter, Stage

__all__ = ["CHANGING", "PATCHING", "READING", "TESTING", "VERIFYING", "Meter"]

READING: Final = Stage("reading", 10.0, 30.0)
CHANGING: Final = Stage("changing", 30.0, 80.0)
VERIFYING: Final = Stage("verifying", 80.0, 85.0)
TESTING: Final = Stage("testing", 85.0, 93.0)
PATCHING: Final = Stage("patching", 93.0, 95.0)
