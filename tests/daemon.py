"""The real `logmetrics watch` as a process, and what a scraper reads from it."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parent.parent
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Daemon:
    """`logmetrics watch ARGUMENTS` on a free port, without state unless they name one; use it as a context manager.

    Another *listen* is another address; with an empty one there is none, and no ``url``.
    """

    def __init__(self, *arguments: str, listen: str = "127.0.0.1:0") -> None:
        if "--state-dir" not in arguments:
            arguments = (*arguments, "--no-state")
        where = ["--listen", listen] if listen else ["--no-listen"]
        command = [sys.executable, "-m", "logmetrics", "watch", *where, *arguments]
        environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
        )
        self.stderr: list[str] = []
        self._told = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        # What an https address is asked with.
        self.context: ssl.SSLContext | None = None
        self.url = ""
        if listen:
            found = self.wait_for_message(r"metrics at (https?://[^/]+)/metrics")
            self.url = found.group(1)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._told:
                self.stderr.append(line.rstrip("\n"))
                self._told.notify_all()

    def wait_for_message(self, pattern: str, timeout_s: float = 20) -> re.Match[str]:
        """The first line on stderr that holds *pattern*."""

        def find() -> re.Match[str] | None:
            return next((found for line in self.stderr if (found := re.search(pattern, line))), None)

        with self._told:
            self._told.wait_for(lambda: find() or self.process.poll() is not None, timeout_s)
            found = find()
        assert found, f"no {pattern!r} on stderr, but {self.stderr}"
        return found

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Status and body of a request."""
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10, context=self.context) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def wait_until_ready(self) -> None:
        wait_until(lambda: self.get("/readyz")[0] == 200)

    def scrape(self) -> Samples:
        """All samples by name and labels."""
        self.wait_until_ready()
        status, body = self.get("/metrics")
        assert status == 200
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(body)
            for sample in family.samples
        }

    def total(self, name: str, **labels: str) -> float:
        """The sum over the series of *name* that have *labels*."""
        wanted = frozenset(labels.items())
        return sum(value for (sample, of), value in self.scrape().items() if sample == name and wanted <= of)

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """End it and give its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            code = self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # it tells where each of its threads stands
            self.process.wait(timeout=10)
            self._reader.join(timeout=10)
            pytest.fail("it does not end:\n" + "\n".join(self.stderr[-200:]))
        self._reader.join(timeout=10)
        for pipe in (self.process.stderr, self.process.stdout):
            assert pipe is not None
            pipe.close()
        return code

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


def logmetrics(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`logmetrics ARGUMENTS` as a process that ends by itself, with more variables in its *environment*."""
    command = [sys.executable, "-m", "logmetrics", *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, env=env, check=False)


def wait_until(condition: Callable[[], object], timeout_s: float = 30, every_s: float = 0.02) -> None:
    """Ask *condition* again and again until it holds."""
    ask_again = threading.Event()
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        ask_again.wait(every_s)


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
