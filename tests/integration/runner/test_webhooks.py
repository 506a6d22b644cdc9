"""Deliveries over real sockets: by the real program with its retries, and hostile receivers and names one by one."""

import base64
import datetime as dt
import json
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from forge_core.assignment import Assignment, Backoff
from forge_core.exits import Exit
from forge_kinds.webhooks.delivery import Options, work
from forge_runner.kinds import Result
from forge_runner.report import Permanent, Transient
from tests.integration.runner.conftest import PodMaker
from tests.integration.runner.standin import Ledger
from tests.services.receiver import Receiver, is_signed, receiving

PROGRAM = (sys.executable, "-m", "forge_runner")
NEW, OLD = (f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))
PAYLOAD = '{"type": "greeting",  "text": "grün"}'
CONFIG = {"messageId": "message-1", "payload": PAYLOAD}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


# --- the program, with its retries -------------------------------------------------------------------------------
def delivering(receiver: Receiver, path: str, **more: Any) -> dict[str, Any]:
    """Keywords of a pod that delivers to the receiver."""
    return {
        "kind": "webhooks", "program": PROGRAM, "attempts": 5, "config": CONFIG,
        "backoff": Backoff(type="exponential", delay=0.01, max_delay=1.0),
        "allowed_hosts": (f"127.0.0.1:{receiver.port}",),
        "secret": {"url": f"http://127.0.0.1:{receiver.port}{path}", "secret": NEW}, **more,
    }  # fmt: skip


def test_a_delivery_is_signed_and_keeps_what_was_answered(pod: PodMaker, ledger: Ledger, receiver: Receiver) -> None:
    runner = pod(**delivering(receiver, "/hook?body=thanks"))
    assert runner.end() == Exit.SUCCEEDED, runner.output
    (seen,) = receiver.received
    assert base64.b64decode(seen["body"]) == PAYLOAD.encode()
    assert is_signed(NEW, seen["headers"], PAYLOAD.encode())
    assert seen["headers"]["content-type"] == "application/json"
    assert seen["headers"]["host"] == f"127.0.0.1:{receiver.port}"
    assert ledger.outcomes[1].summary["response"]["status"] == 200
    assert ledger.outcomes[1].summary["response"]["body"] == "thanks"


def test_each_attempt_has_the_same_id_and_keeps_its_own_answer(
    pod: PodMaker, ledger: Ledger, receiver: Receiver
) -> None:
    runner = pod(**delivering(receiver, "/hook?answers=500,503,200&body=x"))
    assert runner.end() == Exit.SUCCEEDED, runner.output
    assert {seen["headers"]["webhook-id"] for seen in receiver.received} == {"message-1"}
    assert [ledger.outcomes[n].summary["response"]["status"] for n in (1, 2, 3)] == [500, 503, 200]
    assert [ledger.outcomes[n].status for n in (1, 2, 3)] == ["failed", "failed", "succeeded"]


def test_an_endpoint_that_is_gone_is_called_once(pod: PodMaker, ledger: Ledger, receiver: Receiver) -> None:
    runner = pod(**delivering(receiver, "/hook?answers=410"))
    assert runner.end() == Exit.PERMANENT, runner.output
    assert len(receiver.received) == 1
    assert ledger.outcomes[1].summary["response"]["status"] == 410


def test_retry_after_is_waited_for_within_the_queues_cap(pod: PodMaker, ledger: Ledger, receiver: Receiver) -> None:
    runner = pod(**delivering(receiver, "/hook?answers=429,200&retry-after=3600"))
    assert runner.end() == Exit.SUCCEEDED, runner.output
    first, second = receiver.received
    assert second["at"] - first["at"] >= 1.0  # the cap: longer than its backoff, much shorter than what was asked for
    assert ledger.outcomes[1].summary["response"]["status"] == 429


def test_no_secret_is_told_to_anybody(pod: PodMaker, ledger: Ledger, receiver: Receiver) -> None:
    secret = {"url": f"http://127.0.0.1:{receiver.port}/?answers=500&body={NEW}", "secret": NEW, "previous": OLD}
    runner = pod(**delivering(receiver, "", secret=secret, attempts=2))
    assert runner.end() == Exit.EXHAUSTED, runner.output
    told = runner.output + str(ledger.outcomes) + ledger.log_of(1) + runner.words.message
    for each in (NEW, OLD):
        assert each not in told
        assert each.removeprefix("whsec_").rstrip("=") not in told
    assert "***" in ledger.outcomes[1].summary["response"]["body"]


# --- one attempt, with names of our own --------------------------------------------------------------------------
class Quiet:
    """A report that is kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def progress(self, stage: str, percent: float, message: str = "") -> None:
        del stage, percent, message

    def log(self, line: str) -> None:
        self.lines.append(line)


Names = Callable[[str, int], tuple[str, ...]]


@pytest.fixture
def deliver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`deliver(url, allowed, names)`: one attempt in this process."""

    def once(url: str, allowed: tuple[str, ...], names: Names, timeout: float = 30.0) -> Result:
        for name, text in {"url": url, "secret": NEW}.items():
            (tmp_path / name).write_text(text)
        monkeypatch.setenv("FORGE_SECRET_PATH", str(tmp_path))
        assignment = Assignment(
            uid="u", name="n", tenant="t", queue="webhooks", kind="webhooks", attempts=5, timeout=timeout,
            config=CONFIG, allowed_hosts=allowed,
        )  # fmt: skip
        return work(assignment, tmp_path, Quiet(), Options(resolver=names))

    return once


