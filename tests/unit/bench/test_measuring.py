"""What a job cost is the difference of two readings, shared by the jobs in between."""

from pathlib import Path

from bench.processors import times, used
from bench.seen import read
from forge_operator.digests import Kind
from forge_operator.metrics import Metrics

EXPOSITION = """
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total {cpu}
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 1.5e+08
# TYPE forge_operator_decide_seconds histogram
forge_operator_decide_seconds_bucket{{le="+Inf"}} {decisions}
forge_operator_decide_seconds_count {decisions}
forge_operator_decide_seconds_sum 0.5
# TYPE forge_kubernetes_writes_total counter
forge_kubernetes_writes_total{{verb="create",resource="jobs",outcome="done"}} {made}
forge_kubernetes_writes_total{{verb="create",resource="jobs",outcome="conflict"}} 5
forge_kubernetes_writes_total{{verb="patch",resource="leases",outcome="done"}} 7
"""


def test_a_reading_adds_up_what_was_sent_whatever_came_of_it() -> None:
    seen = read(EXPOSITION.format(cpu=3, decisions=9, made=10))
    assert seen.writes == {"create jobs": 15, "patch leases": 7}
    assert (seen.cpu_s, seen.rss_mb, seen.decisions) == (3, 150, 9)


def test_a_job_costs_what_grew_between_two_readings() -> None:
    before = read(EXPOSITION.format(cpu=3, decisions=9, made=10))
    cost = read(EXPOSITION.format(cpu=4, decisions=29, made=110)).since(before, jobs=100)
    assert cost["cpu_ms_per_job"] == 10
    assert cost["writes_per_job"] == {"create jobs": 1}
    assert cost["decisions"] == 20


def test_the_operators_own_metrics_have_the_names_that_are_read() -> None:
    metrics = Metrics(lambda: ())
    metrics.decide.observe(0.25)
    metrics.events.labels(Kind.POD.value, "watch").inc(3)
    seen = read(metrics.text().decode())
    assert (seen.decide_s, seen.decisions, seen.events) == (0.25, 1, {"Pod": 3})
    assert seen.cpu_s > 0
    assert seen.rss_mb > 0


def process(folder: Path, number: int, name: str, ticks: int, *words: str) -> None:
    """A process as /proc shows it."""
    (folder / str(number)).mkdir(exist_ok=True)
    fields = f"{number} ({name}) S 1 1 1 0 -1 4194304 9 0 0 0 {ticks} 0 0 0"
    (folder / str(number) / "stat").write_text(fields)
    (folder / str(number) / "cmdline").write_bytes("\0".join(words).encode())


def test_programs_are_told_by_name_and_python_ones_by_their_module(tmp_path: Path) -> None:
    process(tmp_path, 7, "kube-apiserver", 100)
    process(tmp_path, 8, "python", 0, "/usr/bin/python", "-m", "forge_operator", "")
    before = times(tmp_path)
    process(tmp_path, 7, "kube-apiserver", 300)
    process(tmp_path, 8, "python", 100, "/usr/bin/python", "-m", "forge_operator", "")
    process(tmp_path, 9, "etcd (old) x", 50)
    cost = used(before, times(tmp_path), objects=10)
    assert list(cost) == ["kube-apiserver", "forge_operator", "etcd (old) x"]
    assert cost["kube-apiserver"] == 2 * cost["forge_operator"] == 4 * cost["etcd (old) x"] > 0
