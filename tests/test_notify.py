"""What a service manager is told, met at its socket: when it is ready, how it is doing, whether the engine moves."""

from __future__ import annotations

import gzip
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from logmetrics.engine import Engine
from logmetrics.service.systemd import Notify, StatusLine
from logmetrics.sources.content import StoppedError, open_content
from logmetrics.store.state import StateFile
from tests.daemon import ROOT, Daemon, wait_until
from tests.world import World, config_for

Message = dict[str, str]


class Manager:
    """The socket of a service manager, and all that came there, with the time of each in seconds."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.messages: list[tuple[float, Message]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0"))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while data := self._socket.recv(65536):
            message = dict(line.split("=", 1) for line in data.decode().split("\n"))
            self.messages.append((time.monotonic(), message))

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.address.replace("@", "\0"))
        self._reader.join()
        self._socket.close()

    def all(self, name: str) -> list[str]:
        """Each value that *name* was given, in order."""
        return [message[name] for _, message in list(self.messages) if name in message]

    def pings_s(self) -> list[float]:
        return [at_s for at_s, message in list(self.messages) if "WATCHDOG" in message]


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """systemd uses a path for its services, and an abstract name in containers."""
    name = f"{tmp_path}/notify" if request.param == "path" else f"@logmetrics-test-{os.getpid()}"
    made = Manager(name)
    yield made
    made.close()


def ready_line(manager: Manager) -> bool:
    return any(re.fullmatch(r"1 file, [\d,]+ lines/s, \d+ series; ready", text) for text in manager.all("STATUS"))


def test_life_of_a_service(tmp_path: Path, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """READY when it serves, pings while it lives, a status line, a hang-up that it survives, STOPPING at its end."""
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text('{"event": "tool_call"}\n')
    with Daemon(str(tmp_path / "logs")) as daemon:
        wait_until(lambda: manager.all("READY"))
        assert daemon.get("/healthz")[0] == 200
        wait_until(lambda: len(manager.pings_s()) > 5)
        pings_s = manager.pings_s()
        assert max(b - a for a, b in pairwise(pings_s)) < 1.0  # idle, and asked by nobody
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: ready_line(manager))
        assert daemon.process.poll() is None
        assert daemon.stop() == 0
    assert manager.all("READY")[-1] == "1"
    assert manager.all("STOPPING") == ["1"]
    assert manager.all("STATUS")[-1] == "stopping: saving what was read"


def test_a_wedged_process_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watchdog ends it with SIGABRT; what the engine was doing goes to stderr, and so to the journal."""
    manager = Manager(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    with Daemon(str(tmp_path / "logs")) as daemon:
        wait_until(lambda: manager.all("READY"))
        assert daemon.stop(signal.SIGABRT) == -signal.SIGABRT
        assert any("engine.py" in line for line in daemon.stderr)
    manager.close()


def test_a_child_is_not_told_of_the_manager(manager: Manager) -> None:
    """What it says would count as said by the service, or be a warning in the journal."""
    environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}
    notify = Notify(environ)
    assert environ == {"PATH": "/bin"}
    assert notify.watchdog_s is None  # it is meant for process 1
    assert notify.sleep_s_max == 5.0  # for the status


def test_without_a_manager_nothing_is_told() -> None:
    """No socket, no clock, no status."""
    notify = Notify({}, monotonic=lambda: 1 / 0)
    notify.status = lambda: str(1 / 0)
    notify.beat()
    assert (notify.address, notify.watchdog_s, notify.sleep_s_max) == ("", None, float("inf"))


def test_reload(manager: Manager) -> None:
    """RELOADING with the time at which it began, by the clock that systemd compares it with; then READY."""
    notify = Notify({"NOTIFY_SOCKET": manager.address})
    notify.status = lambda: "fine"
    notify.ready()
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notify.reloading()
    notify.ready()
    wait_until(lambda: len(manager.messages) == 3)
    _, reloading, ready = [message for _, message in manager.messages]
    assert reloading["RELOADING"] == "1"
    assert 0 <= int(reloading["MONOTONIC_USEC"]) - before_us < 10_000_000
    assert ready == {"READY": "1", "STATUS": "fine"}


