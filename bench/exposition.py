"""What a page of 100,000 series costs: against prometheus_client, and for the engine that goes on reading meanwhile.

    python -m bench.exposition [--series 100000] [--rounds 3] [--seconds 10]

Renders counters with two labels in both formats: for the first time, with 1 % changed since the last page, and with all
changed; prometheus_client's own writer renders as many in the same run. Then one thread reads and commits 5,000 lines a
second while another scrapes over HTTP in a loop, plain and with gzip; printed is the longest time between two turns of
the engine's thread.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from bench import figures
from bench.model import Raw, Section, Size, Table
from logmetrics.config.loading import load_config
from logmetrics.config.specs import LimitsSpec, MetricSpec
from logmetrics.engine import Engine
from logmetrics.packs import builtin_packs
from logmetrics.serve.app import MetricsApp
from logmetrics.serve.exposition import render
from logmetrics.serve.http import HttpServer
from logmetrics.service.messages import Messages
from logmetrics.service.status import Monitor
from logmetrics.store.state import StateFile
from logmetrics.store.store import Store

METRIC = MetricSpec("calls_total", "counter", "Calls", ("agent", "tool"))
CONFIG = """
packs: []
limits: {{series: 1000000, series_per_metric: 1000000, values_per_label: 1000000, admission: first}}
sources: [{{name: logs, paths: ["{logs}"], format: json}}]
metrics:
  calls_total: {{type: counter, help: Calls, labels: [tool], allow_unbounded: true}}
rules: [{{name: calls, labels: {{tool: tool}}, update: {{calls_total: 1}}}}]
"""


@dataclass
class Page:
    """CPU seconds for one page in one format."""

    what: str
    text_s: float
    openmetrics_s: float


@dataclass
class Gaps:
    """Times between two turns of the engine's thread, in milliseconds."""

    scraped: str
    pages: int
    p99_ms: float
    max_ms: float


def pages(series: int, rounds: int) -> list[Page]:
    """What a page of *series* series costs."""
    theirs = Counter("calls", "Calls", ("agent", "tool"), registry=(registry := CollectorRegistry()))
    for place in range(series):
        theirs.labels(f"agent{place % 100}", f"tool{place}").inc()
    found = []
    for what, changed in (("first", 0), ("1 % changed", series // 100), ("all changed", series)):
        times: list[list[float]] = [[], []]
        store = _store_of(series)
        for openmetrics in (False, True) * rounds:
            if what == "first":
                store = _store_of(series)
            _change(store, changed)
            families = store.view().families
            times[openmetrics].append(_cpu_s(partial(render, families, openmetrics=openmetrics)))
        found.append(Page(what, *map(statistics.median, times)))
    writers = (generate_latest, generate_openmetrics)
    their_s = [statistics.median(_cpu_s(partial(write, registry)) for _ in range(rounds)) for write in writers]
    return [*found, Page("prometheus_client", *their_s)]


def _store_of(series: int) -> Store:
    store = Store({METRIC.name: METRIC}, LimitsSpec(10**9, 10**9, 10**9))
    store.site(METRIC.name, {}, count_only=True)
    _change(store, series)
    return store


def _change(store: Store, number: int) -> None:
    [site] = store.families[METRIC.name].sites
    for place in range(number):
        site[f"agent{place % 100}", f"tool{place}"].count += 1
    store.commit(0.0)


def _cpu_s(work: Callable[[], object]) -> float:
    gc.collect()
    started_s = time.thread_time()
    work()
    return time.thread_time() - started_s


def gaps(series: int, seconds: float) -> list[Gaps]:
    """How long the engine is kept waiting by scrapes of *series* series."""
    with tempfile.TemporaryDirectory() as name:
        logs = Path(name) / "logs"
        logs.mkdir()
        (logs / "0.log").write_text("".join(f'{{"tool": "tool {number}"}}\n' for number in range(series)))
        (Path(name) / "config.yaml").write_text(CONFIG.format(logs=logs))
        config = load_config(str(Path(name) / "config.yaml"), builtin_packs())
        # The engine hardly ever sleeps, so that the time between two turns is what something else takes.
        engine = Engine(replace(config, poll_interval_s=0.001), state=StateFile(f"{name}/state"))
        monitor = Monitor(engine, Messages(print, time.time))
        server = HttpServer(["127.0.0.1:0"], MetricsApp(engine, monitor.status))
        server.start()
        turns: list[float] = []
        turn = engine._turn

        def noted(log: object) -> bool:
            more = turn(log)  # type: ignore[arg-type]
            turns.append(time.perf_counter())
            return more

        engine._turn = noted  # type: ignore[method-assign]
        thread = threading.Thread(target=engine.run)
        thread.start()
        while not engine.caught_up:
            time.sleep(0.05)
        # Both in processes of their own: they must not take the interpreter from the engine.
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(logs), str(series)], stdin=subprocess.PIPE)
        time.sleep(3)
        found = [_scraped(server.bound[0], turns, seconds, how) for how in ("not", "plain", "gzip", "OpenMetrics")]
        writer.communicate()
        engine.stopping = True
        engine.waker.wake()
        thread.join()
        server.stop()
    return found


