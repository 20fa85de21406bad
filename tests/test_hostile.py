"""Lines written to do harm cost one count each: the exposition stays readable, memory bounded, the rest exact."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.daemon import ROOT, Daemon, wait_until
from tests.test_prometheus import prometheus, query

CONFIG = """
packs: []
metrics:
  x_total: {type: counter, help: h, labels: [name, other], limits: {values: {name: 50}}}
  good_total: {type: counter, help: h, labels: [agent]}
  seconds: {type: histogram, help: h, labels: [name], buckets: [1], raw: [name]}
rules:
  - {name: x, when: has(name), labels: {name: name, other: other}, update: {x_total: 1, seconds: s}}
  - {name: good, when: has(agent), labels: {agent: agent}, update: {good_total: 1}}
"""
HOSTILE = [
    'quote " backslash \\ newline \n tab \t NUL \x00 escape \x1b[31m',
    '"} 17\nfake_total{a="b"} 1e9\n',
    '\\n\\"',
    "{}=,# HELP x",
    "\u202eright to left\u2066",
    "\u2028line\u2029paragraph\x85",
    "😀" * 40,
    "é" * 64,
    "a" * 128,
    "a" * 129,
    "__overflow__",
    "",
    " ",
    "NaN",
    "+Inf",
    "x" * 500_000,
]


def lines() -> list[bytes]:
    """Hostile texts in both labels, lone surrogates, huge and deep records, keys that collide, and honest lines."""
    made = []
    for text in HOSTILE:
        made.append(json.dumps({"name": text, "other": "o", "s": 0.5}).encode())
        made.append(json.dumps({"name": "n", "other": text, "s": "NaN"}).encode())
    made.append(b'{"name": "\\ud800 lone", "other": "\\udfff"}')
    made.append(b'{"name": "\xff\xfe", "other": "o"}')
    made.append(b'{"name": ' + b"[" * 5_000 + b"]" * 5_000 + b"}")
    made.append(b'{"name": "big", "other": ' + b"9" * 10_000 + b"}")
    made.append(b'{"name": 1e400, "other": -0.0, "s": 1e400}')
    made.append(json.dumps({"name": "k", "other": "o", **{f"k{n << 32}": n for n in range(5_000)}}).encode())
    made.append(b'{"name": "dup", "name": "licate", "other": "o"}')
    made.append(b'{"name": "ten megabytes", "other": "' + b"y" * 10_000_000 + b'"}')
    return made


def test_exposition_stays_readable(tmp_path: Path) -> None:
    """Both formats are read back by Prometheus' own parsers, line by line, and by a real Prometheus; sums are exact."""
    hostile = lines()
    honest = json.dumps({"agent": "planner"}).encode()
    log, config = tmp_path / "a.log", tmp_path / "config.yaml"
    log.write_bytes(b"".join(line + b"\n" + honest + b"\n" for line in hostile))
    config.write_text(CONFIG)
    with Daemon(str(log), "-c", str(config)) as daemon:
        daemon.wait_until_ready()
        text = daemon.get("/metrics")[1]
        openmetrics = daemon.get("/metrics", Accept="application/openmetrics-text")[1]
        page = daemon.get("/")[1]
        with prometheus(daemon.url.removeprefix("http://"), tmp_path) as url:
            wait_until(lambda: query(url, "sum(good_total)"))
            seen = {(s["metric"]["name"], s["metric"]["other"]): float(s["value"][1]) for s in query(url, "x_total")}
            up = query(url, "up")[0]["value"][1]
    found = {}
    for body, parse in ((text, parse_text), (openmetrics, parse_openmetrics)):
        samples = [sample for family in parse(body) for sample in family.samples]
        assert not [sample for sample in samples if sample.name.startswith("fake")]
        found = {(s.labels["name"], s.labels["other"]): s.value for s in samples if s.name == "x_total"}
        assert seen == found
        by_name = {sample.name: sample.value for sample in samples}
        assert by_name["good_total"] == len(hostile)
        assert sum(found.values()) + by_name["logmetrics_source_unparsable_lines_total"] + 1 == len(hostile)  # oversize
        assert by_name["logmetrics_source_oversize_lines_total"] == 1
    assert up == "1"
    assert all(len(value.encode()) <= 128 for labels in found for value in labels)
    assert not any(character in value for labels in found for value in labels for character in "\n\x00\x1b\u202e\x85")
    assert "\x1b" not in page


FLOOD = """
import sys
sys.stdout.reconfigure(encoding="utf-8")
for number in range(int(sys.argv[1])):
    print(f'{{"name": "n {number:x}", "other": "o {number:x}", "agent": "{"abc"[number % 3]}", "s": {number % 3}}}')
"""


@pytest.mark.slow
def test_memory_does_not_follow_the_number_of_values(tmp_path: Path) -> None:
    """Ten times as many new values in two labels of two metrics: 5 MB more at the most, and every sum exact."""
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    used_kb = []
    for count in (60_000, 600_000):
        log = tmp_path / f"{count}.log"
        with log.open("w") as file:
            subprocess.run([sys.executable, "-c", FLOOD, str(count)], stdout=file, check=True)
        command = [sys.executable, "-c", MEASURED, "watch", str(log), "-c", str(config), "--once"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        used_kb.append(int(done.stderr.splitlines()[-1]))
        totals = dict.fromkeys(("x_total", "good_total", "seconds_count"), 0.0)
        for family in parse_text(done.stdout):
            for sample in family.samples:
                if sample.name in totals:
                    totals[sample.name] += sample.value
        assert totals == dict.fromkeys(totals, count)
    assert used_kb[1] - used_kb[0] < 5_000


MEASURED = """
import resource, sys
from logmetrics.cli.app import app
try:
    app()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""
