"""TLS of what is served: versions, clients' certificates, silent clients, and files that change."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from logmetrics.errors import ConfigError
from logmetrics.serve import web as web_module
from logmetrics.serve.connections import Limits, shut
from logmetrics.serve.http import HttpServer, Request, Response
from logmetrics.serve.tls import shake_hands
from logmetrics.serve.web import Web
from tests.daemon import wait_until
from tests.web import Certificates

LIMITS = Limits()
BIG = b"x" * 10_000_000
VERIFIED = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"


def app(request: Request) -> Response:
    return Response(200, BIG if request.path == "/big" else b"hello\n")


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@contextmanager
def serving(web: Web, limits: Limits = LIMITS, said: list[str] | None = None) -> Iterator[HttpServer]:
    server = HttpServer(["127.0.0.1:0"], app, limits, (said if said is not None else []).append, web=web)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def address(server: HttpServer) -> tuple[str, int]:
    host, _, port = server.bound[0].rpartition(":")
    return host, int(port)


def get(server: HttpServer, context: ssl.SSLContext, path: str = "/") -> tuple[int, bytes]:
    with closing(http.client.HTTPSConnection(*address(server), timeout=10, context=context)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


@contextmanager
def connected(server: HttpServer, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """A connection on which an end without TLS' own goodbye is an error."""
    with (
        socket.create_connection(address(server), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False) as connection,
    ):
        yield connection


def served_certificate(server: HttpServer, context: ssl.SSLContext) -> bytes:
    with connected(server, context) as connection:
        found = connection.getpeercert(binary_form=True)
        assert found is not None
        return found


def test_answers_over_tls(certificates: Certificates) -> None:
    """Short and long ones, and several over one connection."""
    with serving(Web(str(certificates.web_config()), print)) as server:
        context = certificates.client()
        assert get(server, context) == (200, b"hello\n")
        assert get(server, context, "/big")[1] == BIG
        with closing(http.client.HTTPSConnection(*address(server), timeout=10, context=context)) as connection:
            for _ in range(3):
                connection.request("GET", "/")
                assert connection.getresponse().read() == b"hello\n"


def test_end_is_told(certificates: Certificates) -> None:
    """A client that reads to the end gets TLS' own goodbye, without which an answer may have been cut short."""
    with serving(Web(str(certificates.web_config()), print)) as server:
        with connected(server, certificates.client()) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            received = b""
            while part := connection.recv(4096):
                received += part
        assert received.endswith(b"hello\n")


@pytest.mark.parametrize(
    ("setting", "version", "works"),
    [
        ("", ssl.TLSVersion.TLSv1_2, True),
        ("", ssl.TLSVersion.TLSv1_3, True),
        ("  min_version: TLS13\n", ssl.TLSVersion.TLSv1_2, False),
        ("  min_version: TLS13\n", ssl.TLSVersion.TLSv1_3, True),
        ("  max_version: TLS12\n", ssl.TLSVersion.TLSv1_3, False),
        ("  max_version: TLS12\n", ssl.TLSVersion.TLSv1_2, True),
    ],
)
def test_versions(setting: str, version: ssl.TLSVersion, works: bool, certificates: Certificates) -> None:
    """Those from min_version to max_version, and no others."""
    context = certificates.client()
    context.minimum_version = context.maximum_version = version
    with serving(Web(str(certificates.web_config(setting)), print)) as server:
        if works:
            assert get(server, context)[0] == 200
        else:
            with pytest.raises(ssl.SSLError):
                get(server, context)


