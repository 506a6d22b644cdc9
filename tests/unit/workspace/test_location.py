"""What a repository's URL and ref may say."""

from collections.abc import Callable

import pytest

from forge_core.address import is_public, resolve
from forge_core.git.location import check_ref, locate
from forge_runner.report import Permanent, Transient


def answering(*addresses: str) -> Callable[[str, int], tuple[str, ...]]:
    return lambda _host, _port: addresses


PUBLIC = answering("140.82.121.3", "2606:50c0:8000::153")


def test_an_https_url_to_a_public_host_is_pinned_to_its_addresses() -> None:
    location = locate("https://GitHub.com/acme/shop.git", (), PUBLIC)
    assert (location.scheme, location.host, location.port) == ("https", "github.com", 443)
    assert location.pin == "github.com:443:140.82.121.3,[2606:50c0:8000::153]"


def test_http_is_for_hosts_that_the_chart_allows() -> None:
    assert locate("http://git-server/demo.git", ("git-server",)).pin == ""
    with pytest.raises(Permanent, match="must begin with https://"):
        locate("http://github.com/acme/shop.git", ("git-server",), PUBLIC)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("https://user:pass@github.com/a/b", "carries a user name or password"),
        ("https://user@github.com/a/b", "carries a user name or password"),
        ("https://@github.com/a/b", "carries a user name or password"),
        ("ext::sh -c whoami", "characters that a URL can't have"),
        ("ext::sh%20-c%20whoami", "transport helper"),
        ("fd::7/repository", "transport helper"),
        ("--upload-pack=touch%20x", "transport helper"),
        ("file:///etc", "must begin with https://"),
        ("ssh://git@github.com/a/b", "must begin with https://"),
        ("git://github.com/a/b", "must begin with https://"),
        ("git@github.com:a/b", "must begin with https://"),
        ("/srv/repository", "must begin with https://, not a path"),
        ("https://github.com", "needs a host and a path"),
        ("https:///a/b", "needs a host and a path"),
        ("https://github.com./a/b", "needs a host and a path"),
        ("https://git%68ub.com/a/b", "needs a host and a path"),
        ("https://github.com/a/b?ref=x", "query or fragment"),
        ("https://github.com/a/b#x", "query or fragment"),
        ("https://github.com\\@169.254.169.254/a", "characters that a URL can't have"),
        ("https://github.com/a\nb", "characters that a URL can't have"),
        ("https://gıthub.com/a/b", "characters that a URL can't have"),
        ("https://github.com:443:80/a", "can't be read"),
        ("https://[::1/a", "can't be read"),
    ],
)
def test_any_other_url_is_refused_with_what_to_write(url: str, sentence: str) -> None:
    with pytest.raises(Permanent, match=sentence):
        locate(url, (), PUBLIC)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.5.5", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
        "2002:7f00:1::1", "2001:db8::1", "::7f00:1", "::a00:1", "not an address",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(Permanent, match="not a public address"):
        locate("https://rebound.example/a", (), answering("140.82.121.3", address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "140.82.121.3", "2606:50c0:8000::153", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_a_public_address_is_public_however_it_is_written(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f.0.0.1", "017700000001", "0", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_a_loopback_address_in_disguise_is_refused(host: str) -> None:
    with pytest.raises(Permanent, match=r"not a public address|needs a host"):
        locate(f"https://{host}/a", ())


def test_a_host_that_is_allowed_may_have_any_address() -> None:
    assert locate("http://127.0.0.1:8080/a.git", ("127.0.0.1",)).port == 8080
    assert locate("https://Git.Internal/a.git", ("GIT.internal.",)).host == "git.internal"


def test_a_name_that_cannot_be_resolved_may_be_there_the_next_time() -> None:
    with pytest.raises(Transient, match="could not be found"):
        resolve("no-such-host.invalid", 443)
    with pytest.raises(Transient, match="has no address"):
        locate("https://github.com/a/b", (), answering())


@pytest.mark.parametrize(
    "ref", ["main", "release/1.0", "v1.2.3", "a" * 40, "feature_x", "HEAD", "refs/heads/main", "ünïcode"]
)
def test_a_ref_that_git_can_have_is_taken(ref: str) -> None:
    assert check_ref(ref) == ref


def test_no_ref_is_the_default_branch() -> None:
    assert check_ref("") == "HEAD"


@pytest.mark.parametrize(
    "ref",
    ["-x", "--upload-pack=x", "+main", "a:b", "a..b", "a b", "a\nb", "a~1", "a^", "a?", "a*", "a[", "a\\b", "@",
     "a@{1}", "/a", "a/", "a//b", "a.lock", ".a", "a/.b", "a.", "x" * 256],
)  # fmt: skip
def test_a_ref_that_git_cannot_have_is_refused(ref: str) -> None:
    with pytest.raises(Permanent, match="name a branch, a tag or a whole commit id"):
        check_ref(ref)
