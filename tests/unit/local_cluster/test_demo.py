"""What `make demo` tells of each kind's result; which kinds there are is known by their folders alone."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from forge_core.maintenance import Task
from forge_core.names import JOB_SECRET_PREFIX
from forge_kinds.refactoring.config import RefactoringConfig
from forge_kinds.test_generation.config import TestGenerationConfig
from forge_kinds.webhooks.config import DeliveryConfig
from tests.unit.local_cluster.test_clone import ROOT, _load

demo = _load(ROOT / "local-cluster" / "demo.py")
PARTS = sorted(path.parent.name for path in (ROOT / "job-images").glob("*/demo.py"))


def told(kind: str, summary: dict[str, Any], **artifacts: str) -> str:
    """What the kind's part prints of a summary; an artefact's name has an underscore for its dot."""
    console = Console(file=io.StringIO(), width=120)
    demo.part_of(kind).show(console, summary, lambda name: artifacts[name.replace(".", "_")])
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("kind", PARTS)
def test_a_kinds_part_has_all_that_the_demo_asks_for(kind: str) -> None:
    part = demo.part_of(kind)
    assert part.TENANT
    assert part.NAMESPACE
    assert isinstance(part.WANTS_REPOSITORY, bool)
    assert all(re.fullmatch(r"[a-z]+(/[a-z.]+)?", place) for place in part.LOOK_AT)
    assert callable(part.prepare)
    spec = part.spec("https://git.example.com/a.git" if part.WANTS_REPOSITORY else "")
    assert spec["queue"]
    assert ("repository" in spec) is part.WANTS_REPOSITORY


@pytest.mark.parametrize("kind", ["", "nothing", "../local-cluster", "forge_runner", "cleanup/../cleanup", "*"])
def test_a_kind_without_a_part_is_refused_with_those_that_have_one(kind: str) -> None:
    with pytest.raises(SystemExit) as refused:
        demo.part_of(kind)
    assert all(name in str(refused.value) for name in ("analysis", "cleanup", "refactoring", "webhooks"))


def test_a_new_kind_brings_its_part_and_nothing_else_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "line-count").mkdir()
    (tmp_path / "line-count" / "demo.py").write_text("TENANT = 'demo'\n")
    monkeypatch.setattr(demo, "KINDS", tmp_path)
    assert demo.part_of("line-count").TENANT == "demo"


def test_an_analysis_ends_with_its_score_and_what_to_do() -> None:
    each = {
        "title": "Split it", "rule": "C901", "count": 1, "severity": "medium", "pointsGained": 1.5, "effortMinutes": 30,
        "firstStep": "Begin with a.py.",
    }  # fmt: skip
    dimensions = {"complexity": {"grade": "C", "value": 61.2, "findings": 1234}}
    score = {"grade": "B", "value": 81.4, "dimensions": dimensions}
    said = told("analysis", {"score": score, "codeLines": 118000, "recommendations": [each] * 9})
    assert "Score B (81 of 100), 118,000 lines of code" in said
    assert "1,234" in said
    assert "5. Split it (C901, once, medium): +1.50 points for about 30 min\n   Begin with a.py." in said
    assert "6. " not in said
    assert "Since" not in said


def test_an_analysis_tells_the_gravest_of_what_is_new_since_the_release_before() -> None:
    score = {"grade": "B", "value": 81.4, "dimensions": {}}
    baseline = {"ref": "v1", "score": 80.0, "new": {"total": 2}, "fixed": {"total": 1}, "unchanged": 4}

    def found(message: str, severity: str, state: str = "new", **more: Any) -> dict[str, Any]:
        place = {"rule": "R1", "path": "a.py", "line": 7}
        return {"message": message, "severity": severity, "state": state} | place | more

    results = [
        found("is lesser", "low"), found("is [grave]", "high"), found("is old", "critical", "unchanged"),
        found("is meant", "critical", suppressed=True),
    ]  # fmt: skip
    summary = {"score": score, "codeLines": 118000, "recommendations": [], "baseline": baseline}
    said = told("analysis", summary, report_json=json.dumps({"results": results}))
    assert "Since v1 (score 80): 2 new findings, 1 fixed, 4 unchanged" in said
    assert said.index("high: is [grave] (R1)\n      a.py:7") < said.index("low: is lesser (R1)")
    assert "is old" not in said
    assert "is meant" not in said


def test_an_analysis_is_compared_where_a_release_before_is_known() -> None:
    spec = demo.part_of("analysis").spec
    assert spec("https://git.example.com/a.git", "v1")["config"] == {"baseline": {"ref": "v1"}}
    assert "config" not in spec("https://git.example.com/a.git", "")


def test_a_clean_up_ends_with_what_was_done_and_what_was_freed() -> None:
    said = told("cleanup", {"changed": {"hours": 3, "jobs": 1200, "artifacts": 4, "kept": 2}})
    done, freed = said.split("Freed:")
    assert "3  hours summed up" in done
    assert "2  jobs past their time kept" in done
    assert "1,200  rows of jobs" in freed
    assert "4  rows of artifacts" in freed


def test_a_clean_up_that_found_nothing_says_so() -> None:
    said = told("cleanup", {"changed": {}})
    assert "summed up before" in said
    assert "nothing is past its time yet" in said


def test_a_clean_up_asks_for_a_task_that_there_is() -> None:
    assert demo.part_of("cleanup").spec("")["config"]["task"] in set(Task)


PATCH = """\
diff --git a/src/a.py b/src/a.py
index 1..2 100644
--- a/src/a.py
+++ b/src/a.py
@@ -1,3 +1,3 @@ class A[T]:
-import os
+--- looks like a header
+++ so does this
 [bold]left as it is[/bold]
