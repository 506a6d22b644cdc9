"""The stages of a test generation and the percentages they span; each percentage comes from work that is done."""

from typing import Final

from forge_runner.metering import Meter, Stage

__all__ = ["GENERATING", "MEASURING", "VERIFYING", "Meter"]

MEASURING: Final = Stage("measuring", 10.0, 20.0)
GENERATING: Final = Stage("generating", 20.0, 85.0)
VERIFYING: Final = Stage("verifying", 85.0, 95.0)
