"""Processes under measurement: the real daemon and mtail, what they cost, and what they show."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measure import environment
from bench.systems import PYTHON_ENV

READY_S_MAX = 60.0
MTAIL = "/usr/bin/mtail"


@dataclass
class Running:
    """A process that serves metrics at ``port``."""

    process: subprocess.Popen[bytes]
    port: int
    stderr: Path

    @property
    def cpu_s(self) -> float:
        """User and system time of all its threads, those that ended included."""
        return time.clock_gettime(~self.process.pid << 3 | 2)  # the kernel's name for a process' CPU clock

    @property
    def rss_mb(self) -> float:
        return self._status("VmRSS") / 1024

    @property
    def peak_rss_mb(self) -> float:
        return self._status("VmHWM") / 1024

    def _status(self, field: str) -> int:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1])
        raise ValueError(field)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def scrape(self) -> str:
        connection = self.connect()
        try:
            return scrape(connection)[1]
        finally:
            connection.close()


def scrape(connection: http.client.HTTPConnection, accept: str = "*/*") -> tuple[int, str]:
    connection.request("GET", "/metrics", headers={"Accept": accept})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def samples(page: str) -> dict[str, float]:
    """The values of a page, by what stands before them."""
    found = {}
    for line in page.splitlines():
        if line and line[0] != "#":
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found


def idle_cpu_s(running: Running, wall_s: float) -> float:
    """CPU seconds while nothing happens for so long."""
    before_s = running.cpu_s
    time.sleep(wall_s)
    return running.cpu_s - before_s


@contextmanager
def daemon(directory: Path, *arguments: str) -> Iterator[Running]:
    """`logmetrics watch ARGUMENTS` with its state and messages in *directory*; ready when this gives it."""
    stderr = directory / "stderr"
    command = [sys.executable, "-m", "logmetrics", "watch", "--listen", "127.0.0.1:0", *arguments]
    command += ["--state-dir", str(directory / "state")]
    with stderr.open("wb") as file:
        process = subprocess.Popen(command, stderr=file, stdout=subprocess.DEVNULL, env=environment(PYTHON_ENV))
    running = Running(process, 0, stderr)
    try:
        deadline_s = time.monotonic() + READY_S_MAX
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)/", stderr.read_text())):
            _may_wait(running, deadline_s, 0.005)
        running.port = int(found[1])
        while _status_of(running) != 200:
            _may_wait(running, deadline_s, 0.02)
        yield running
    finally:
        _end(process)


@contextmanager
def mtail(directory: Path, program: str, logs: str) -> Iterator[Running]:
    """mtail with *program* over the glob *logs*."""
    (directory / "program.mtail").write_text(program)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [MTAIL, "--address", "127.0.0.1", "--port", str(port), "--logs", logs]
    command += ["--progs", str(directory / "program.mtail"), "--log_dir", str(directory)]
    with (directory / "stderr").open("wb") as file:
        process = subprocess.Popen(command, stderr=file, stdout=file)
    running = Running(process, port, directory / "stderr")
    try:
        deadline_s = time.monotonic() + READY_S_MAX
        while _status_of(running) != 200:
            _may_wait(running, deadline_s, 0.05)
        yield running
    finally:
        _end(process)


def _status_of(running: Running) -> int:
    connection = running.connect()
    try:
        return scrape(connection)[0]
    except OSError:
        return 0
    finally:
        connection.close()


def _may_wait(running: Running, deadline_s: float, wait_s: float) -> None:
    if running.process.poll() is not None or time.monotonic() > deadline_s:
        raise SystemExit(f"it did not start: {running.stderr.read_text()}")
    time.sleep(wait_s)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