@@ -9 +9 @@
-x
+y
@@ -19 +19 @@
-third
+hunk
diff --git a/b c.py b/b c.py
--- a/b c.py
+++ b/b c.py
@@ -1 +0,0 @@
-gone
"""
REFACTORED = {
    "message": "5 changes in 2 files.", "commit": "0123456789abcdef", "findings": {"before": 1200, "after": 7},
    "changes": {"byRule": {"UP007": 3, "I001": 2}}, "patch": {"artifact": "changes.patch"},
}  # fmt: skip


def test_a_refactoring_ends_with_its_patch_and_how_to_have_it() -> None:
    said = told("refactoring", REFACTORED, changes_patch=PATCH)
    assert "5 changes in 2 files.\nBy rule: UP007 3, I001 2\nFindings: 1,200 before, 7 after" in said
    assert re.search(r"^src/a\.py +\+4 +-3$", said, re.MULTILINE)
    assert re.search(r"^b c\.py +\+0 +-1$", said, re.MULTILINE)
    assert "--- a/src/a.py\n+++ b/src/a.py\n@@ -1,3 +1,3 @@ class A[T]:\n-import os\n" in said
    assert "[bold]left as it is[/bold]" in said
    assert "@@ -9 +9 @@\n-x\n+y\n\nThe patch is proven to apply to commit 0123456789ab" in said
    assert "git apply --index" in said


def test_of_a_long_hunk_the_beginning_is_shown_and_of_many_files_those_that_changed_most() -> None:
    hunk = "".join(f"+line {number}\n" for number in range(500))
    patch = "".join(
        f"diff --git a/{name}.py b/{name}.py\n--- a/{name}.py\n+++ b/{name}.py\n@@ -0,0 +1 @@\n{hunk * size}"
        for size, name in enumerate("abcdefghijkl", 1)
    )
    said = told("refactoring", REFACTORED, changes_patch=patch)
    assert "The patch changes 12 files, most of all:" in said
    assert re.search(r"^l\.py +\+6,000 +-0$", said, re.MULTILINE)
    assert "\na.py " not in said
    assert "+line 13\n" in said
    assert "+line 14\n" not in said


def test_a_refactoring_that_found_nothing_to_change_asks_for_no_patch() -> None:
    summary = {**REFACTORED, "message": "Nothing to change in 3 files.", "changes": {"byRule": {}}, "patch": {}}
    said = told("refactoring", summary)
    assert "Nothing to change in 3 files." in said
    assert "By rule" not in said
    assert "changes.patch" not in said


def test_what_a_refactoring_asks_for_is_what_the_kind_knows() -> None:
    assert RefactoringConfig.read(
        demo.part_of("refactoring").spec("https://git.example.com/a.git")["config"]
    ).operations


def test_a_delivery_is_one_that_the_kind_takes_with_an_id_of_its_own() -> None:
    specs = [demo.part_of("webhooks").spec("") for _ in range(2)]
    for spec in specs:
        DeliveryConfig.read(spec["config"])
        assert spec["secretRef"]["name"].startswith(JOB_SECRET_PREFIX)
    assert specs[0]["config"]["messageId"] != specs[1]["config"]["messageId"]


def delivered(status: int, forged: str) -> str:
    """What is told of a call that the receiver answered so."""
    headers = {"webhook-id": "demo-1", "webhook-timestamp": "1790000000", "webhook-signature": "v1,abc="}
    call = {"path": "/p", "status": status, "headers": headers, "body": base64.b64encode(b'{"a": "[red]"}').decode()}
    console = Console(file=io.StringIO(), width=120)
    demo.part_of("webhooks").tell(console, {"response": {"status": status, "seconds": 0.123}}, call, forged)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_delivery_ends_with_what_the_receiver_got_and_thinks_of_it() -> None:
    said = delivered(200, "401")
    assert "  POST /p\n  webhook-id: demo-1\n" in said
    assert '  webhook-signature: v1,abc=\n  {"a": "[red]"}\n' in said
    assert "signature: genuine (200)" in said
    assert "forged signature: refused (401)" in said
    assert "answered 200 after 0.12 s" in said


def test_a_receiver_that_takes_everything_is_not_praised() -> None:
    said = delivered(401, "200")
    assert "NOT genuine (401)" in said
    assert "NOT refused (200)" in said


def test_the_local_installation_lets_deliveries_to_the_demos_receiver() -> None:
    part = demo.part_of("webhooks")
    [namespace, script, service, deployment] = yaml.safe_load_all(part.manifests("example.com/image:1"))
    assert f"{service['metadata']['name']}.{namespace['metadata']['name']}.svc" == part.HOST
    assert deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    pod = deployment["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "example.com/image:1"
    assert pod["volumes"][0]["configMap"]["name"] == script["metadata"]["name"]
    assert script["data"]["receiver.py"] == (ROOT / "tests/services/receiver.py").read_text()
    values = yaml.safe_load((ROOT / "helm/forge-jobs/values-local.yaml").read_text())
    assert part.HOST in values["webhooks"]["allowedHosts"]
    assert {"kubernetes.io/metadata.name": part.RECEIVER} in [
        to["namespaceSelector"]["matchLabels"] for rule in values["networkPolicy"]["runnerEgress"] for to in rule["to"]
    ]


NEW_TESTS = """\
diff --git a/tests/generated/test_generated_a.py b/tests/generated/test_generated_a.py
new file mode 100644
--- /dev/null
+++ b/tests/generated/test_generated_a.py
@@ -0,0 +1,14 @@
+\"\"\"Characterisation tests of a: what it does today.
+\"\"\"
+
+import a
+
+
+# Characterisation. Covers what nothing covered before: lines 2-3 of a.py.
+def test_f():
+    assert a.f([1]) == "[bold]"
+
+
+# Characterisation. Covers what nothing covered before: lines 5 of a.py.
+def test_g():
+    assert a.g() == 1
"""


def figures(lines: float, branches: float) -> dict[str, Any]:
    parts = {"lines": lines, "branches": branches}
    return {name: {"covered": round(percent), "of": 100, "percent": percent} for name, percent in parts.items()}


GENERATED: dict[str, Any] = {
    "message": "2 tests raise line coverage from 38.2 % to 61.0 %.", "commit": "0123456789abcdef",
    "dropped": {"total": 9, "byWhy": {"it asserts nothing": 8, "it fails": 1}}, "patch": {"artifact": "tests.patch"},
    "coverage": {"files": [
        {"path": "little.py", "before": figures(10, 0), "after": figures(11, 0)},
        {"path": "a[1].py", "before": figures(38.2, 20), "after": figures(61, 35.5)},
    ]},
}  # fmt: skip


def test_a_test_generation_ends_with_its_gain_and_the_first_test() -> None:
    said = told("test-generation", GENERATED, tests_patch=NEW_TESTS)
    assert "2 tests raise line coverage from 38.2 % to 61.0 %." in said
    assert "Dropped: 8 because it asserts nothing, 1 because it fails" in said
    assert re.search(r"^a\[1\]\.py +38\.2 % +61 % +20 % +35\.5 %$", said, re.MULTILINE)
    assert said.index("a[1].py") < said.index("little.py")
    assert "# Characterisation. Covers what nothing covered before: lines 2-3 of a.py.\ndef test_f():\n" in said
    assert 'assert a.f([1]) == "[bold]"' in said
    assert "test_g" not in said
    assert "git apply --index" in said


def test_a_test_generation_that_kept_nothing_ends_with_why() -> None:
    nothing = {**GENERATED, "message": "No test was found.", "patch": {}}
    said = told("test-generation", nothing)
    assert said.strip().startswith("No test was found.")
    assert "git apply" not in said


def test_a_test_generation_asks_for_what_its_config_takes() -> None:
    assert TestGenerationConfig.read(demo.part_of("test-generation").spec("https://git.test/a.git")["config"])
