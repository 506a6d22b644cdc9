"""The CronJobs, the system tenant, and who may submit maintenance."""

import json

import pytest

from forge_core import names
from forge_core.maintenance import CLEANUP, STEPS, Task
from forge_operator.schedule import Schedule
from tests.builders.chart import Manifest, only, refusal, render

SYSTEM = "forge-system"


def cronjobs(**settings: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each["spec"] for each in render(**settings) if each["kind"] == "CronJob"}


def variables(spec: Manifest) -> dict[str, object]:
    [container] = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


def test_clean_up_is_daily_at_two_usage_hourly_and_the_purge_weekly() -> None:
    assert {name: (spec["schedule"], variables(spec)["FORGE_TASK"]) for name, spec in cronjobs().items()} == {
        "forge-clean-up": ("0 2 * * *", "retire-orphans"),
        "forge-usage": ("5 * * * *", "aggregate-usage"),
        "forge-purge": ("30 3 * * 0", "purge-history"),
    }


def test_no_schedule_overlaps_itself_and_each_keeps_the_time_zone_of_the_values() -> None:
    for spec in cronjobs(schedules__timeZone='"Europe/Berlin"').values():
        assert spec["concurrencyPolicy"] == "Forbid"
        assert spec["timeZone"] == "Europe/Berlin"
        template = spec["jobTemplate"]["spec"]
        assert template["template"]["spec"]["restartPolicy"] == "Never"
        assert template["ttlSecondsAfterFinished"] > 0, "Jobs made by hand go too"


def test_a_schedule_s_pod_is_given_what_its_program_reads() -> None:
    for name, spec in cronjobs().items():
        given = variables(spec)
        fields = {f"FORGE_{field.upper()}" for field in Schedule.model_fields}
        needed = {f"FORGE_{field.upper()}" for field, about in Schedule.model_fields.items() if about.is_required()}
        assert needed <= set(given) <= fields, name
        assert Task(str(given["FORGE_TASK"])) in STEPS
        assert given["FORGE_SYSTEM_NAMESPACE"] == SYSTEM
        path = {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/job-name']"}}
        assert given["FORGE_JOB_NAME"] == path


def test_a_schedule_may_be_left_out_suspended_or_given_another_time() -> None:
    jobs = {"usage": None, "purge": {"suspend": True}, "clean-up": {"cron": "30 1 * * *", "task": "retire-orphans"}}
    found = cronjobs(schedules__jobs=json.dumps(jobs))
    assert set(found) == {"forge-clean-up", "forge-purge"}
    assert found["forge-purge"]["suspend"] is True
    assert found["forge-clean-up"]["schedule"] == "30 1 * * *"


@pytest.mark.parametrize(
    "wrong",
    [{"usage": {"cron": "hourly"}}, {"usage": {"cron": "* * * *"}}, {"usage": {"task": "everything"}},
     {"new": {"cron": "0 0 * * *"}}, {"Bad Name": {"cron": "0 0 * * *", "task": "purge-history"}}],
)  # fmt: skip
def test_a_schedule_that_can_t_be_one_is_refused(wrong: dict[str, object]) -> None:
    assert "don't meet the specifications of the schema" in refusal(schedules={"jobs": wrong})


def test_the_schedules_account_may_list_and_create_jobs_of_the_system_tenant_and_nothing_else() -> None:
    manifests = render()
    role = only(manifests, "Role", "forge-schedules", SYSTEM)
    assert role["rules"] == [
        {"apiGroups": [names.GROUP], "resources": [names.ANALYSIS_JOBS], "verbs": ["list", "create"]}
    ]
    bound = [
        each["metadata"]["name"] for each in manifests
        if any(subject["name"] == "forge-schedules" for subject in each.get("subjects", ()))
    ]  # fmt: skip
    assert bound == ["forge-schedules"]


def test_the_system_tenant_is_a_tenant_as_all_and_only_its_namespace_may_use_the_cleanup_queue() -> None:
    manifests = render(tenants=json.dumps({"demo": {"namespace": "tenant-demo"}}))
    labels = only(manifests, "Namespace", SYSTEM)["metadata"]["labels"]
    assert (labels[names.TENANT_LABEL], labels[names.SYSTEM_LABEL]) == ("system", "true")
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert only(manifests, "NetworkPolicy", "forge-jobs", SYSTEM)
    assert names.SYSTEM_LABEL not in only(manifests, "Namespace", "tenant-demo")["metadata"]["labels"]
    queues = {each["metadata"]["name"]: each["spec"] for each in manifests if each["kind"] == "JobQueue"}
    assert [name for name, spec in queues.items() if spec["jobType"] == CLEANUP] == ["cleanup"]
    assert queues["cleanup"]["namespaceSelector"] == {"matchLabels": {names.SYSTEM_LABEL: "true"}}


def test_the_api_takes_maintenance_from_the_system_namespace_and_knows_how_long_things_are_kept() -> None:
    api = only(render(system__namespace='"ours"', history__retention='"4320h"'), "Deployment", "forge-api")
    [container] = api["spec"]["template"]["spec"]["containers"]
    given = {each["name"]: each.get("value") for each in container["env"]}
    assert given["FORGE_SYSTEM_NAMESPACE"] == "ours"
    assert (given["FORGE_HISTORY_RETENTION"], given["FORGE_ARTIFACT_RETENTION"]) == ("4320h", "720h")


def test_a_named_installation_has_a_system_namespace_of_its_own() -> None:
    found = render(installation='"second"')
    labels = only(found, "Namespace", "forge-system-second")["metadata"]["labels"]
    assert labels[names.INSTALLATION_LABEL] == "second"


def test_nobody_else_may_be_called_system() -> None:
    assert "give yours another name" in refusal(tenants={"system": {"namespace": "mine"}})
