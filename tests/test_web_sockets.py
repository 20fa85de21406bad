"""Where is listened: sockets that systemd hands over, ports that others hold, and addresses that others can reach."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from logmetrics.errors import LogmetricsError
from logmetrics.serve.activation import handed_over
from logmetrics.serve.addresses import is_local
from logmetrics.serve.holder import holder_of
from logmetrics.serve.http import HttpServer, Request, Response
from logmetrics.serve.web import Web, exposure
from tests.daemon import ROOT, Daemon, free_port, wait_until
from tests.web import Certificates, hash_of


def app(_: Request) -> Response:
    return Response(200, b"hello\n")


@contextmanager
def command(
    arguments: list[str], set_up: Callable[[], None] | None = None, fds: tuple[int, ...] = ()
) -> Iterator[Path]:
    """A process, ended at the end; gives the file with what it says on stderr."""
    log = Path(os.environ["XDG_STATE_HOME"]) / f"log-{free_port()}"
    with log.open("wb") as file:
        process = subprocess.Popen(arguments, stderr=file, cwd=ROOT, preexec_fn=set_up, pass_fds=fds)
    try:
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0, log.read_text()


WATCH = [sys.executable, "-m", "logmetrics", "watch", "--no-state"]


def fetch(port: int) -> bytes:
    with closing(urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=20)) as answer:
        body: bytes = answer.read()
        return body


def test_systemd_socket_activate(tmp_path: Path) -> None:
    """The first connection starts it, and is answered; the config's address is not listened at."""
    if shutil.which("systemd-socket-activate") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("systemd-socket-activate is missing; Debian's package is systemd")
        pytest.skip("systemd-socket-activate is missing; Debian's package is systemd")
    port, unused = free_port(), free_port()
    config = tmp_path / "config.yaml"
    config.write_text(f"listen: 127.0.0.1:{unused}\nsources: [{{name: a, paths: {tmp_path}}}]")
    by = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", "--fdname=metrics"]
    with command([*by, *WATCH, "--config", str(config)]) as log:
        wait_until(lambda: b"Listening" in log.read_bytes())
        assert fetch(port) == b"ok\n"
        wait_until(lambda: f"metrics at http://127.0.0.1:{port}/metrics" in log.read_text())
        assert f":{unused}" not in log.read_text()
        with pytest.raises(OSError):
            fetch(unused)


@pytest.mark.parametrize("listen", [[], ["--listen", "127.0.0.1:0"]])
def test_handed_over_sockets(listen: list[str], tmp_path: Path) -> None:
    """TCP and unix; --listen comes beside them. They outlive the process: whoever holds them too goes on listening."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s.sock"))
        unix.listen()

        def set_up() -> None:
            os.dup2(os.dup(tcp.fileno()), 50)
            os.dup2(os.dup(unix.fileno()), 51)
            os.dup2(50, 3)
            os.dup2(51, 4)
            os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="metrics:local")

        for _ in range(2):  # as after a restart
            with command([*WATCH, str(tmp_path), *listen], set_up, (3, 4)) as log:
                assert fetch(tcp.getsockname()[1]) == b"ok\n"
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(str(tmp_path / "s.sock"))
                    client.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
                    assert client.recv(100).startswith(b"HTTP/1.1 200")
                wait_until(lambda: log.read_text().count("metrics at") >= 2 + bool(listen))
                bound = re.findall(r"metrics at (.+)", log.read_text())
            url = f"http://127.0.0.1:{tcp.getsockname()[1]}"
            assert bound[:2] == [f"{url}/metrics, status page at {url}/", f"unix:{tmp_path}/s.sock"]
            assert len(bound) == 2 + bool(listen)
        assert (tmp_path / "s.sock").exists()


def test_sockets_of_somebody_else_are_not_taken() -> None:
    """LISTEN_PID is another process', as in a program that was started by one with sockets."""
    environ = {"LISTEN_PID": str(os.getpid() + 1), "LISTEN_FDS": "1"}
    assert handed_over(environ) == []
    assert environ["LISTEN_FDS"] == "1"
    assert handed_over({}) == []


@pytest.mark.parametrize("count", ["x", "", "-1"])
def test_malformed_count(count: str) -> None:
    """Told, and not taken for none."""
    with pytest.raises(LogmetricsError, match="no number of sockets"):
        handed_over({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count})


