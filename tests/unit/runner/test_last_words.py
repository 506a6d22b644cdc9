"""The termination message, which the kubelet cuts at 4096 bytes."""

from pathlib import Path

import pytest

from forge_core.exits import FailureClass
from forge_core.messages import Termination
from forge_runner import last_words


@pytest.mark.parametrize("character", ["x", "ü", "\N{PILE OF POO}", '"', "\\"])
def test_the_longest_words_fit_and_can_be_read(character: str) -> None:
    words = Termination(attempt=3, failure_class=FailureClass.TIMEOUT, message=character * 1024, stage="analysing")
    text = last_words.fitting(words)
    assert len(text.encode()) <= 4096
    read = Termination.decode(text)
    assert read
    assert read.failure_class is FailureClass.TIMEOUT
    assert len(read.message) >= 500


def test_where_they_cannot_be_written_nothing_happens(tmp_path: Path) -> None:
    last_words.write(tmp_path / "no such folder" / "termination-log", Termination(message="Goodbye."))
