"""A real Prometheus scrapes the real daemon while agents write, and answers the first questions people ask."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from logmetrics.config.specs import BUCKET_PRESETS
from tests.daemon import Daemon, free_port, wait_until

AGENTS = ("planner", "coder", "researcher")
TOOLS = ("search", "browser", "python", "sql_query", "read_file", "write_file", "send_email")
Record = dict[str, Any]


def records(seed: int, count: int) -> list[Record]:
    """Tool calls and LLM calls, each agent with errors of its own rate."""
    draw = random.Random(seed)
    made: list[Record] = []
    for _ in range(count):
        agent = draw.choice(AGENTS)
        if draw.random() < 0.6:
            status = "error" if draw.random() < 0.1 * (1 + AGENTS.index(agent)) else "success"
            tool = TOOLS[int(len(TOOLS) * draw.random() ** 2)]
            made.append({"event": "tool_call", "agent": agent, "tool_name": tool, "status": status})
        else:
            latency_ms = round(draw.lognormvariate(7.5, 1.2), 1)
            made.append({"event": "llm_call", "agent": agent, "latency_ms": latency_ms, "status": "success"})
    return made


@contextmanager
def prometheus(target: str, directory: Path) -> Iterator[str]:
    """A Prometheus that scrapes *target* each second; gives its URL."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.fail("prometheus is missing; make test installs Debian's package")
    config = directory / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: logmetrics, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'tsdb'}",
            f"--web.listen-address={address}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def query(url: str, expression: str) -> list[Record]:
    """The vector that an instant query gives; empty while Prometheus is not up."""
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}") as answer:
            result: list[Record] = json.load(answer)["data"]["result"]
            return result
    except OSError:
        return []


def values(result: list[Record], label: str) -> dict[str, float]:
    return {entry["metric"][label]: float(entry["value"][1]) for entry in result}


def quantile(fraction: float, seconds: list[float]) -> float:
    """PromQL's histogram_quantile over the llm_latency buckets, computed from the values themselves."""
    bounds = BUCKET_PRESETS["llm_latency"]
    counts = Counter(bisect_left(bounds, value) for value in seconds)
    rank, below = fraction * len(seconds), 0
    for index, bound in enumerate(bounds):
        if below + counts[index] >= rank:
            lower = bounds[index - 1] if index else 0.0
            return lower + (bound - lower) * (rank - below) / counts[index]
        below += counts[index]
    return bounds[-1]


@pytest.mark.slow
def test_first_three_queries(tmp_path: Path) -> None:
    """Top tools, error ratio and P95 latency equal what the log lines of the time between two scrapes say."""
    logs = tmp_path / "logs"
    logs.mkdir()
    drawn = records(7, 1500)

    def append(some: list[Record]) -> None:
        for record in some:
            with (logs / f"{record['agent']}.log").open("a") as file:
                file.write(json.dumps(record) + "\n")

    append(drawn)  # so that every series exists, and has a value, before the first scrape
    with Daemon(str(logs)) as daemon, prometheus(daemon.url.removeprefix("http://"), tmp_path) as url:
        total = "sum(agent_log_records_total)"
        wait_until(lambda: [entry["value"][1] for entry in query(url, total)] == [str(len(drawn))])
        pause = threading.Event()
        for start in range(0, len(drawn), 50):
            append(drawn[start : start + 50])
            pause.wait(0.1)  # agents write while Prometheus scrapes
        wait_until(lambda: [entry["value"][1] for entry in query(url, total)] == [str(2 * len(drawn))])

        tools = values(query(url, "topk(5, sum by (tool_name) (rate(agent_tool_calls_total[2m])))"), "tool_name")
        errors = "sum by (agent) (rate(agent_tool_calls_total{status='error'}[2m]))"
        ratio = values(query(url, f"{errors} / sum by (agent) (rate(agent_tool_calls_total[2m]))"), "agent")
        buckets = "sum by (le, agent) (rate(agent_llm_latency_seconds_bucket[2m]))"
        p95 = values(query(url, f"histogram_quantile(0.95, {buckets})"), "agent")

    calls = [record for record in drawn if record["event"] == "tool_call"]
    count = Counter(record["tool_name"] for record in calls)
    top = dict(count.most_common(5))
    assert set(tools) == set(top)
    scale = sum(tools.values()) / sum(top.values())  # rate() is per second, and extrapolates all series alike
    for tool, rate in tools.items():
        assert rate == pytest.approx(top[tool] * scale, rel=1e-9)
    for agent in AGENTS:
        mine = [record for record in calls if record["agent"] == agent]
        failed = [record for record in mine if record["status"] == "error"]
        assert ratio[agent] == pytest.approx(len(failed) / len(mine), rel=1e-9)
    latencies = defaultdict(list)
    for record in drawn:
        if record["event"] == "llm_call":
            latencies[record["agent"]].append(record["latency_ms"] / 1000)
    for agent in AGENTS:
        assert p95[agent] == pytest.approx(quantile(0.95, latencies[agent]), rel=1e-9)