# 5,000 lines a second, of a few hundred series in turn, until stdin ends.
_WRITER = """
import select, sys
logs, series = sys.argv[1], int(sys.argv[2])
files = [open(f"{logs}/{number}.log", "a") for number in range(1, 11)]
number = 0
while not select.select([0], [], [], 0.002)[0]:
    for file in files:
        file.write('{"tool": "tool %d"}\\n' % (number % 307 * 307 % series))
        file.flush()
        number += 1
"""
_SCRAPER = """
import http.client, json, sys, time
connection, headers = http.client.HTTPConnection(sys.argv[1], timeout=60), json.loads(sys.argv[2])
made, until_s = 0, time.perf_counter() + float(sys.argv[3])
while time.perf_counter() < until_s:
    connection.request("GET", "/metrics", headers=headers)
    connection.getresponse().read()
    made += 1
print(made)
"""


def _scraped(address: str, turns: list[float], seconds: float, how: str) -> Gaps:
    headers = {"gzip": {"Accept-Encoding": "gzip"}, "OpenMetrics": {"Accept": "application/openmetrics-text"}}
    turns.clear()
    made = "0"
    if how == "not":
        time.sleep(seconds)
    else:
        command = [sys.executable, "-c", _SCRAPER, address, json.dumps(headers.get(how, {})), str(seconds)]
        made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    at = list(turns)
    between = sorted((after - before) * 1000 for before, after in pairwise(at))
    return Gaps(how, int(made), between[int(len(between) * 0.99) - 1], between[-1])


def run(size: Size, directory: Path) -> Raw:  # noqa: ARG001
    """A section of RESULTS.md."""
    return {
        "series": size.page_series,
        "pages": [asdict(page) for page in pages(size.page_series, size.rounds)],
        "gaps": [asdict(gap) for gap in gaps(size.page_series, size.live_s)],
    }


def show(raw: Raw) -> Section:
    """See the package."""
    theirs = raw["pages"][-1]
    rows = []
    for page in raw["pages"]:
        row = [page["what"]]
        for key in ("text_s", "openmetrics_s"):
            row += [f"{page[key]:.3f}", figures.times(theirs[key] / page[key])]
        rows.append(row)
    gap_rows = [
        [gap["scraped"], str(gap["pages"]), figures.number(gap["p99_ms"]), figures.number(gap["max_ms"])]
        for gap in raw["gaps"]
    ]
    return Section(
        "Pages of many series",
        [
            f"CPU seconds for a page of {raw['series']:,} counters, and how many times that prometheus_client takes.",
            Table(["page", "text", "", "OpenMetrics", ""], rows),
            "Time between two turns of the engine, in ms, while 5,000 lines a second are read and such a page is "
            "scraped in a loop; the commits that scrapes ask for are part of it.",
            Table(["scraped", "pages", "P99", "longest"], gap_rows),
        ],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    wanted = parser.parse_args(arguments)
    found = pages(wanted.series, wanted.rounds)
    theirs = found[-1]
    print(
        f"{'a page of ' + format(wanted.series, ','):<20} {'text s':>8} {'times':>6} {'OpenMetrics s':>14} {'times':>6}"
    )
    for page in found:
        print(
            f"{page.what:<20} {page.text_s:>8.3f} {theirs.text_s / page.text_s:>6.1f} "
            f"{page.openmetrics_s:>14.3f} {theirs.openmetrics_s / page.openmetrics_s:>6.1f}"
        )
    print(f"{'scraped':<20} {'pages':>8} {'P99 ms':>8} {'longest gap ms':>15}")
    for gap in gaps(wanted.series, wanted.seconds):
        print(f"{gap.scraped:<20} {gap.pages:>8} {gap.p99_ms:>8.2f} {gap.max_ms:>15.2f}")


if __name__ == "__main__":
    main()
