"""Where deliveries may go: hostile names and addresses, and what the chart allows."""

from collections.abc import Callable

import pytest

from forge_core.address import resolve
from forge_core.webhooks import Target
from forge_kinds.webhooks.guard import Checked, guarded
from forge_runner.report import Permanent, Transient

PUBLIC = "140.82.121.3"


class Names:
    """A resolver that has an answer for each time it is asked, and counts."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> tuple[str, ...]:
        self.asked.append((host, port))
        return self.answers.pop(0)


def answering(*addresses: str) -> Callable[[str, int], tuple[str, ...]]:
    return lambda _host, _port: addresses


def test_a_public_host_is_called_at_the_addresses_that_were_checked() -> None:
    found = guarded("https://Hooks.example.com/x", (), answering(PUBLIC, "2606:50c0:8000::153"))
    assert found == Checked(Target("https", "hooks.example.com", 443), (PUBLIC, "2606:50c0:8000::153"))


def test_a_name_is_asked_for_once_so_that_a_second_answer_changes_nothing() -> None:
    names = Names((PUBLIC,), ("169.254.169.254",))
    assert guarded("https://rebound.example/", (), names).addresses == (PUBLIC,)
    assert names.asked == [("rebound.example", 443)]


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",  # the cloud's metadata
        "10.96.0.1", "10.244.1.7", "172.18.0.2", "192.168.0.10", "100.64.0.1", "fd00:10:96::1",  # a cluster's own
        "127.0.0.1", "0.0.0.0", "::1", "::", "fe80::1", "fe80::1%eth0", "fec0::1", "224.0.0.1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.96.0.1", "::ffff:169.254.169.254", "::169.254.169.254",  # IPv4 within IPv6
        "64:ff9b::169.254.169.254", "64:ff9b::10.96.0.1", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1",  # NAT64, 6to4
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", [True, False], ids=["alone", "beside a public one"])
def test_a_host_with_any_address_that_is_not_public_is_refused(address: str, first: bool) -> None:
    addresses = (address,) if first else (PUBLIC, address)
    with pytest.raises(Permanent, match=r"not a public address.*webhooks\.allowedHosts"):
        guarded("https://inside.example/", (), answering(*addresses))


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/", "https://10.96.0.1/", "http://127.0.0.1/", "http://localhost/",
        "http://[::1]/", "http://[::ffff:169.254.169.254]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[fd00::1]/",
    ],
)  # fmt: skip
def test_an_address_written_into_the_url_is_refused_by_the_real_resolver_too(url: str) -> None:
    with pytest.raises(Permanent, match="not a public address"):
        guarded(url, (), resolve)


@pytest.mark.parametrize("host", ["0177.0.0.1", "2130706433", "0x7f000001", "127.1", "0xa9fea9fe", "2852039166"])
def test_an_address_in_disguise_is_never_resolved(host: str) -> None:
    names = Names()
    with pytest.raises(Permanent, match="in its usual form"):
        guarded(f"http://{host}/", (host,), names)
    assert not names.asked


@pytest.mark.parametrize("port", [22, 6379, 8080, 8443, 5432])
def test_other_ports_than_80_and_443_are_not_called(port: int) -> None:
    with pytest.raises(Permanent, match=rf"port {port} is not called.*hooks\.example:{port}"):
        guarded(f"https://hooks.example:{port}/", ("hooks.example", "hooks.example:1"), answering(PUBLIC))


def test_either_of_the_two_ports_goes_with_either_scheme() -> None:
    assert guarded("http://hooks.example:443/", (), answering(PUBLIC)).target.port == 443
    assert guarded("https://hooks.example:80/", (), answering(PUBLIC)).target.port == 80


def test_the_chart_may_allow_a_host_and_with_it_a_port() -> None:
    inside = answering("10.0.0.7")
    assert guarded("http://hooks.team.svc/", ("Hooks.team.svc",), inside).addresses == ("10.0.0.7",)
    assert guarded("http://hooks.team.svc:8080/", ("hooks.team.svc:8080",), inside).target.port == 8080
    assert guarded("http://[fd00::7]:8080/", ("[fd00::7]:8080",), answering("fd00::7")).target.host == "fd00::7"
    with pytest.raises(Permanent, match="not a public address"):
        guarded("http://hooks.team.svc/", ("hooks.team.svc:8080", "other.team.svc", "team.svc"), inside)


def test_a_host_that_cannot_be_found_may_be_there_the_next_time() -> None:
    for allowed in ((), ("hooks.example",)):
        with pytest.raises(Transient, match="has no address"):
            guarded("https://hooks.example/", allowed, answering())
