"""Rules, dashboards, monitors and runbooks: of one mind with what the programs expose."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
import yaml

from forge_core.exits import FailureClass
from forge_operator.scraped import GATE_REASONS, STATUS_WORDS
from tests.builders.chart import CHART, Manifest, only, refusal, render
from tests.builders.exposed import Exposed, exposed
from tests.builders.promql import Query, parse
from tests.conftest import ROOT

RULES: Final = CHART / "monitoring" / "rules.yaml"
BOARDS: Final = sorted((CHART / "monitoring" / "dashboards").glob("*.json"))
CASES: Final = sorted((Path(__file__).parent / "rules").glob("*.yaml"))
RUNBOOKS: Final = ROOT / "docs" / "runbooks"
TARGET: Final = frozenset({"namespace", "pod", "container", "instance", "job"})
"""Labels that a scrape sets."""
EVERYTHING: Final = {
    "monitoring": json.dumps({"enabled": True, "rulesFile": {"enabled": True}, "dashboards": {"enabled": True}})
}
PROMTOOL: Final = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: `make packages` does it")


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


ALERTS: Final = {rule["alert"]: rule for rule in rules() if "alert" in rule}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """(where, PromQL) of every rule and every panel."""
    for rule in rules():
        yield rule.get("alert") or rule["record"], rule["expr"]
    for path in BOARDS:
        for panel in panels(json.loads(path.read_text())):
            for target in panel["targets"]:
                yield f"{path.stem}: {panel['title']}", target["expr"]


EXPRESSIONS: Final = list(expressions())


@cache
def known() -> dict[str, Exposed]:
    """By the names that PromQL knows."""
    metrics = anyio.run(exposed)
    return {name: metric for metric in metrics for name in metric.series}


def labels_of(name: str) -> frozenset[str]:
    """The labels of a series. Raises AssertionError when nobody exposes it."""
    records = {rule["record"]: rule for rule in rules() if "record" in rule}
    if name in records:
        return frozenset(parse(records[name]["expr"]).grouped)
    if name.startswith("process_"):
        return TARGET
    assert name in known(), f"no program exposes {name}"
    return known()[name].all_labels | TARGET


# --- what rules and dashboards ask for is there ---


@pytest.mark.parametrize(
    ("where", "expression"), EXPRESSIONS, ids=[f"{at}-{w}" for at, (w, _) in enumerate(EXPRESSIONS)]
)
def test_every_metric_and_label_that_is_asked_for_is_exposed(where: str, expression: str) -> None:
    query = parse(expression)
    assert query.selectors, where
    there: set[str] = set()
    for selector in query.selectors:
        there |= labels_of(selector.name)
        for label, _, _ in selector.matchers:
            assert label in labels_of(selector.name), f"{selector.name} has no label {label}"
    assert query.grouped <= there
    if any(selector.name.endswith("_bucket") for selector in query.selectors):
        assert "le" in query.grouped


@pytest.mark.parametrize(
    ("where", "expression"), EXPRESSIONS, ids=[f"{at}-{w}" for at, (w, _) in enumerate(EXPRESSIONS)]
)
def test_counters_are_only_asked_for_their_increase(where: str, expression: str) -> None:
    for selector in parse(expression).selectors:
        counts = selector.name in known() and known()[selector.name].kind in {"counter", "histogram"}
        if counts or selector.name == "process_cpu_seconds_total":
            assert selector.within in {"rate", "increase"}, f"{where}: {selector.name} restarts at 0"


VALUES: Final[dict[str, set[str]]] = {
    "status": set(STATUS_WORDS.values()),
    "reason": {reason.value for reason in GATE_REASONS},
    "class": {each.value for each in FailureClass},
    "dependency": {"postgresql", "redis", "api"},
}


def words(query: Query) -> Iterator[tuple[str, str]]:
    for selector in query.selectors:
        for label, _, value in selector.matchers:
            if label in VALUES and not selector.name.startswith("forge_api_"):
                yield from ((label, word) for word in value.split("|"))


def test_a_value_that_is_asked_for_is_one_that_is_told() -> None:
    asked = {word for _, expression in EXPRESSIONS for word in words(parse(expression))}
    assert len(asked) > 10
    for label, word in asked:
        assert word in VALUES[label], f"no metric says {label}={word}"


# --- the rules ---


def promtool(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL
    command = [PROMTOOL, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@needs_promtool
@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_alerts_fire_when_they_should_and_are_silent_when_they_should(case: Path, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES.read_text())
    (tmp_path / "case.yaml").write_text(case.read_text())
    done = promtool(tmp_path, "test", "rules", "case.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_seen_to_fire_and_seen_to_be_silent(alert: str) -> None:
    seen = [
        bool(asked.get("exp_alerts"))
        for case in CASES
        for test in yaml.safe_load(case.read_text())["tests"]
        for asked in test["alert_rule_test"]
        if asked["alertname"] == alert
    ]
    assert {True, False} <= set(seen)


@needs_promtool
def test_promtool_takes_the_rules_and_every_expression_of_a_dashboard(tmp_path: Path) -> None:
    rendered = only(render(**EVERYTHING), "ConfigMap", "forge-rules")["data"]["forge-jobs.rules.yaml"]
    (tmp_path / "rules.yaml").write_text(rendered)
    made = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, (_, expression) in enumerate(EXPRESSIONS)
    ]
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": made}]}))
    done = promtool(tmp_path, "check", "rules", "--lint-fatal", "rules.yaml", "panels.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_happened_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    assert re.fullmatch(r"Forge[A-Za-z]+", alert)
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["for"]
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert notes["description"].endswith(".")
    page = ROOT / notes["runbook_url"]
    assert page.parent == RUNBOOKS
    assert page.is_file()
    told = set(re.findall(r"\$labels\.(\w+)", notes["summary"] + notes["description"]))
    assert told <= parse(rule["expr"]).grouped


# --- the runbooks ---

PAGES: Final = sorted(page for page in RUNBOOKS.glob("*.md") if page.name != "README.md")
SECTIONS: Final = ["What it means", "How to look", "What to do", "How it ends"]


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_a_runbook_has_its_four_sections_names_its_alerts_and_is_listed(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    leading_here = {
        alert for alert, rule in ALERTS.items() if rule["annotations"]["runbook_url"].endswith(f"/{page.name}")
    }
    assert set(re.findall(r"`(Forge[A-Z]\w+)`", text.split("## ")[0])) == leading_here
    assert leading_here
    assert f"({page.name})" in (RUNBOOKS / "README.md").read_text()
    assert "```" in text.split("## How to look")[1].split("## What to do")[0]


# --- the documentation ---


def test_the_table_of_metrics_is_what_the_programs_expose() -> None:
    text = (ROOT / "docs" / "operating.md").read_text().split("## Watching")[1].split("## Limits")[0]
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\| (.+) \|$", text, re.MULTILINE)
    told = {name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels, _ in rows}
    assert len(told) == len(rows)
    assert told == {
        metric.name + ("_total" if metric.kind == "counter" else ""): metric.labels for metric in known().values()
    }


@needs_promtool
def test_prometheus_takes_the_scrape_configuration_of_the_documentation(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "operating.md").read_text()
    [block] = re.findall(r"```yaml\n(  scrape_configs:.*?)```", text, re.DOTALL)
    # Debian's Prometheus is built without Kubernetes' discovery; all but that line can be checked.
    checked, changed = re.subn(r"kubernetes_sd_configs: .*", "static_configs: [{targets: [pod:8080]}]", block)
    assert changed == 1
    (tmp_path / "prometheus.yaml").write_text(checked)
    done = promtool(tmp_path, "check", "config", "prometheus.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


# --- the dashboards ---


@pytest.mark.parametrize("path", BOARDS, ids=[path.stem for path in BOARDS])
def test_a_dashboard_is_one_that_grafana_takes(path: Path) -> None:
    board = json.loads(path.read_text())
    assert board["uid"] == f"forge-jobs-{path.stem}"
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", board["uid"])
    assert board["schemaVersion"] >= 36
    assert "id" not in board, "a number that one Grafana gave it"
    assert "__inputs" not in board, "that of an export for sharing: a sidecar can't fill it in"
    variables = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", path.read_text()))
    assert used == variables
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    filled: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not cells & filled, f"{panel['title']} lies on another panel"
        filled |= cells


UNITS: Final = {"short", "s", "cpm", "ops", "reqps", "bytes", "percentunit", "bool_on_off"}
"""Of Grafana's own list."""
PANELS: Final = [(path.stem, panel) for path in BOARDS for panel in panels(json.loads(path.read_text()))]


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=[f"{board}: {panel['title']}" for board, panel in PANELS])
def test_a_panel_has_title_words_unit_and_a_legend_that_its_query_fills(board: str, panel: dict[str, Any]) -> None:
    assert panel["type"] in {"timeseries", "stat"}
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    references = [target["refId"] for target in panel["targets"]]
    assert len(references) == len(set(references)) >= 1
    for target in panel["targets"]:
        told = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        query = parse(target["expr"])
        recorded = {label for selector in query.selectors if ":" in selector.name for label in labels_of(selector.name)}
        assert told <= query.grouped | recorded, f"{board}: {panel['title']}: a legend that stays empty"


