"""Whatever is to be told goes through here once: to the pod's output, to Redis, and into the attempt's whole log."""

import sys
from datetime import UTC, datetime

from forge_core.attempts import MAX_STAGES, Claim, StageBegan
from forge_runner.joblog import Cleaner, JobLog
from forge_runner.reporting import Reporter


class Teller:
    """Knows the present attempt, stage and percentage. Without a `reporter` nothing goes to Redis."""

    def __init__(self, clean: Cleaner, reporter: Reporter | None) -> None:
        self.clean = clean
        self.stage = "starting"
        self.percent = 0.0
        self._reporter = reporter
        self._attempt = 0
        self._stages: list[StageBegan] = []
        self._log = JobLog(clean, self._hand_on)

    def begin(self, claim: Claim) -> JobLog:
        """A new attempt begins, with a log of its own."""
        self._attempt = claim.attempt
        self._log = JobLog(self.clean, self._hand_on)
        self.percent = 0.0
        self.stage, self._stages = "", []
        self._log.add(f"attempt {claim.attempt} of {claim.attempts}")
        self.state("starting", 0.0)
        return self._log

    def state(self, stage: str, percent: float, message: str = "") -> None:
        """The job is in `stage`, at `percent` of the whole."""
        stage = self.clean(stage, 63)
        if stage != self.stage:
            self._log.add(f"{percent:3.0f} % {stage}")
            self._stages[MAX_STAGES - 1 :] = [StageBegan(stage=stage, at=datetime.now(UTC))]
        self.stage, self.percent = stage, percent
        if self._reporter:
            self._reporter.state(self._attempt, stage, percent, self.clean(message, 500))

    @property
    def stages(self) -> tuple[StageBegan, ...]:
        """What the attempt went through; of a very restless one the first stages and the newest."""
        return tuple(self._stages)

    def line(self, line: str) -> None:
        """A line of the shell's own."""
        self._log.add(line)

    def stored(self) -> None:
        """How the attempt ended is stored, with its whole log."""
        if self._reporter:
            self._reporter.excuse()

    def _hand_on(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        if self._reporter:
            self._reporter.line(line)
