"""`watch --journal` as a process: entries as they come, and kills of it and of journalctl at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.daemon import ROOT, Daemon, wait_until
from tests.journals import BEGIN_S, OTHER_BOOT, Journal, entry

CONFIG = """
packs: []
commit_interval: 50ms
metrics:
  lines_total: {{type: counter, help: Lines}}
  numbers_total: {{type: counter, help: Sum of numbers}}
  squares_total: {{type: counter, help: Sum of squares}}
  pairs_total: {{type: counter, help: Ends that found their start}}
rules:
  - name: line
    when: has(n)
    update: {{lines_total: 1, numbers_total: n, squares_total: n * n}}
  - name: pair
    pair: {{start: e == "start", end: e == "end", key: k}}
    update: {{pairs_total: 1}}
sources:
  - name: journal
    journald: {{unit: ollama.service, directory: {directory}}}
"""
KILLS = int(os.environ.get("TORTURE_KILLS", "12"))


def numbered(number: int, **more: str) -> bytes:
    """An entry that says a number, at that second."""
    return entry(b'{"n": %d}' % number, BEGIN_S + number, **more)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal with nothing in it."""
    return Journal(tmp_path / "journal")


@pytest.fixture
def config(journal: Journal, tmp_path: Path) -> str:
    """A config file that names *journal*."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(directory=journal.directory))
    return str(path)


def children(process_id: int) -> list[int]:
    """The processes that a daemon has started and that are not over."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = status.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == process_id and state != "Z":
                found.append(int(status.parent.name))
    return found


def test_entries_count_as_they_come(journal: Journal, config: str) -> None:
    """Through rotation, vacuum and the next boot; one that waits for a name says so once."""
    with Daemon("--config", config) as daemon:
        daemon.wait_for_message(r"journal of ollama\.service: no entries of ollama\.service yet")
        assert daemon.total("logmetrics_source_unreadable_files") == 1
        for number in range(12):
            boot = {"boot": OTHER_BOOT} if number >= 8 else {}
            journal.write(numbered(number, **boot))
            wait_until(lambda number=number: daemon.total("lines_total") == number + 1)  # type: ignore[misc]
            if number % 4 == 3:
                journal.rotate()
            if number == 9:
                journal.vacuum()
        assert daemon.total("numbers_total") == sum(range(12))
        assert daemon.total("logmetrics_source_unreadable_files") == 0
        assert daemon.total("logmetrics_journal_gap_seconds_total") == 0
        assert len([line for line in daemon.stderr if "no entries" in line]) == 1


def test_a_journalctl_that_is_killed_is_begun_again(journal: Journal, config: str) -> None:
    """Nothing is lost and nothing twice; it is told, and no process is left when the daemon ends."""
    journal.write(numbered(0))
    with Daemon("--config", config) as daemon:
        daemon.wait_until_ready()
        for number in range(1, 8):
            wait_until(lambda: children(daemon.process.pid))
            for child in children(daemon.process.pid):
                os.kill(child, signal.SIGKILL)
            journal.write(numbered(number))
            wait_until(lambda number=number: daemon.total("lines_total") == number + 1)  # type: ignore[misc]
        daemon.wait_for_message("journalctl was ended by signal 9")
        wait_until(lambda: children(daemon.process.pid))
        [child] = children(daemon.process.pid)
        assert daemon.total("logmetrics_source_unreadable_files") == 0
        assert daemon.total("numbers_total") == sum(range(8))
        assert daemon.stop() == 0
        assert not Path(f"/proc/{child}").exists()


def test_a_daemon_that_is_killed_leaves_no_journalctl(journal: Journal, config: str) -> None:
    """It notices that nobody reads it."""
    journal.write(numbered(0))
    with Daemon("--config", config) as daemon:
        daemon.wait_until_ready()
        wait_until(lambda: children(daemon.process.pid))
        [child] = children(daemon.process.pid)
        daemon.stop(signal.SIGKILL)

    def is_over() -> bool:
        try:
            return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    wait_until(is_over, timeout_s=5)


class Writer(threading.Thread):
    """Writes numbered entries in bursts, rotates, and now and then vacuums what was certainly read."""

    def __init__(self, journal: Journal, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.journal, self.stop = journal, stop
        self.draw = random.Random(3)
        self.number = self.pairs = 0
        # Held while nothing may be written.
        self.still = threading.Lock()

    def run(self) -> None:
        while not self.stop.is_set():
            with self.still:
                self._write()
                if self.draw.random() < 0.1:
                    self.journal.rotate()
            self.stop.wait(self.draw.random() * 0.1)

    def _write(self) -> None:
        entries, now_s = [], time.time()
        for _ in range(self.draw.randrange(1, 40)):
            number = self.number
            self.number += 1
            lines = [b'{"n": %d}' % number] if number % 3 else [b"{", b'  "n": %d' % number, b"}"]
            entries += [entry(line, now_s, pid=number % 5) for line in lines]
        self.pairs += 1
        entries.insert(0, entry(b'{"e": "start", "k": "%d"}' % self.pairs, now_s, pid=10))
        entries.append(entry(b'{"e": "end", "k": "%d"}' % self.pairs, now_s, pid=10))
        cut = self.draw.randrange(len(entries))  # an object may be left open between the two
        self.journal.write(b"".join(entries[:cut]))
        self.journal.write(b"".join(entries[cut:]))


@pytest.mark.slow
def test_kills_at_random_moments(journal: Journal, config: str, tmp_path: Path) -> None:
    """Of the daemon and of journalctl, while entries come, files are rotated and old ones vacuumed: exactly once."""
    stop, draw = threading.Event(), random.Random(5)
    writer = Writer(journal, stop)
    journal.write(numbered(0))
    writer.number = 1
    arguments = ("--config", config, "--state-dir", str(tmp_path / "state"))
    with Daemon(*arguments) as daemon:
        daemon.wait_until_ready()
    writer.start()
    for number in range(KILLS):
        with Daemon(*arguments) as daemon:
            for _ in range(draw.randrange(3)):
                stop.wait(draw.random() * 0.3)
                for child in children(daemon.process.pid):
                    with suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
            stop.wait(draw.random() * 0.5)
            if number % 5 == 4:
                with writer.still:
                    wait_until(lambda daemon=daemon: daemon.total("lines_total") == writer.number)  # type: ignore[misc]
                    journal.vacuum()
            daemon.stop(signal.SIGKILL)
    stop.set()
    writer.join()
    with Daemon(*arguments) as daemon:
        wait_until(lambda: daemon.total("lines_total") >= writer.number)
        numbers = range(writer.number)
        expected = {
            "lines_total": writer.number,
            "numbers_total": sum(numbers),
            "squares_total": sum(number * number for number in numbers),
            "pairs_total": writer.pairs,
            "logmetrics_source_unparsable_lines_total": 0,
        }
        assert {name: daemon.total(name) for name in expected} == expected


def test_ctrl_c_ends_it_quietly(journal: Journal, config: str) -> None:
    """A signal for the whole group, as a terminal sends it, is no failure of journalctl."""
    journal.write(numbered(0))
    command = [sys.executable, "-m", "logmetrics", "watch", "--config", config, "--no-state", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True)
    assert process.stderr is not None
    wait_until(lambda: children(process.pid))
    os.killpg(process.pid, signal.SIGINT)
    with process.stderr:
        told = process.stderr.read()
    assert process.wait(timeout=10) == 0
    assert "journalctl" not in told
