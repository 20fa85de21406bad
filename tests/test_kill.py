"""The real daemon, killed at random moments while logs grow and rotate, scraped all the time.

Three sums over the numbers in the lines (how many, their sum, the sum of their squares) tell any line that is lost or
counted twice. TORTURE_KILLS sets how often it is killed.
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from logmetrics.store.state import StateReader
from logmetrics.store.store import store_of
from tests.daemon import ROOT, free_port

KILLS = int(os.environ.get("TORTURE_KILLS", "30"))
CONFIG = """
packs: []
listen: 127.0.0.1:{port}
state_dir: {state}
poll_interval: 50ms
commit_interval: 100ms
sources: [{{name: logs, paths: ['{logs}'], format: json}}]
metrics:
  lines_total: {{type: counter, help: Lines, labels: [log]}}
  numbers_total: {{type: counter, help: Sum of numbers, labels: [log]}}
  squares_total: {{type: counter, help: Sum of squares, labels: [log]}}
  sizes: {{type: histogram, help: A histogram, labels: [log], buckets: [10, 100, 1000]}}
  pairs_total: {{type: counter, help: Ends that found their start}}
  guarded_total:
    {{type: counter, help: Lines, labels: [log, kind], limits: {{series: 9, values: {{kind: 6}}, idle: 2s}}}}
rules:
  - name: line
    when: has(n)
    labels: {{log: log, kind: kind}}
    update: {{lines_total: 1, numbers_total: n, squares_total: n * n, sizes: s, guarded_total: 1}}
  - name: pair
    pair: {{start: e == "start", end: e == "end", key: k}}
    update: {{pairs_total: 1}}
