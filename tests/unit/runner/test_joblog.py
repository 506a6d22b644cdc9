"""The whole log of an attempt: clean and bounded."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from forge_core.messages import MAX_LINE
from forge_runner.joblog import Cleaner, JobLog

NOON = datetime(2026, 11, 24, 12, 0, 0, 123_000, tzinfo=UTC)


def log_of(lines: list[str], limit: int = 10_000) -> str:
    log = JobLog(Cleaner(), lambda _line: None, limit)
    for line in lines:
        log.add_at(NOON, line)
    return log.text().decode()


def test_each_line_carries_its_time() -> None:
    assert log_of(["cloned"]) == "2026-11-24T12:00:00.123Z cloned\n"


def test_a_log_that_fits_is_whole() -> None:
    assert log_of([str(n) for n in range(100)]).count("\n") == 100


def test_the_middle_of_a_long_log_is_left_out_and_counted() -> None:
    text = log_of([f"line {n}" for n in range(1000)], limit=2000)
    lines = text.splitlines()
    assert len(text) <= 2100
    assert lines[0].endswith("line 0")
    assert lines[-1].endswith("line 999")
    gap = next(line for line in lines if "left out" in line)
    assert int(gap.split()[1]) == 1000 - (len(lines) - 1)


@given(st.lists(st.text(max_size=300), max_size=60), st.integers(400, 3000))
def test_no_log_grows_beyond_its_limit_by_more_than_the_notice(lines: list[str], limit: int) -> None:
    assert len(log_of(lines, limit).encode()) <= limit + 60


def test_mounted_secrets_tokens_and_userinfo_are_taken_out() -> None:
    clean = Cleaner(("hunter2-the-password",))
    assert clean("fatal: hunter2-the-password was refused") == "fatal: *** was refused"
    assert clean("https://someone:pw@example.org/x") == "https://***@example.org/x"
    assert clean("Authorization: Bearer abcdefghijklmnop") == "Authorization: Bearer ***"


def test_a_secret_at_the_edge_of_a_cut_leaves_nothing_behind() -> None:
    clean = Cleaner(("hunter2-the-password",))
    cleaned = clean("x" * (MAX_LINE - 8) + "hunter2-the-password")
    assert "hunter2" not in cleaned


def test_a_terminal_is_not_commanded_by_a_files_name() -> None:
    assert Cleaner()("a\x1b[2Jb\x00\u2028c\td") == "a\\x1b[2Jb\\x00\\x2028c\td"


def test_several_lines_become_one() -> None:
    assert Cleaner()("first\nsecond") == "first second"


@given(st.text())
def test_a_cleaned_text_is_one_bounded_line(text: str) -> None:
    cleaned = Cleaner()(text, 100)
    assert len(cleaned) <= 100
    assert len(cleaned.splitlines()) <= 1