@pytest.mark.parametrize("kind", ["datagram", "not listening", "file"])
def test_a_socket_for_something_else_is_explained(kind: str, tmp_path: Path) -> None:
    """It is named, and what the socket unit needs."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM) as other:

        def set_up() -> None:
            os.dup2(os.open("/dev/null", os.O_RDONLY) if kind == "file" else other.fileno(), 3)
            os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="odd")

        ended = subprocess.run(
            [*WATCH, str(tmp_path)], stderr=subprocess.PIPE, text=True, cwd=ROOT, preexec_fn=set_up, pass_fds=(3,)
        )
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert "handed over as odd" in line
    assert ("is no socket" if kind == "file" else "needs ListenStream= and Accept=no") in line


def test_holder_of_a_port(tmp_path: Path) -> None:
    """Another logmetrics is called so; others by their name."""
    with Daemon(str(tmp_path)) as daemon:
        port = int(daemon.url.rpartition(":")[2])
        with pytest.raises(LogmetricsError) as caught:
            HttpServer([f"127.0.0.1:{port}"], app)
        assert f"is in use by another logmetrics (pid {daemon.process.pid}); stop it" in str(caught.value)
        for address in (f":{port}", f"localhost:{port}"):
            with pytest.raises(LogmetricsError, match=f"pid {daemon.process.pid}"):
                HttpServer([address], app)
    script = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stdin=subprocess.PIPE) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        assert re.fullmatch(rf"python[\d.]* \(pid {other.pid}\)", str(holder_of(socket.AF_INET, ("127.0.0.1", port))))
        other.communicate(b"\n")
    assert holder_of(socket.AF_INET, ("127.0.0.1", port)) is None


def test_holder_of_other_addresses(tmp_path: Path) -> None:
    """IPv6 and unix sockets."""
    path = str(tmp_path / "s.sock")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path)
        unix.listen()
        for family, where in ((socket.AF_INET6, tcp.getsockname()), (socket.AF_UNIX, path)):
            assert f"(pid {os.getpid()})" in str(holder_of(family, where))
        assert holder_of(socket.AF_INET6, ("::2", tcp.getsockname()[1])) is None


@pytest.mark.parametrize(
    ("bound", "local"),
    [
        ("127.0.0.1:8001", True),
        ("127.8.9.1:8001", True),
        ("[::1]:8001", True),
        ("unix:/x", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("[fe80::1%eth0]:1", False),
        ("192.168.1.4:1", False),
    ],
)
def test_local_addresses(bound: str, local: bool) -> None:
    """Loopback and unix sockets."""
    assert is_local(bound) is local


def test_exposure(tmp_path: Path) -> None:
    """One warning, of what is missing; none for addresses that only this machine reaches."""
    path = tmp_path / "web.yaml"
    path.write_text(f"basic_auth_users: {{a: {hash_of()}}}")
    password = Web(str(path), print)
    certificates = Certificates(tmp_path)
    tls = Web(str(certificates.web_config()), print)
    both = ["127.0.0.1:1", "0.0.0.0:2", "[::]:3"]
    said = "0.0.0.0:2, [::]:3 can be reached from other machines without"
    assert exposure(both, None) == f"{said} TLS and a password; --web-config adds them"
    assert exposure(both, password) == f"{said} TLS; --web-config adds them"
    assert exposure(both, tls) == f"{said} a password; --web-config adds them"
    assert exposure(["127.0.0.1:1", "unix:/x"], None) is None
    assert exposure(both, Web(str(certificates.web_config(users=True)), print)) is None


def test_exposure_is_told_at_the_start(tmp_path: Path) -> None:
    """And nothing is refused."""
    with Daemon(str(tmp_path), "--listen", ":0") as daemon:
        found = daemon.wait_for_message("warning: .* can be reached from other machines without TLS and a password")
        assert "127.0.0.1" not in found.group()


def test_umask_decides_who_may_connect_to_a_unix_socket(tmp_path: Path) -> None:
    """With 0007 the group may, which is what a proxy needs."""
    path = tmp_path / "s.sock"
    with command([*WATCH, str(tmp_path), "--listen", f"unix:{path}"], lambda: (os.umask(0o007), None)[1]) as log:
        wait_until(lambda: f"metrics at unix:{path}\n" in log.read_text())
        assert stat.S_IMODE(path.stat().st_mode) == 0o770