@pytest.mark.slow
def test_kill_is_no_reset(tmp_path: Path) -> None:
    """Over two kills and a rotation Prometheus sees no reset, and the increase is what was written."""
    logs = tmp_path / "logs"
    logs.mkdir()
    line = json.dumps({"event": "tool_call", "agent": "a", "tool_name": "t", "status": "success"}) + "\n"

    def append(count: int) -> None:
        with (logs / "a.log").open("a") as file:
            file.write(line * count)

    append(1000)
    target = f"127.0.0.1:{free_port()}"
    arguments = (str(logs), "--state-dir", str(tmp_path / "state"), "--listen", target)
    counter, window = "agent_tool_calls_total", "[2m]"
    pause = threading.Event()
    with prometheus(target, tmp_path) as url:
        for run in range(3):
            with Daemon(*arguments) as daemon:
                seen = 1000 + 30 * run
                wait_until(lambda seen=seen: values(query(url, counter), "agent") == {"a": seen})
                append(30)
                pause.wait(0.3)
                if run < 2:
                    wait_until(lambda seen=seen: values(query(url, counter), "agent") == {"a": seen + 30})
                    daemon.process.kill()
                    daemon.process.wait()
                    (logs / "a.log").rename(logs / f"a.log.{run}")
                else:
                    wait_until(lambda: values(query(url, counter), "agent") == {"a": 1090})
        grown = f"max_over_time({counter}{window}) - min_over_time({counter}{window})"
        assert values(query(url, f"resets({counter}{window})"), "agent") == {"a": 0}
        assert values(query(url, grown), "agent") == {"a": 90}


GUARDED = """
packs: []
limits: {idle: 4s}
metrics:
  errors_total: {type: counter, help: h, labels: [kind], limits: {idle: never}}
  error_seconds: {type: histogram, help: h, labels: [kind], buckets: [1], limits: {idle: never}}
  calls_total: {type: counter, help: h, labels: [tool], limits: {idle: never, values: {tool: 1}}}
  rare_total: {type: counter, help: h, labels: [what]}
rules:
  - {name: errors, when: has(kind), labels: {kind: kind}, update: {errors_total: 1, error_seconds: 0.5}}
  - {name: calls, when: has(tool), labels: {tool: tool}, update: {calls_total: 1}}
  - {name: rare, when: has(what), labels: {what: what}, update: {rare_total: 1}}
"""


@pytest.mark.slow
def test_first_events_displacement_and_idleness(tmp_path: Path) -> None:
    """A first event is an increase of 1; who was displaced or idle and comes back shows neither reset nor spike."""
    logs, config = tmp_path / "logs", tmp_path / "config.yaml"
    logs.mkdir()
    config.write_text(GUARDED)

    def append(count: int, **record: str) -> None:
        with (logs / "a.log").open("a") as file:
            file.write((json.dumps(record) + "\n") * count)

    append(5, tool="old")
    append(5, what="x")
    arguments = (str(logs), "-c", str(config), "--state-dir", str(tmp_path / "state"))
    with Daemon(*arguments) as daemon, prometheus(daemon.url.removeprefix("http://"), tmp_path) as url:

        def shown(expression: str, label: str, **expected: float) -> None:
            wait_until(lambda: values(query(url, expression), label) == expected)

        shown("calls_total", "tool", old=5)
        append(1, kind="boom")
        shown("errors_total", "kind", boom=1)
        append(12, tool="new")  # the tenth, twice as many as of the old, takes the place
        shown("calls_total", "tool", __overflow__=9, new=3)
        append(30, tool="old")
        wait_until(lambda: values(query(url, "calls_total"), "tool").get("old", 0) > 5)
        wait_until(lambda: not query(url, "rare_total"))
        append(1, what="x")
        shown("rare_total", "what", x=6)

        # At the time of a scrape increase() does not extrapolate past it, nor below the 0 before the first event.
        at = f"@ {query(url, 'timestamp(errors_total)')[0]['value'][1]}"
        for first in ("errors_total", "error_seconds_count"):
            assert values(query(url, f"increase({first}[5m] {at})"), "kind") == {"boom": 1}
        assert not values(query(url, "{__name__=~'.*_total',job='logmetrics'} and resets(rare_total[5m]) > 0"), "what")
        assert values(query(url, "resets(rare_total[5m])"), "what") == {"x": 0}
        assert set(values(query(url, "resets(calls_total[5m])"), "tool").values()) == {0}
        grown = values(query(url, "max_over_time(calls_total[5m]) - min_over_time(calls_total[5m])"), "tool")
        assert grown["old"] <= 30
        rates = values(query(url, "max_over_time(rate(calls_total[3s])[2m:1s])"), "tool")
        assert rates["old"] <= 30
