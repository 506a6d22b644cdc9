"""Names derived from names."""

import re

from hypothesis import given
from hypothesis import strategies as st

from forge_core.names import child_job_name, cut, job_hash, log_stream, progress_stream

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?", fullmatch=True)
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@given(NAMES, st.uuids())
def test_a_jobs_name_is_a_dns_label_and_the_same_each_time(name: str, uid: object) -> None:
    derived = child_job_name(name, str(uid))
    assert DNS_LABEL.fullmatch(derived)
    assert derived == child_job_name(name, str(uid))


@given(NAMES, st.uuids(), st.uuids())
def test_a_job_applied_again_under_the_same_name_gets_another_job(name: str, one: object, other: object) -> None:
    assert (child_job_name(name, str(one)) == child_job_name(name, str(other))) == (one == other)


@given(NAMES)
def test_a_cut_name_fits_a_label(name: str) -> None:
    assert len(cut(name)) <= 63
    assert cut(name) == name or len(name) > 63


def test_two_long_names_with_the_same_beginning_stay_apart() -> None:
    assert cut("a" * 80 + "x") != cut("a" * 80 + "y")


def test_names_with_a_dot_and_with_a_dash_get_different_jobs() -> None:
    assert child_job_name("a.b", "u") != child_job_name("a-b", "u")


def test_all_keys_of_a_tenant_carry_its_hash_tag() -> None:
    keys = (progress_stream("t"), job_hash("t", "u"), log_stream("t", "u"))
    assert all(key.startswith("forge:{t}:") for key in keys)
