"""What an endpoint's URL may say, and which events it listens to."""

import pytest

from forge_core.webhooks import BadUrl, Target, listens, target_of


@pytest.mark.parametrize(
    ("url", "target", "authority"),
    [
        ("https://Example.com/hooks?a=b", Target("https", "example.com", 443), "example.com"),
        ("https://example.com", Target("https", "example.com", 443), "example.com"),
        ("http://example.com:8080/", Target("http", "example.com", 8080), "example.com:8080"),
        ("https://a_b.example.com/", Target("https", "a_b.example.com", 443), "a_b.example.com"),
        ("https://xn--mnchen-3ya.example/", Target("https", "xn--mnchen-3ya.example", 443), "xn--mnchen-3ya.example"),
        ("https://8.8.8.8/", Target("https", "8.8.8.8", 443), "8.8.8.8"),
        ("https://[2606:4700::1]:8443/", Target("https", "2606:4700::1", 8443), "[2606:4700::1]:8443"),
    ],
)
def test_a_url_names_scheme_host_and_port(url: str, target: Target, authority: str) -> None:
    assert target_of(url) == target
    assert target.authority == authority


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("https://user:pass@example.com/", "user name or password"),
        ("https://example.com@169.254.169.254/", "user name or password"),
        ("https://@example.com/", "user name or password"),
        ("https://example.com\\@169.254.169.254/", "backslashes"),
        ("https://example.com/a b", "spaces"),
        ("https://example.com/\n", "control characters"),
        ("https://example.com/#x", "fragment"),
        ("https://example.com/#", "fragment"),
        ("https://münchen.example/", "xn--"),
        ("https://１２７.0.0.1/", "xn--"),
        ("https://example。com/", "xn--"),
        ("ftp://example.com/", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("gopher://example.com/", "must begin with https://"),
        ("example.com/hooks", "must begin with https://"),
        ("https:///hooks", "needs a host"),
        ("https://exa%6dple.com/", "needs a host"),
        ("https://example.com./", "needs a host"),
        ("https://-example.com/", "needs a host"),
        ("https://0177.0.0.1/", "needs a host"),
        ("https://0x7f.0.0.1/", "needs a host"),
        ("https://0x7f000001/", "needs a host"),
        ("https://2130706433/", "needs a host"),
        ("https://017700000001/", "needs a host"),
        ("https://127.1/", "needs a host"),
        ("https://10.0.0/", "needs a host"),
        ("https://1.2.3.4.5/", "needs a host"),
        ("https://example.0x7f/", "needs a host"),
        ("https://[fe80::1%25eth0]/", "needs a host"),
        ("https://[::1/", "can't be read"),
        ("https://example.com:80:80/", "can't be read"),
        ("https://example.com:99999/", "can't be read"),
        ("https://example.com:0/", "can't be 0"),
        ("https://example.com/" + "a" * 2048, "longer than"),
    ],
)
def test_any_other_url_is_refused_with_what_to_write(url: str, sentence: str) -> None:
    with pytest.raises(BadUrl, match=sentence):
        target_of(url)


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ((), True),
        (("*",), True),
        (("analysis.completed",), True),
        (("analysis.*",), True),
        (("cleanup.*", "analysis.completed"), True),
        (("analysis.failed",), False),
        (("analysis",), False),
        (("refactoring.*",), False),
    ],
)
def test_a_filter_names_an_event_a_kind_or_all(filters: tuple[str, ...], told: bool) -> None:
    assert listens(filters, "analysis.completed") is told