Deliver = Callable[..., Result]


def test_a_name_that_leads_elsewhere_the_second_time_gains_nothing(deliver: Deliver) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(receiving("127.0.0.1"))
        second = stack.enter_context(receiving("127.0.0.2", first.port))
        answers = iter([("127.0.0.1",), ("127.0.0.2",), ("127.0.0.2",)])
        deliver(f"http://hooks.test:{first.port}/", (f"hooks.test:{first.port}",), lambda *_: next(answers))
        assert [seen["headers"]["host"] for seen in first.received] == [f"hooks.test:{first.port}"]
        assert not second.received
        assert next(answers) == ("127.0.0.2",)  # the name was asked for once


def test_an_address_that_does_not_answer_gives_way_to_the_next(deliver: Deliver, receiver: Receiver) -> None:
    names = lambda *_: ("127.0.0.3", "127.0.0.1")  # noqa: E731 - nobody listens on the first
    deliver(f"http://hooks.test:{receiver.port}/", (f"hooks.test:{receiver.port}",), names)
    assert len(receiver.received) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(deliver: Deliver, receiver: Receiver, status: int) -> None:
    with receiving("127.0.0.2") as inside:
        url = f"http://hooks.test:{receiver.port}/?answers={status}&location=http://127.0.0.2:{inside.port}/secrets"
        with pytest.raises(Permanent, match="redirects are not followed"):
            deliver(url, (f"hooks.test:{receiver.port}",), lambda *_: ("127.0.0.1",))
        assert not inside.received


def test_a_private_address_is_not_even_connected_to(deliver: Deliver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inside:
        inside.settimeout(0)
        port = inside.getsockname()[1]
        with pytest.raises(Permanent, match="not called"):
            deliver(f"http://127.0.0.1:{port}/", ("127.0.0.1",), lambda *_: ("127.0.0.1",))
        with pytest.raises(BlockingIOError):
            inside.accept()


def test_proxies_of_the_environment_are_not_used(
    deliver: Deliver, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving("127.0.0.2") as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            for each in (name, name.lower()):
                monkeypatch.setenv(each, f"http://127.0.0.2:{proxy.port}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        deliver(f"http://hooks.test:{receiver.port}/", (f"hooks.test:{receiver.port}",), lambda *_: ("127.0.0.1",))
        assert (len(receiver.received), len(proxy.received)) == (1, 0)


@contextmanager
def raw(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that answers one connection by hand; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                try:
                    answer(connection)
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")


def silent(connection: socket.socket) -> None:
    while connection.recv(4096):  # until the other side hangs up
        pass


def gibberish(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def dripping_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        connection.sendall(b"x" * 4096)


def test_of_an_endless_answer_the_first_kibibyte_is_kept(deliver: Deliver) -> None:
    with raw(endless) as port:
        result = deliver(f"http://hooks.test:{port}/", (f"hooks.test:{port}",), lambda *_: ("127.0.0.1",))
    assert result.summary["response"]["body"] == "x" * 1024


@pytest.mark.parametrize(
    ("answer", "sentence", "timeout"),
    [(silent, "did not answer within 1 s", 2.0), (gibberish, "broke off", 30.0), (dripping_headers, "broke off", 30.0)],
)
def test_whoever_does_not_answer_in_http_is_tried_again(
    deliver: Deliver, answer: Callable[[socket.socket], None], sentence: str, timeout: float
) -> None:
    with raw(answer) as port, pytest.raises(Transient, match=sentence) as failed:
        deliver(f"http://hooks.test:{port}/x", (f"hooks.test:{port}",), lambda *_: ("127.0.0.1",), timeout=timeout)
    assert failed.value.account["response"] is None
    assert "/x" not in str(failed.value)


# --- TLS ---------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's context for hooks.test, and the file of what to trust."""
    folder, key = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.test")]), dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, folder / "cert.pem"


def test_name_and_certificate_are_the_urls_though_an_address_is_connected_to(
    deliver: Deliver, tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = tls
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with receiving(tls=context) as receiver:
        place = f"hooks.test:{receiver.port}"
        deliver(f"https://{place}/", (place,), lambda *_: ("127.0.0.1",))
        assert asked == ["hooks.test"]
        assert json.loads(base64.b64decode(receiver.received[0]["body"]))["type"] == "greeting"


def test_a_certificate_of_another_name_is_not_trusted_and_nothing_is_sent(
    deliver: Deliver, tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with receiving(tls=context) as receiver:
        place = f"other.test:{receiver.port}"
        with pytest.raises(Transient, match="certificate that is not trusted"):
            deliver(f"https://{place}/", (place,), lambda *_: ("127.0.0.1",))
        assert not receiver.received
