"""Refs as git takes them, from what a host advertises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_clones.refs import Advertised, advertised, is_commit_id, kept_as
from forge_core.git.location import check_ref

A, B, C = "a" * 40, "b" * 40, "c" * 40


def listing(**refs: str) -> str:
    return "".join(f"{oid}\t{name.replace('__', '/')}\n" for name, oid in refs.items())


@pytest.mark.parametrize(
    ("ref", "name"),
    [("main", "refs/heads/main"), ("refs/heads/main", "refs/heads/main"), ("heads/main", "refs/heads/main"),
     ("v1", "refs/tags/v1"), ("HEAD", "HEAD"), ("x/main", "refs/heads/x/main")],
)  # fmt: skip
def test_a_short_name_is_looked_for_where_git_looks(ref: str, name: str) -> None:
    text = listing(HEAD=A, refs__heads__main=A, refs__heads__x__main=B, refs__tags__v1=C, refs__remotes__origin__HEAD=B)
    found = advertised(ref, text)
    assert found is not None
    assert found.name == name


def test_a_tag_goes_before_a_branch_of_the_same_name() -> None:
    assert advertised("v1", listing(refs__heads__v1=A, refs__tags__v1=B)) == Advertised("refs/tags/v1", B)


def test_a_name_that_only_ends_so_is_another() -> None:
    assert advertised("main", listing(refs__heads__x__main=A)) is None


@pytest.mark.parametrize(
    "text", ["", "\n\n", "nonsense", f"{A} refs/heads/main", f"{A[:-1]}\trefs/heads/main", f"{A}\trefs/heads/main x",
             "warning: redirected\n", f"\x00{A}\trefs/heads/main"],
)  # fmt: skip
def test_lines_that_are_none_are_passed_over(text: str) -> None:
    assert advertised("main", text) is None


@given(st.text(max_size=300), st.text(max_size=60))
def test_whatever_a_host_says_is_read_or_passed_over(text: str, ref: str) -> None:
    found = advertised(ref, text)
    assert found is None or is_commit_id(found.oid)


@pytest.mark.parametrize(("text", "whether"), [(A, True), ("b" * 64, True), (A[:-1], False), (A.upper(), False)])
def test_a_whole_object_id_is_told_from_a_name(text: str, whether: bool) -> None:
    assert is_commit_id(text) is whether


@given(st.text(min_size=1, max_size=80))
def test_a_ref_is_kept_under_a_name_that_is_one_whatever_it_was(ref: str) -> None:
    assert check_ref(kept_as(ref)) == kept_as(ref)
    assert kept_as(ref) != kept_as(ref + "x")
