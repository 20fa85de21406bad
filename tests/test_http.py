"""The HTTP server: what it answers, and that no client can hold it up."""

from __future__ import annotations

import gzip
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logmetrics.errors import LogmetricsError, UsageError
from logmetrics.serve.connections import Limits
from logmetrics.serve.http import HttpServer, Request, Response
from logmetrics.serve.negotiation import accepts_gzip, negotiate
from tests.daemon import wait_until

BIG = b"x" * (10 * 1024 * 1024)
LIMITS = Limits()


def app(request: Request) -> Response:
    if request.path == "/big":
        return Response(200, BIG)
    if request.path == "/echo":
        return Response(200, repr((request.query, request.headers.get("X-Test"))).encode())
    if request.path == "/broken":
        raise RuntimeError("secret")
    return Response(200, b"hello\n") if request.path == "/" else Response(404, b"not found\n")


@contextmanager
def serving(*addresses: str, limits: Limits = LIMITS, errors: list[str] | None = None) -> Iterator[HttpServer]:
    server = HttpServer(
        addresses or ("127.0.0.1:0",), app, limits, on_error=(errors if errors is not None else []).append
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()


def connect(server: HttpServer) -> socket.socket:
    host, _, port = server.bound[0].rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=10)


def get(
    server: HttpServer, path: str = "/", method: str = "GET", **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    host, _, port = server.bound[0].rpartition(":")
    with closing(http.client.HTTPConnection(host.strip("[]"), int(port), timeout=10)) as connection:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers


def raw(server: HttpServer, data: bytes) -> bytes:
    """Everything that comes back for *data* until the server closes."""
    with connect(server) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        received = b""
        while part := client.recv(65536):
            received += part
        return received


def test_get_and_head() -> None:
    """HEAD gives the headers of GET and no body; unknown paths are the app's business."""
    with serving() as server:
        status, body, headers = get(server)
        assert (status, body, headers["Content-Length"]) == (200, b"hello\n", "6")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Server" not in headers
        status, body, headers = get(server, method="HEAD")
        assert (status, body, headers["Content-Length"]) == (200, b"", "6")
        assert get(server, "/no")[0] == 404


def test_query_and_headers() -> None:
    """Query and headers reach the app; headers are looked up in any case."""
    with serving() as server:
        assert get(server, "/echo?a=1&a=%C3%BC&b=", x_test="y")[1] == repr(({"a": ["1", "ü"], "b": [""]}, "y")).encode()
        assert get(server, "/%65cho")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_other_methods(method: str) -> None:
    """Nothing but GET and HEAD."""
    with serving() as server:
        status, _, headers = get(server, method=method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_gzip_only_when_accepted_and_worth_it() -> None:
    """Small bodies go as they are; q=0 is a no."""
    with serving() as server:
        _, body, headers = get(server, "/big", accept_encoding="gzip")
        assert (headers["Content-Encoding"], gzip.decompress(body) == BIG) == ("gzip", True)
        assert headers["Vary"] == "Accept-Encoding"
        assert get(server, "/big", accept_encoding="gzip;q=0")[2]["Content-Encoding"] is None
        assert get(server, "/", accept_encoding="gzip")[2]["Content-Encoding"] is None


def test_keep_alive() -> None:
    """One connection takes many requests; it ends when the client says so."""
    with serving() as server, connect(server) as client:
        for _ in range(3):
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"hello\n"):
                answer += client.recv(4096)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        rest = b""
        while part := client.recv(4096):
            rest += part
        assert rest.endswith(b"hello\n")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + b"A: " + b"x" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"A: x\r\n" * 2000 + b"\r\n", 431),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 200),
    ],
)
def test_odd_requests(data: bytes, status: int) -> None:
    """Oversized and malformed requests get their answer, and the connection ends."""
    with serving() as server:
        assert raw(server, data).startswith(b"HTTP/1.1 %d " % status)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300))
def test_random_bytes_do_no_harm(data: bytes) -> None:
    """Whatever comes, the server goes on and nothing is reported."""
    errors: list[str] = []
    with serving(errors=errors) as server:
        raw(server, data)
        raw(server, b"GET / HTTP/1.1\r\n" + data + b"\r\n\r\n")
        assert get(server)[0] == 200
    assert errors == []