"""


class Agent(threading.Thread):
    """Writes numbered lines to one log, in bursts, and rotates it in every way that loses nothing by itself."""

    def __init__(self, path: Path, seed: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.path, self.stop = path, stop
        self.draw = random.Random(seed)
        self.number = self.numbers = self.squares = self.pairs = self.generation = 0

    def run(self) -> None:
        while not self.stop.is_set():
            file = self.path.open("a")
            for _ in range(self.draw.randrange(10, 80)):
                self._write(file)
                self.stop.wait(self.draw.random() * 0.03)
            self._rotate(file)
            file.close()

    def _write(self, file) -> None:  # type: ignore[no-untyped-def]
        for _ in range(self.draw.randrange(1, 12)):
            number = self.number
            kind = f'"k{number // 40 % 25}"'  # each is heavy for a while, then idle, then back
            line = f'{{"n": {number}, "s": {number % 2000}, "log": "{self.path.name}", "kind": {kind}'
            line += f', "pad": "{"x" * (number % 200)}"}}\n'
            cut = self.draw.randrange(len(line))
            file.write(line[:cut])
            if self.draw.random() < 0.3:
                file.flush()  # half a line for everybody to see
            file.write(line[cut:])
            self.number += 1
            self.numbers += number
            self.squares += number * number
        key = f"{self.path.name}{self.number}"
        file.write(f'{{"e": "start", "k": "{key}"}}\n')
        file.flush()
        file.write(f'{{"e": "end", "k": "{key}"}}\n')
        file.flush()
        self.pairs += 1

    def _rotate(self, file) -> None:  # type: ignore[no-untyped-def]
        self.generation += 1
        old = self.path.with_name(f"{self.path.name}.{self.generation}")
        way = self.draw.randrange(5)
        if way == 0:  # the writer still has the renamed file
            self.path.rename(old)
            self._write(file)
        elif way == 1:
            self.path.rename(old)
            with gzip.open(f"{old}.gz", "wb") as packed:
                packed.write(old.read_bytes())
            old.unlink()
        elif way == 2:  # nothing is written between the copy and the truncation
            shutil.copy(self.path, old)
            os.truncate(self.path, 0)
        elif way == 3:
            (self.path.parent / "older").mkdir(exist_ok=True)
            self.path.rename(self.path.parent / "older" / old.name)


class Scraper(threading.Thread):
    """Scrapes without a pause; no value may ever be lower than one seen before."""

    def __init__(self, port: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.url = f"http://127.0.0.1:{port}/metrics"
        self.stop = stop
        self.seen: dict[tuple[str, str], float] = {}
        self.went_back: list[str] = []
        self.scrapes = 0

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                with urllib.request.urlopen(self.url, timeout=10) as answer:
                    text = answer.read().decode()
            except (http.client.HTTPException, OSError):  # it is dead, dying or not ready
                self.stop.wait(0.005)
                continue
            self.scrapes += 1
            for family in text_string_to_metric_families(text):
                if family.type in ("counter", "histogram") and not family.name.startswith(
                    ("process", "logmetrics_commit")
                ):
                    for sample in family.samples:
                        key = (sample.name, str(sorted(sample.labels.items())))
                        if sample.value < self.seen.get(key, 0):
                            self.went_back.append(f"{key}: {self.seen[key]} -> {sample.value}")
                        self.seen[key] = sample.value

    def total(self, name: str) -> float:
        return sum(value for (sample, _), value in self.seen.items() if sample == name)


@pytest.mark.slow
def test_kill_at_random_moments(tmp_path: Path) -> None:
    """Nothing lost, nothing twice, nothing back, whatever the moment of the kill."""
    logs = tmp_path / "logs"
    logs.mkdir()
    port = free_port()
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(port=port, logs=logs, state=tmp_path / "state"))
    stop, draw = threading.Event(), random.Random(5)
    agents = [Agent(logs / f"{name}.log", seed, stop) for seed, name in enumerate("abc")]
    scraper = Scraper(port, stop)
    command = [sys.executable, "-m", "logmetrics", "watch", "--config", str(config)]
    errors = (tmp_path / "stderr").open("w")
    scraper.start()
    # What was rotated away before a first start has committed is not read, by design; that can take long.
    first = subprocess.Popen(command, cwd=ROOT, stderr=errors)
    deadline_s = time.monotonic() + 60
    while not scraper.scrapes and time.monotonic() < deadline_s:
        stop.wait(0.005)
    first.send_signal(signal.SIGKILL)
    first.wait()
    for agent in agents:
        agent.start()
    for _ in range(KILLS):
        daemon = subprocess.Popen(command, cwd=ROOT, stderr=errors)
        scrapes = scraper.scrapes
        deadline_s = time.monotonic() + 20
        # Sometimes before it is ready, sometimes after many commits.
        wanted = scrapes + draw.choice((0, 1, 2, 10, 50))
        while scraper.scrapes < wanted and time.monotonic() < deadline_s:
            stop.wait(0.005)
        stop.wait(draw.random() * 0.4)
        assert daemon.poll() is None, (tmp_path / "stderr").read_text()
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
    stop.set()
    for thread in (*agents, scraper):
        thread.join()

    stop.clear()
    daemon = subprocess.Popen(command, cwd=ROOT, stderr=errors)
    last = Scraper(port, stop)
    last.seen = scraper.seen
    last.start()
    written = sum(agent.number for agent in agents)
    deadline_s = time.monotonic() + 60
    while last.total("lines_total") != written and time.monotonic() < deadline_s:
        stop.wait(0.05)
    stop.set()
    last.join()
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=10) == 0
    errors.close()

    assert scraper.went_back + last.went_back == []
    expected = {
        "lines_total": written,
        "numbers_total": sum(agent.numbers for agent in agents),
        "squares_total": sum(agent.squares for agent in agents),
        "sizes_count": written,
        "pairs_total": sum(agent.pairs for agent in agents),
        "logmetrics_lost_bytes_total": 0,
        "logmetrics_source_unparsable_lines_total": 0,
    }
    assert {name: last.total(name) for name in expected} == expected
    assert scraper.scrapes > KILLS
    assert guarded(tmp_path / "state") == written


def guarded(state_dir: Path) -> int:
    """What is exposed of guarded_total, overflow included, plus what is parked; it had much to do."""
    with closing(StateReader.open(str(state_dir))) as state:
        families = store_of(state).families
        family = families["guarded_total"]
        parked = [json.loads(value) for _, _, value, _ in state.rows_of("parked", family.key)]
    moved = families["logmetrics_displaced_series_total"].series["guarded_total",]
    assert moved.measurements > 0
    assert len(parked) == len(family.parking) > 0
    return sum(series.measurements for series in family.series.values()) + sum(count for count, *_ in parked)