def test_a_manager_that_is_gone_is_told_once(tmp_path: Path) -> None:
    """And nothing else happens."""
    messages: list[str] = []
    notify = Notify({"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "1"}, say=messages.append)
    notify.ready()
    notify.beat()
    assert len(messages) == 1
    assert str(tmp_path / "gone") in messages[0]


def test_a_status_is_one_line(manager: Manager) -> None:
    """A file's name in it must not say STOPPING."""
    notify = Notify({"NOTIFY_SOCKET": manager.address})
    notify.status = lambda: "cannot save: /a\nSTOPPING=1"
    notify.ready()
    wait_until(lambda: manager.messages)
    assert manager.messages[0][1] == {"READY": "1", "STATUS": "cannot save: /a\\nSTOPPING=1"}


def test_the_start_is_given_more_time_while_it_moves(tmp_path: Path, manager: Manager) -> None:
    """Before READY there is no watchdog, but a limit to how long a start may take: restoring asks for more."""
    now_s = 1_000.0
    notify = Notify({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "30000000"}, monotonic=lambda: now_s)
    state = StateFile(str(tmp_path / "state"))
    engine = Engine(config_for(tmp_path), state=state, beat=notify.beat)
    wait_until(lambda: manager.messages)
    for _ in range(1_000):
        notify.beat()
    now_s += 60
    notify.beat()
    wait_until(lambda: len(manager.messages) >= 2)
    assert [message for _, message in manager.messages] == 2 * [{"EXTEND_TIMEOUT_USEC": "90000000"}]
    engine.close()
    state.close()


def test_a_wedged_engine_sends_no_ping(tmp_path: Path, manager: Manager) -> None:
    """The process lives, its other threads too, but the engine does not move: so no ping comes, until it does."""
    notify = Notify({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "200000"})
    engine = Engine(config_for(tmp_path), beat=notify.beat)
    engine.sleep_s_max = notify.sleep_s_max
    notify.ready()
    thread = threading.Thread(target=engine.run)
    thread.start()
    try:
        wait_until(lambda: len(manager.pings_s()) > 4)
        wedged, go_on, never = threading.Event(), threading.Event(), threading.Event()

        def wedge() -> None:
            wedged.set()
            go_on.wait()

        asking = threading.Thread(target=engine.ask, args=(wedge, 30))
        asking.start()
        assert wedged.wait(10)
        wait_until(lambda: time.monotonic() - manager.pings_s()[-1] > 0.05)
        before = len(manager.pings_s())
        never.wait(1.0)
        assert len(manager.pings_s()) == before
        go_on.set()
        asking.join()
        wait_until(lambda: len(manager.pings_s()) > before)
    finally:
        go_on.set()
        engine.stopping = True
        engine.waker.wake()
        thread.join()


class Beats:
    """Counts them, and has long work end after so many."""

    def __init__(self, beats_max: int) -> None:
        self.beats = 0
        self.beats_max = beats_max
        self.stopping = False

    def beat(self) -> None:
        self.beats += 1
        self.stopping = self.beats >= self.beats_max


def test_a_long_skip_beats(tmp_path: Path) -> None:
    """A large compressed file is skipped through in one turn: a beat for each megabyte."""
    path = tmp_path / "a.log.1.gz"
    path.write_bytes(gzip.compress(bytes(20_000_000), 1))
    beats = Beats(1_000)
    content = open_content(str(path), beats)
    assert content.read(19_999_999, 10) == b"\0"
    assert 19 <= beats.beats <= 21
    content.close()
    content = open_content(str(path), Beats(5))
    with pytest.raises(StoppedError):
        content.read(19_999_999, 10)
    content.close()


def test_a_pass_over_many_files_beats(world: World) -> None:
    """A beat for each file, so that thousands of them with a backlog are no reason for a restart."""
    beats = Beats(1_000)
    world.engine.beat = beats.beat
    for number in range(50):
        (world.directory / f"{number}.log").write_text('{"n": "x"}\n')
    world.engine.run_once()
    assert beats.beats >= 100


@pytest.mark.slow
def test_a_locked_database_is_no_wedge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits fail while somebody holds the state; the pings go on, and the status says what is wrong."""
    manager = Manager(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setenv("WATCHDOG_USEC", "4000000")
    log = tmp_path / "logs" / "a.log"
    log.parent.mkdir()
    log.write_text('{"event": "tool_call"}\n')
    with Daemon(str(log.parent), "--state-dir", str(tmp_path / "state")) as daemon:
        daemon.wait_until_ready()
        holder = sqlite3.connect(tmp_path / "state" / "state.db")
        holder.execute("BEGIN IMMEDIATE")
        with log.open("a") as file:
            file.write('{"event": "tool_call"}\n')
        wait_until(lambda: any("cannot save" in text for text in manager.all("STATUS")))
        wait_until(lambda: daemon.total("logmetrics_commit_failures_total") >= 2)
        holder.rollback()
        holder.close()
        wait_until(lambda: daemon.total("agent_tool_calls_total") == 2)
        pings_s = manager.pings_s()
        assert max(b - a for a, b in pairwise(pings_s)) < 4
    manager.close()


def test_status_of_a_quiet_service_is_soon_the_true_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is caught up at once and then sleeps, but not with "reading what was there" as its last word."""
    manager = Manager(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text('{"event": "tool_call"}\n')
    with Daemon(str(tmp_path / "logs")):
        wait_until(lambda: ready_line(manager), timeout_s=12)
    manager.close()


def test_status_tells_the_catching_up(tmp_path: Path) -> None:
    """Before everything is read, the share that is; then that it is ready; a rate that is of the time in between."""
    now_s = 1_000.0
    (tmp_path / "a.log").write_text('{"n": "x"}\n' * 3_000)
    engine = Engine(config_for(tmp_path), monotonic=lambda: now_s)
    status = StatusLine(engine)
    now_s += 1
    assert status() == "0 files, 0 lines/s, 0 series; reading what was there at the start: 0%, 0 lines"
    engine.run_once()
    now_s += 2
    assert status() == "1 file, 1,500 lines/s, 1 series; ready"
    now_s += 2
    assert status() == "1 file, 0 lines/s, 1 series; ready"
    engine._commits.problem = "/s/state.db: disk full"
    assert status().endswith("1 series; cannot save: /s/state.db: disk full")


def test_sockets_left_by_a_manager_do_not_disturb_a_look(tmp_path: Path, manager: Manager) -> None:
    """`watch --once` is no service and tells nothing."""
    (tmp_path / "a.log").write_text('{"event": "tool_call"}\n')
    command = [sys.executable, "-m", "logmetrics", "watch", "--once", str(tmp_path / "a.log")]
    environment = {**os.environ, "NOTIFY_SOCKET": manager.address}
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=environment)
    assert manager.messages == []