def test_app_failure_is_a_plain_500() -> None:
    """The client learns nothing; the operator gets one line."""
    errors: list[str] = []
    with serving(errors=errors) as server:
        status, body, _ = get(server, "/broken")
        assert (status, b"secret" in body) == (500, False)
        assert get(server)[0] == 200
    assert errors == ["http: GET '/broken' failed: RuntimeError('secret')"]


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HTT", b"GET / HTTP/1.1\r\nA: "], ids=["silent", "in the line", "in a header"]
)
def test_slow_clients_do_not_hold_it_up(begun: bytes) -> None:
    """More slow clients than connections: a good request is answered at once, and the slow ones are dropped."""
    limits = replace(LIMITS, connections=8, request_timeout_s=0.3)
    with serving(limits=limits) as server, ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(50)]
        for client in clients:
            with suppress(OSError):
                client.sendall(begun)
        assert get(server)[0] == 200
        for client in clients:
            assert _ended(client)


def test_drips_do_not_hold_it_up() -> None:
    """A byte now and then does not prolong the time for a request."""
    with serving(limits=replace(LIMITS, request_timeout_s=0.3)) as server, connect(server) as client:
        stop = threading.Event()

        def drip() -> None:
            with suppress(OSError):
                while not stop.wait(0.05):
                    client.sendall(b"G")

        dripping = threading.Thread(target=drip)
        dripping.start()
        assert _ended(client)
        stop.set()
        dripping.join()


def test_clients_that_do_not_read_are_dropped() -> None:
    """A large answer that is not taken does not hold a thread for ever."""
    limits = replace(LIMITS, answer_timeout_s=0.3, plain_bytes=10**9)
    with serving(limits=limits) as server, ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(connect(server))
            client.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: get(server)[0] == 200)
        wait_until(lambda: len(server.connections._until_s) == 0)


def test_several_addresses(tmp_path: Path) -> None:
    """IPv4, IPv6, a name and a unix socket, all at once; a stale socket is replaced, and removed at the end."""
    path = tmp_path / "metrics.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with serving("127.0.0.1:0", "[::1]:0", "localhost:0", f"unix:{path}") as server:
        assert server.bound[3] == f"unix:{path}"
        assert get(server)[0] == 200
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        with pytest.raises(LogmetricsError, match="in use"):
            HttpServer([f"unix:{path}"], app)
    assert not path.exists()


def test_port_in_use() -> None:
    """The message names the port and the way out."""
    with serving() as server, pytest.raises(LogmetricsError) as caught:
        HttpServer([server.bound[0]], app)
    assert server.bound[0] in str(caught.value)
    assert "--listen" in str(caught.value)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("address", ["", "8001", "localhost", "a:b:c", "127.0.0.1:99999", "unix:", "http://x:1"])
def test_malformed_address(address: str) -> None:
    """The message shows what is possible."""
    with pytest.raises(UsageError, match=r"127\.0\.0\.1:8001"):
        HttpServer([address], app)


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        (None, "text"),
        ("*/*", "text"),
        ("text/plain;version=0.0.4", "text"),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "openmetrics",
        ),
        ("text/plain;q=0.9, application/openmetrics-text;q=0.5", "text"),
        ("application/openmetrics-text;q=0, text/plain", "text"),
        ("application/openmetrics-text;version=2.0.0", "openmetrics"),
        ("application/json", "text"),
        (";;,=,q=", "text"),
    ],
)
def test_negotiation(accept: str | None, name: str) -> None:
    """The greatest q wins, and among equals the first."""
    chosen, content_type = negotiate(accept)
    assert (chosen, "openmetrics" in content_type) == (name, name == "openmetrics")


@pytest.mark.parametrize(
    ("header", "accepted"),
    [(None, False), ("gzip", True), ("deflate", False), ("*", True), ("gzip;q=0, *", False), ("GZIP ; q=0.5", True)],
)
def test_accepts_gzip(header: str | None, accepted: bool) -> None:
    """Named, or by the star."""
    assert accepts_gzip(header) is accepted


def test_stop_is_quick_and_final() -> None:
    """Stopping ends open connections and frees the port."""
    with serving() as server, connect(server) as client:
        get(server)
        server.stop()
        assert _ended(client)
        with pytest.raises(ConnectionRefusedError):
            connect(server)


def _ended(client: socket.socket) -> bool:
    """True once the server has closed the connection, answer or not."""
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:
        return True
    return True
