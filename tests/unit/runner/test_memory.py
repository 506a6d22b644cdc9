"""The kernel's own words about memory, in both forms."""

from pathlib import Path

from forge_runner import memory


def test_version_2_is_read(tmp_path: Path) -> None:
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n")
    (tmp_path / "memory.max").write_text("536870912\n")
    assert memory.oom_kills(tmp_path) == 2
    assert memory.limit_bytes(tmp_path) == 512 * 1024 * 1024


def test_version_1_is_read(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory/memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n")
    (tmp_path / "memory/memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert memory.oom_kills(tmp_path) == 5
    assert memory.limit_bytes(tmp_path) is None


def test_no_limit_and_no_cgroup_are_not_known(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.oom_kills(tmp_path) == 0
    assert memory.limit_bytes(tmp_path) is None
