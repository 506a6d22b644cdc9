"""Two clones on one machine never meet under one name or port; what is built is found again while it is the same."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def _load(path: Path):  # type: ignore[no-untyped-def]  # programs that stand alone, in folders that are no packages
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


clone = _load(ROOT / "local-cluster" / "clone.py")


def test_two_clones_have_two_cluster_names_and_one_clone_always_the_same() -> None:
    here, there = Path("/home/me/forge"), Path("/tmp/forge")
    assert clone.cluster_name(here) == clone.cluster_name(here)
    assert clone.cluster_name(here) != clone.cluster_name(there)


def test_the_name_of_the_longest_path_is_short_enough_for_a_host_name() -> None:
    assert len(clone.cluster_name(Path("/" + "x" * 4000)) + "-control-plane") <= 63


def test_the_usual_port_is_taken_when_it_is_free() -> None:
    assert clone.api_port(Path("/a"), lambda _port: True) == 8080


def test_another_port_of_the_clones_own_is_taken_when_the_usual_one_is_not_free() -> None:
    ports = {clone.api_port(Path(f"/{name}"), lambda port: port != 8080) for name in "abcdef"}
    assert len(ports) > 1
    assert all(port in clone.OTHER_PORTS for port in ports)


def test_a_taken_port_is_passed_over_to_the_end_of_the_range_and_round() -> None:
    taken = set(clone.OTHER_PORTS) - {18080} | {8080}
    assert clone.api_port(Path("/a"), lambda port: port not in taken) == 18080


def test_no_free_port_at_all_is_an_error_and_not_an_endless_search() -> None:
    with pytest.raises(RuntimeError, match="no free port"):
        clone.api_port(Path("/a"), lambda _port: False)


def test_the_clusters_configuration_differs_from_the_file_only_in_the_port() -> None:
    source = (ROOT / "kind-config.yaml").read_text()
    assert clone.kind_config(source, 8080) == source
    changed = clone.kind_config(source, 18123)
    assert changed.replace("hostPort: 18123", "hostPort: 8080") == source
    assert "hostPort: 18123" in changed


def test_a_configuration_without_the_port_is_refused() -> None:
    with pytest.raises(ValueError, match="8080"):
        clone.kind_config("nodes: []", 18123)


def test_the_same_files_have_the_same_key_wherever_they_lie(tmp_path: Path) -> None:
    for clone_of in ("one", "two"):
        (tmp_path / clone_of / "kube").mkdir(parents=True)
        (tmp_path / clone_of / "kube" / "main.go").write_text("package main")
    assert clone.content_key([tmp_path / "one"]) == clone.content_key([tmp_path / "two"])


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.write_text("package other"),
        lambda file: file.rename(file.with_name("other.go")),
        lambda file: file.chmod(0o755),
        lambda file: file.with_name("more.go").write_text(""),
    ],
    ids=["bytes", "name", "mode", "another file"],
)
def test_a_change_makes_another_key(tmp_path: Path, change) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "main.go"
    file.write_text("package main")
    before = clone.content_key([tmp_path], "v1")
    change(file)
    assert clone.content_key([tmp_path], "v1") != before


def test_another_version_makes_another_key(tmp_path: Path) -> None:
    assert clone.content_key([tmp_path], "v1") != clone.content_key([tmp_path], "v2")


def test_moving_a_letter_from_one_part_to_the_next_makes_another_key() -> None:
    assert clone.digest("ab", "c") != clone.digest("a", "bc")
