"""Reasons are counted without what they say of one place, and a kind's figures stand beside the class of its queue."""

import yaml

from bench.refactoring import reasons
from bench.resources import judged, queue_of, sizes
from tests.conftest import ROOT


def test_the_same_reason_at_two_places_is_one() -> None:
    whys = {
        "extract": ["Complexity 21: it uses super, which may look.", "Complexity 7: it uses vars, which may look."],
        "fix": ["The file would have 12 findings instead of 9; new ones are of F401."],
    }
    dropped = [{"operation": operation, "why": why} for operation, listed in whys.items() for why in listed]
    assert reasons(dropped) == {
        "extract: it uses a name, which may look.": 2,
        "fix: The file would have N findings instead of N": 1,
    }


def test_each_queue_of_the_chart_has_a_class_to_compare_with() -> None:
    values = yaml.safe_load((ROOT / "helm/forge-jobs/values.yaml").read_text())
    for queue in values["queues"].values():
        given = sizes(values, queue_of(values, queue["jobType"]))
        assert given["class"] == queue["defaultResourceClass"]
        assert judged({"rss_mb": given["limits_memory"] / 2e6}, given)["headroom"] == 2.0
    assert sizes(values, queue_of(values, "analysis"), "large")["limits_cpu"] == 8.0
