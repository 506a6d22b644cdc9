"""Percentages come from work that is done, and never go back."""

from forge_kinds.analysis.stages import Meter, work_of
from tests.unit.analysis.builders import a_source


class Heard:
    def __init__(self) -> None:
        self.percents: list[float] = []
        self.messages: list[str] = []

    def progress(self, stage: str, percent: float, message: str = "") -> None:
        assert stage == "analysing"
        self.percents.append(percent)
        self.messages.append(message)

    def log(self, line: str) -> None: ...


def test_analysing_spans_15_to_80_percent_by_work_done() -> None:
    small, large = a_source("a.py", 500), a_source("b.py", 8500)
    heard = Heard()
    meter = Meter(heard, {"a.py": 2, "b.py": 2})
    meter.expect(work_of(small) + work_of(large))
    for file, share in ((small, 0.8), (large, 0.8), (small, 0.2), (large, 0.2)):
        meter.done(file, share)
    assert [round(percent, 1) for percent in heard.percents] == [20.2, 67.0, 68.3, 80.0]
    assert heard.messages == ["0 of 2 files", "0 of 2 files", "1 of 2 files", "2 of 2 files"]