@pytest.mark.filterwarnings("ignore:.*TLSv1:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_not_offered(version: ssl.TLSVersion, certificates: Certificates) -> None:
    """Whatever the client would do for it."""
    context = certificates.client()
    context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    with serving(Web(str(certificates.web_config()), print)) as server, pytest.raises(ssl.SSLError):
        get(server, context)


def test_suites_and_curves(certificates: Certificates) -> None:
    """A client that shares none of them is not served."""
    suites = "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256]\n"
    tls = suites + "  max_version: TLS12\n  curve_preferences: [CurveP384]\n"
    with serving(Web(str(certificates.web_config(tls)), print)) as server:
        context = certificates.client()
        assert get(server, context)[0] == 200
        context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        with pytest.raises(ssl.SSLError):
            get(server, context)
        context = certificates.client()
        context.set_ecdh_curve("prime256v1")
        with pytest.raises(ssl.SSLError):
            get(server, context)


def test_clients_certificates(certificates: Certificates, tmp_path: Path) -> None:
    """Only those of the CA are let in, and what is wrong with others is told once."""
    said: list[str] = []
    with serving(Web(str(certificates.web_config(VERIFIED)), print), said=said) as server:
        assert get(server, certificates.client(*certificates.issue("prometheus")))[0] == 200
        for _ in range(2):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                get(server, certificates.client())
        with pytest.raises((ssl.SSLError, ConnectionError)):
            get(server, certificates.client(*certificates.issue("stranger", ca=trustme.CA())))
    assert said[0] == "http: no TLS with 127.0.0.1: peer did not return a certificate (told once for this reason)"
    assert [line.split(": ", 2)[2] for line in said[1:]] == [
        "the client's certificate: unable to get local issuer certificate (told once for this reason)"
    ]


def test_certificate_if_there_is_one(certificates: Certificates) -> None:
    """None is let in, a wrong one is not."""
    tls = VERIFIED.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")
    with serving(Web(str(certificates.web_config(tls)), print)) as server:
        assert get(server, certificates.client())[0] == 200
        assert get(server, certificates.client(*certificates.issue("prometheus")))[0] == 200
        with pytest.raises((ssl.SSLError, ConnectionError)):
            get(server, certificates.client(*certificates.issue("stranger", ca=trustme.CA())))


@pytest.mark.parametrize(
    ("names", "status"),
    [
        (("prom.example",), 200),
        (("other.example",), 403),
        (("other.example", "prom.example"), 200),
        (("10.0.0.1",), 200),
        (("fd00::1",), 200),
        (("admin@example.org",), 200),
        (("10.0.0.2",), 403),
    ],
)
def test_allowed_names(names: tuple[str, ...], status: int, certificates: Certificates) -> None:
    """One of the certificate's names must be one of those that are allowed: DNS, IP or e-mail."""
    tls = VERIFIED + "  client_allowed_sans: [prom.example, 10.0.0.1, 'fd00::1', admin@example.org]\n"
    with serving(Web(str(certificates.web_config(tls)), print)) as server:
        assert get(server, certificates.client(*certificates.issue(*names)))[0] == status


def test_plain_http_is_told_so(certificates: Certificates) -> None:
    """And whatever else is not TLS."""
    with serving(Web(str(certificates.web_config()), print)) as server:
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\0"):
            with socket.create_connection(address(server), timeout=10) as client:
                client.sendall(data)
                answer = b""
                while part := client.recv(4096):
                    answer += part
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 400 ")
            assert b"Content-Length: %d" % len(body) in head
            assert b"https://" in body


@pytest.mark.parametrize("begun", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_clients_that_do_not_finish_the_handshake(begun: bytes, certificates: Certificates) -> None:
    """Fifty of them hold nobody up, and are dropped when their time is over."""
    limits = replace(LIMITS, connections=8, request_timeout_s=0.5)
    with serving(Web(str(certificates.web_config()), print), limits) as server, ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(address(server), timeout=10)) for _ in range(50)]
        for client in clients[-8:]:
            client.sendall(begun)
        began_s = time.monotonic()
        assert get(server, certificates.client())[0] == 200
        assert time.monotonic() - began_s < 1
        wait_until(lambda: not server.connections._until_s)


def test_clients_that_are_idle_after_the_handshake(certificates: Certificates) -> None:
    """The time for a request goes for them too, and what they sent is never taken for plain text."""
    web, limits = Web(str(certificates.web_config()), print), replace(LIMITS, request_timeout_s=0.5)
    with serving(web, limits) as server, connected(server, certificates.client()) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises((ConnectionError, ssl.SSLError)):
            connection.recv(100)


def test_a_connection_that_is_shut_down_stays_encrypted(certificates: Certificates) -> None:
    """Its thread may still be about to read; what lies there must not reach it as if it were plain text."""
    web = Web(str(certificates.web_config()), print)
    ours, theirs = socket.socketpair()
    with web.wrapped(ours) as server, ThreadPoolExecutor(1) as threads:
        assert isinstance(server, ssl.SSLSocket)
        connecting = threads.submit(certificates.client().wrap_socket, theirs, server_hostname="localhost")
        assert shake_hands(server, frozenset())
        with connecting.result() as client:
            client.sendall(b"hello")
            shut(server, socket.SHUT_RDWR)
            assert server.recv(100) in (b"hello", b"")


def test_reload_is_all_or_nothing(certificates: Certificates) -> None:
    """New certificates at once; broken files change nothing, and the error says what is wrong."""
    path = certificates.web_config()
    web = Web(str(path), print)
    with serving(web) as server:
        context = certificates.client()
        first = served_certificate(server, context)
        certificates.renew()
        web.reload()
        second = served_certificate(server, context)
        assert second != first
        good = path.read_text()
        path.write_text(good + "basic_auth_users:\n  a: b\n")
        with pytest.raises(ConfigError, match="is no bcrypt hash"):
            web.reload()
        path.write_text(good.replace("server.pem", "missing.pem"))
        with pytest.raises(ConfigError, match=r"missing\.pem cannot be read"):
            web.reload()
        assert served_certificate(server, context) == second
        path.write_text("")
        web.reload()
        with closing(http.client.HTTPConnection(*address(server), timeout=10)) as connection:
            connection.request("GET", "/")
            assert connection.getresponse().status == 200


def test_renewed_certificate_is_noticed(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a reload; of a pair that is written half only that is said, once, and the old one stays."""
    monkeypatch.setattr(web_module, "LOOK_INTERVAL_S", 0.05)
    said: list[str] = []
    path = certificates.web_config()
    with serving(Web(str(path), said.append)) as server:
        context = certificates.client()
        first = served_certificate(server, context)
        certificate, key = certificates.issue("127.0.0.1", "localhost")
        certificate.replace(certificates.directory / "server.pem")

        def complaint() -> bool:
            assert served_certificate(server, context) == first
            return bool(said)

        wait_until(complaint)
        for _ in range(20):  # several more looks at what is still half
            assert served_certificate(server, context) == first
        assert [line.split(": ", 2)[1] for line in said] == ["tls_server_config.key_file"]
        assert said[0].endswith("; what was there before stays in force")
        key.replace(certificates.directory / "server.key")
        wait_until(lambda: served_certificate(server, context) != first)
        wait_until(lambda: len(said) == 2)
        assert said[1:] == [f"{path}: what changed is in force"]
