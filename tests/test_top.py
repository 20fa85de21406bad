"""`logmetrics top`: what it shows of a real daemon, over TCP and a unix socket, and what it says when there is none."""

from __future__ import annotations

import http.server
import io
import json
import os
import pty
import signal
import socket
import ssl
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from rich.console import Console

from logmetrics.cli.asking import Server, is_address
from logmetrics.cli.top import frame
from logmetrics.errors import LogmetricsError, UsageError
from logmetrics.serve.tls import _PLAIN_TEXT_REFUSED
from tests.daemon import ROOT, Daemon, logmetrics, wait_until
from tests.test_status import hostile_status, world  # noqa: F401 - a fixture
from tests.web import Certificates
from tests.world import World

CALL = '{"event": "tool_call", "agent": "coder", "tool_name": "search", "status": "success"}\n'


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return logmetrics(*arguments, COLUMNS="120")


def test_top_of_a_daemon(tmp_path: Path) -> None:
    """One frame where stdout is no terminal, over both kinds of sockets; `cardinality` goes there as well."""
    (tmp_path / "a.log").write_text(CALL * 40 + "what is this\n")
    place = f"unix:{tmp_path / 'x.sock'}"
    with Daemon(str(tmp_path / "a.log"), "--listen", place) as daemon:
        daemon.wait_until_ready()
        for where in (daemon.url, place):
            done = run("top", where)
            assert (done.returncode, done.stderr) == (0, "")
            for words in ("Ready", "SOURCES", "agent_tool_calls_total", "agent/tool call", "what is this", "41"):
                assert words in done.stdout
            assert json.loads(run("cardinality", where, "--json").stdout)
            assert daemon.url.removeprefix("http://") in done.stdout
    assert "\x1b" not in done.stdout


def test_top_in_a_terminal(tmp_path: Path) -> None:
    """It comes again and again on a screen of its own, says when nobody answers, and ends by Ctrl-C."""
    (tmp_path / "a.log").write_text(CALL)
    ours, theirs = pty.openpty()
    seen = bytearray()

    def read() -> None:
        while True:
            try:
                data = os.read(ours, 65_536)
            except OSError:
                return
            seen.extend(data)

    with Daemon(str(tmp_path)) as daemon:
        daemon.wait_until_ready()
        command = [sys.executable, "-m", "logmetrics", "top", daemon.url, "--interval", "0.5"]
        env = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "60"}
        # Who runs the tests in the background has Ctrl-C ignored, and children inherit that.
        process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env=env,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        os.close(theirs)
        reader = threading.Thread(target=read)
        reader.start()
        wait_until(lambda: seen.count(b"logmetrics 0") >= 2)
    wait_until(lambda: b"No answer since then" in seen)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0
    reader.join(timeout=20)
    os.close(ours)
    assert seen.startswith(b"\x1b[?1049h") or b"\x1b[?1049h" in seen
    assert b"\x1b[?1049l" in seen


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("http://127.0.0.1:9",), 1, "start it with logmetrics watch"),
        (("unix:/nowhere.sock",), 1, "start it with logmetrics watch"),
        (("127.0.0.1:9",), 1, "http://127.0.0.1:9: "),
        (("nowhere",), 2, "is no address"),
        (("http://",), 2, "is no address"),
        (("https://localhost:1", "--ca-file", "/none.pem"), 2, "/none.pem"),
        (("http://localhost:1", "--user", "me"), 2, "go together"),
        (("http://localhost:1", "--user", "me", "--password-file", "/none"), 2, "/none"),
    ],
)
def test_what_cannot_be_asked(arguments: tuple[str, ...], code: int, words: str) -> None:
    """One line that says what to do."""
    done = run("top", *arguments)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)
    assert words in done.stderr


def test_hostile_texts_in_a_terminal(world: World, tmp_path: Path) -> None:  # noqa: F811
    """Nothing of a log moves the cursor or is taken for markup."""
    status = hostile_status(world, tmp_path)
    for width in (40, 80, 200):
        console = Console(file=io.StringIO(), width=width, force_terminal=False)
        console.print(frame(status, "http://x", console, brief=False))
        text = console.file.getvalue()  # type: ignore[attr-defined]
        assert not set(text) & set("\x1b\x07\u202e\u2066\u2028\r")
        assert max(map(len, text.splitlines())) <= width
    assert "[red]x[/red] \\x1b[31m<script>" in text