def test_each_dashboard_comes_as_a_configmap_that_grafanas_sidecar_looks_for() -> None:
    manifests = render(**EVERYTHING)
    for path in BOARDS:
        shipped = only(manifests, "ConfigMap", f"forge-dashboard-{path.stem}")
        assert shipped["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert json.loads(shipped["data"][f"forge-jobs-{path.name}"]) == json.loads(path.read_text())


# --- what the chart makes of them ---


def test_nothing_of_it_is_there_unless_it_is_asked_for() -> None:
    kinds = {manifest["kind"] for manifest in render()}
    assert not kinds & {"PrometheusRule", "PodMonitor"}
    assert "forge-rules" not in {manifest["metadata"]["name"] for manifest in render()}


def test_the_rules_file_and_the_prometheusrule_are_one_source() -> None:
    manifests = render(**EVERYTHING)
    plain = yaml.safe_load(only(manifests, "ConfigMap", "forge-rules")["data"]["forge-jobs.rules.yaml"])
    assert plain == only(manifests, "PrometheusRule", "forge-jobs")["spec"] == yaml.safe_load(RULES.read_text())


def test_objective_runbooks_and_labels_are_the_installations() -> None:
    given = {
        "enabled": True,
        "slaObjective": 0.999,
        "runbooks": "https://wiki.example/forge/",
        "labels": {"release": "p"},
    }
    manifests = render(monitoring=json.dumps(given))
    made = only(manifests, "PrometheusRule", "forge-jobs")
    text = json.dumps(made)
    assert text.count("(1 - 0.999)") == 4
    assert "0.99)" not in text.replace("0.999)", "")
    assert text.count('"runbook_url": "https://wiki.example/forge/') == len(ALERTS)
    labelled = [made, only(manifests, "PodMonitor", "forge-api"), only(manifests, "PodMonitor", "forge-operator")]
    assert all(manifest["metadata"]["labels"]["release"] == "p" for manifest in labelled)


@pytest.mark.parametrize("part", ["operator", "api"])
def test_what_is_scraped_is_a_port_of_the_pods_and_open_to_those_who_may_read_metrics(part: str) -> None:
    reader = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "observability"}}}
    manifests = render(networkPolicy__metricsFrom=json.dumps([reader]), **EVERYTHING)
    monitor = only(manifests, "PodMonitor", f"forge-{part}")["spec"]
    template = only(manifests, "Deployment", f"forge-{part}")["spec"]["template"]
    assert monitor["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    [endpoint] = monitor["podMetricsEndpoints"]
    assert endpoint["path"] == "/metrics"
    ports = {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0]["ports"]}
    policy = only(manifests, "NetworkPolicy", f"forge-{part}")
    assert ports[endpoint["port"]] in open_to(policy, reader)


def open_to(policy: Manifest, peer: dict[str, Any]) -> set[int]:
    """The ports that a policy opens to a peer that it names."""
    return {
        port["port"] for rule in policy["spec"]["ingress"] if peer in rule.get("from", ()) for port in rule["ports"]
    }


REFUSED: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "an objective that no burning could reach": ({"monitoring__slaObjective": 0.5}, "/monitoring/slaObjective"),
    "an objective in per cent": ({"monitoring__slaObjective": 99}, "/monitoring/slaObjective"),
    "an interval without a unit": ({"monitoring__interval": "30"}, "/monitoring/interval"),
    "an address with a quote": ({"monitoring__runbooks": 'https://a/"'}, "/monitoring/runbooks"),
    "a value that isn't there": ({"monitoring__rules": True}, "'rules' not allowed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_values_are_refused(case: str) -> None:
    settings, said = REFUSED[case]
    assert said in refusal(**settings)
