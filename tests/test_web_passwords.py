"""Who is let in by name and password, and what guessing costs."""

from __future__ import annotations

import base64
import http.client
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from logmetrics.serve import passwords as passwords_module
from logmetrics.serve.http import HttpServer, Request, Response
from logmetrics.serve.passwords import WAITING_PER_CLIENT_MAX, Passwords, TooManyChecks, credentials
from logmetrics.serve.web import OPEN_PATHS, Web
from tests.daemon import Daemon, free_port, wait_until
from tests.test_prometheus import query
from tests.web import PASSWORD, Certificates, basic, hash_of


def app(request: Request) -> Response:
    return Response(200, b"secret\n") if request.path == "/metrics" else Response(404, b"not found\n")


@contextmanager
def serving(path: Path) -> Iterator[HttpServer]:
    server = HttpServer(["127.0.0.1:0"], app, web=Web(str(path), print))
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def web_config(tmp_path: Path) -> Path:
    path = tmp_path / "web.yaml"
    path.write_text(f"basic_auth_users:\n  prom: {hash_of()}\n  ümit: {hash_of('pässword')}\n")
    return path


def ask(
    server: HttpServer, path: str = "/metrics", authorization: str | None = None, method: str = "GET"
) -> tuple[int, bytes, http.client.HTTPMessage]:
    host, _, port = server.bound[0].rpartition(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=10)) as connection:
        connection.request(method, path, headers={} if authorization is None else {"Authorization": authorization})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Bearer " + basic().split()[1],
        basic(password="wrong"),
        basic(user="nobody"),
        basic(user=""),
        basic(password=""),
        basic(password="x" * 4000),
        "Basic " + base64.b64encode(b"prom").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        basic() + ", " + basic(),
        pytest.param(basic(user="prom", password=hash_of()), id="the hash"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_nothing_without_credentials(authorization: str | None, method: str, web_config: Path) -> None:
    """401 for every path, also those that do not exist, and no word of what is there."""
    with serving(web_config) as server:
        for path in (
            "/",
            "/metrics",
            "/api/status",
            "/nothing",
            "/healthz/",
            "/metrics?x=/healthz",
            "/%2e/healthz",
            "//healthz",
        ):
            status, body, headers = ask(server, path, authorization, method)
            assert (status, b"secret" in body) == (401, False)
            assert headers["WWW-Authenticate"] == 'Basic realm="logmetrics", charset="UTF-8"'


def test_refused_head_has_no_body(web_config: Path) -> None:
    """As any answer to HEAD."""
    with serving(web_config) as server:
        host, _, port = server.bound[0].rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(b"HEAD /metrics HTTP/1.1\r\n\r\n")
            received = b""
            while part := client.recv(4096):
                received += part
    assert received.startswith(b"HTTP/1.1 401 ")
    assert received.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("path", sorted(OPEN_PATHS))
def test_health_is_open(path: str, web_config: Path) -> None:
    """Also to whoever has a wrong password, which is not even looked at."""
    with serving(web_config) as server:
        assert ask(server, path)[0] == 404  # of this app
        assert ask(server, path, basic(password="wrong"), "HEAD")[0] == 404


def test_right_password(web_config: Path) -> None:
    """Each user's own; hashes of htpasswd ($2y$) too."""
    web_config.write_text(web_config.read_text().replace("$2b$", "$2y$"))
    with serving(web_config) as server:
        assert ask(server, authorization=basic())[:2] == (200, b"secret\n")
        assert ask(server, authorization=basic("ümit", "pässword"))[0] == 200
        assert ask(server, authorization=basic("ümit"))[0] == 401
        assert ask(server, "/nothing", basic())[0] == 404


def test_headers_of_the_file(web_config: Path) -> None:
    """They come with each answer, in place of the app's own; an empty one is none."""
    header = (
        "http_server_config:\n  headers: {X-Frame-Options: deny, X-XSS-Protection: '', Content-Security-Policy: a}\n"
    )
    web_config.write_text(web_config.read_text() + header)
    with serving(web_config) as server:
        for authorization in (None, basic()):
            headers = ask(server, authorization=authorization)[2]
            assert headers.get_all("X-Frame-Options") == ["deny"]
            assert headers.get_all("Content-Security-Policy") == ["a"]
            assert "X-XSS-Protection" not in headers


def test_new_users_are_in_force_at_once(web_config: Path) -> None:
    """After a reload; a verdict on the old hash is worth nothing."""
    with serving(web_config) as server:
        assert ask(server, authorization=basic())[0] == 200
        web_config.write_text(f"basic_auth_users:\n  prom: {hash_of('new')}\n")
        assert server.web is not None
        server.web.reload()
        assert ask(server, authorization=basic())[0] == 401
        assert ask(server, authorization=basic(password="new"))[0] == 200


def test_a_verdict_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """One check for each password, right or wrong; so many wrong ones displace no right one."""
    checks: list[bytes] = []
    check = bcrypt.checkpw

    def counted(password: bytes, digest: bytes) -> bool:
        checks.append(password)
        return check(password, digest)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    monkeypatch.setattr(passwords_module, "WRONG_MAX", 10)
    passwords, users = Passwords(), {"prom": hash_of().encode()}
    for _ in range(3):
        assert passwords.are_right(users, "prom", PASSWORD.encode(), "1")
        assert not passwords.are_right(users, "prom", b"wrong", "1")
    assert len(checks) == 2
    for number in range(50):
        assert not passwords.are_right(users, "prom", b"%d" % number, "1")
    assert passwords.are_right(users, "prom", PASSWORD.encode(), "1")
    assert len(checks) == 52
    assert (len(passwords._wrong), len(passwords._right)) == (10, 1)
    # What is kept is no password and no digest that anybody else could make.
    assert all(len(mark) == 32 and mark not in (PASSWORD.encode(), b"wrong") for mark in passwords._right)


def test_user_and_password_are_not_mixed_up() -> None:
    """Two pairs that read the same when put together are two."""
    passwords, users = Passwords(), {"ab": hash_of("c").encode(), "a": hash_of("x").encode()}
    assert passwords.are_right(users, "ab", b"c", "1")
    assert not passwords.are_right(users, "a", b"bc", "1")


def test_unknown_users_cost_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash of the same cost is computed for them."""
    costs: list[bytes] = []
    monkeypatch.setattr(bcrypt, "checkpw", lambda _, digest: costs.append(digest.split(b"$")[2]) or False)  # type: ignore[func-returns-value]
    passwords, users = Passwords(), {"prom": hash_of(cost=5).encode(), "cheap": hash_of(cost=4).encode()}
    for user in ("prom", "nobody"):
        passwords.are_right(users, user, b"x", "1")
    assert costs == [b"05", b"05"]
    monkeypatch.undo()
    assert not Passwords().are_right(users, "nobody", b"x", "1")


@pytest.mark.parametrize("password", [b"x" * 100, b"a\0b", b"", "ü".encode(), b"\xff"])
def test_odd_passwords(password: bytes) -> None:
    """bcrypt looks at the first 72 bytes, as everywhere."""
    digest = bcrypt.hashpw(password[:72], bcrypt.gensalt(4))
    assert Passwords().are_right({"a": digest}, "a", password, "1")
    assert not Passwords().are_right({"a": digest}, "a", b"y" + password, "1")


def test_guessing_does_not_get_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one address fills its places, others are checked; once all places are taken, more are sent away at once."""
    begun, go_on = threading.Semaphore(0), threading.Event()

    def slow(password: bytes, digest: bytes) -> bool:
        begun.release()
        go_on.wait(30)
        return password == b"right"

    monkeypatch.setattr(bcrypt, "checkpw", slow)
    passwords, users = Passwords(), {"prom": hash_of().encode()}
    verdicts: list[Any] = []

    def check(password: bytes, client: str) -> None:
        verdicts.append(passwords.are_right(users, "prom", password, client))

    threads = [threading.Thread(target=check, args=(os.urandom(8), "attacker")) for _ in range(WAITING_PER_CLIENT_MAX)]
    threads.append(threading.Thread(target=check, args=(b"right", "scraper")))
    for thread in threads:
        thread.start()
    assert begun.acquire(timeout=10)
    wait_until(lambda: passwords._waiting.total() == len(threads))
    with pytest.raises(TooManyChecks):
        passwords.are_right(users, "prom", b"another", "attacker")
    for number in range(passwords_module.WAITING_MAX - len(threads)):
        threads.append(threading.Thread(target=check, args=(b"%d" % number, f"{number}")))
        threads[-1].start()
    wait_until(lambda: passwords._waiting.total() == passwords_module.WAITING_MAX)
    with pytest.raises(TooManyChecks):
        passwords.are_right(users, "prom", b"one more", "somebody")
    assert not begun.acquire(blocking=False)  # one at a time
    go_on.set()
    for thread in threads:
        thread.join()
    assert verdicts.count(True) == 1
    assert len(verdicts) == passwords_module.WAITING_MAX
    assert not passwords._waiting


def test_credentials() -> None:
    """The scheme in any case; a password may hold colons."""
    assert credentials("bAsIc " + base64.b64encode(b"a:b:c").decode()) == ("a", b"b:c")
    assert credentials("Digest x") is None


@pytest.mark.slow
def test_prometheus_scrapes_over_tls_with_a_password(tmp_path: Path) -> None:
    """A real one, with the certificate's CA and the password in its config; without them it gets nothing."""
    certificates = Certificates(tmp_path)
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.log").write_text('{"event": "tool_call", "agent": "a", "tool_name": "t", "status": "success"}\n' * 3)
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.fail("prometheus is missing; make test installs Debian's package")
    with Daemon(str(logs), "--web-config", str(certificates.web_config(users=True))) as daemon:
        assert daemon.url.startswith("https://127.0.0.1:")
        daemon.context = certificates.client()
        daemon.wait_until_ready()
        assert daemon.get("/metrics")[0] == 401
        target = daemon.url.removeprefix("https://")
        job = f"scheme: https, static_configs: [{{targets: ['{target}']}}], tls_config: {{ca_file: ca.pem}}"
        user = f"basic_auth: {{username: prom, password: '{PASSWORD}'}}"
        config = tmp_path / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s}\n"
            f"scrape_configs: [{{job_name: good, {job}, {user}}}, {{job_name: bad, {job}}}]\n"
        )
        listen = f"127.0.0.1:{free_port()}"
        arguments = [
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address={listen}",
        ]
        process = subprocess.Popen([binary, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            total = "sum by (job) (agent_tool_calls_total)"
            wait_until(lambda: [entry["value"][1] for entry in query(f"http://{listen}", total)] == ["3"])
            wait_until(lambda: len(query(f"http://{listen}", "up")) == 2)
            up = {entry["metric"]["job"]: entry["value"][1] for entry in query(f"http://{listen}", "up")}
            assert up == {"good": "1", "bad": "0"}
        finally:
            process.terminate()
            process.wait(timeout=20)