def test_a_brief_frame_is_short(world: World, tmp_path: Path) -> None:  # noqa: F811
    """What does not fit on a screen is left to the page."""
    status = hostile_status(world, tmp_path)
    status = replace(status, rules=status.rules * 50, metrics=tuple(status.metrics) * 50)
    lines = []
    for brief in (True, False):
        console = Console(file=io.StringIO(), width=160)
        console.print(frame(status, "http://x", console, brief=brief))
        lines.append(console.file.getvalue().count("\n"))  # type: ignore[attr-defined]
    assert lines[0] < 70 < lines[1]


# -- whom it asks, and as whom


class _Answers(http.server.BaseHTTPRequestHandler):
    status = 200
    seen: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.seen.append(self.headers["Authorization"])
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def server(status: int = 200, context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[str | None]]]:
    """One that answers everything with *status*; gives its port and the Authorization of who asked."""
    handler = type("Handler", (_Answers,), {"status": status, "seen": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as made:
        if context is not None:
            made.socket = context.wrap_socket(made.socket, server_side=True)
        thread = threading.Thread(target=made.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield made.server_address[1], handler.seen
        finally:
            made.shutdown()
            thread.join()


def test_who_asks_is_told(tmp_path: Path) -> None:
    """By the address or by options; messages never hold the password."""
    (tmp_path / "password").write_text("p:w @1\n")
    wanted = f"Basic {b64encode(b'me:p:w @1').decode()}"
    with server() as (port, seen):
        place = Server.of(f"http://me:p%3Aw%20%401@127.0.0.1:{port}/prefix/")
        place.get("/api/status")
        Server.of(f"http://127.0.0.1:{port}", "me", str(tmp_path / "password")).get("/")
        Server.of(f"http://127.0.0.1:{port}").get("/")
    assert seen == [wanted, wanted, None]
    assert place.shown == f"http://127.0.0.1:{port}/prefix"


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ("127.0.0.1:28003", "http://127.0.0.1:28003"),
        (":8001", "http://127.0.0.1:8001"),
        ("0.0.0.0:8001", "http://127.0.0.1:8001"),
        ("[::]:8001", "http://[::1]:8001"),
        ("localhost:8001/metrics", "http://localhost:8001"),
        ("http://host:9100/metrics", "http://host:9100"),
        ("https://host/prefix/metrics/", "https://host/prefix"),
        ("unix:/x/m.sock", "unix:/x/m.sock"),
    ],
)
def test_what_others_take_and_print_is_an_address(where: str, shown: str) -> None:
    """That of --listen, and that of the page for Prometheus."""
    assert is_address(where)
    assert Server.of(where).shown == shown


def test_a_wrong_password_is_told_as_such() -> None:
    """Whoever gave one is not asked to give one."""
    with server(401) as (port, _), pytest.raises(LogmetricsError, match="refused this user or password"):
        Server.of(f"http://me:wrong@127.0.0.1:{port}").get("/api/status")


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "--password-file"), (403, "nobody"), (404, "no logmetrics"), (503, "busy"), (500, "answers 500")],
)
def test_answers_that_are_no_status(status: int, words: str) -> None:
    """Each says what to do."""
    with server(status) as (port, _), pytest.raises(LogmetricsError, match=words):
        Server.of(f"http://127.0.0.1:{port}").get("/api/status")


def test_answers_of_others() -> None:
    """JSON that is none of ours."""
    with server() as (port, _):
        done = run("top", f"http://127.0.0.1:{port}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "another version" in done.stderr


def refuse_plain_text(listener: socket.socket) -> None:
    """As a port for TLS answers."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(_PLAIN_TEXT_REFUSED)


def test_certificates(tmp_path: Path) -> None:
    """Nobody is trusted without being told to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificates = Certificates(tmp_path)
    context.load_cert_chain(certificates.directory / "server.pem", certificates.directory / "server.key")
    with server(context=context) as (port, _):
        url = f"https://127.0.0.1:{port}"
        with pytest.raises(LogmetricsError, match=r"not trusted .*--ca-file"):
            Server.of(url).get("/")
        assert Server.of(url, ca_file=str(tmp_path / "ca.pem")).get("/") == b"[]"
        assert Server.of(url, insecure=True).get("/") == b"[]"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse_plain_text, args=(listener,))
        thread.start()
        with pytest.raises(LogmetricsError, match="this port speaks TLS; its address begins with https://"):
            Server.of(f"http://127.0.0.1:{listener.getsockname()[1]}").get("/")
        thread.join()
    with server() as (port, _), pytest.raises(LogmetricsError, match="try http://"):
        Server.of(f"https://127.0.0.1:{port}").get("/")
    with pytest.raises(UsageError, match="certificates"):
        Server.of("https://127.0.0.1:1", ca_file=__file__).get("/")
