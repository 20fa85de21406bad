"""What a flood of new label values costs: lines a second against the same lines with few values, and memory.

    python bench/flood.py [--lines 1000000] [--times 10]

Lines are those of agents, with a session id and two more texts, counted by the built-in packs and by one rule more. In
the flood the session id, or all three, are new in each line. Prints CPU seconds for each million lines, the rate as a
share of the rate without a flood, and the peak of memory after --lines and after --times as many.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

CONFIG = """
metrics:
  one_total: {type: counter, help: h, labels: [agent, session_id], allow_unbounded: true}
  three_total: {type: counter, help: h, labels: [session_id, left, right], allow_unbounded: true}
rules:
  - name: one
    when: not has(left)
    labels: {agent: agent, session_id: session_id}
    update: {one_total: 1}
  - name: three
    when: has(left)
    labels: {session_id: session_id, left: left, right: right}
    update: {three_total: 1}
"""
RUN = """
import resource, sys
from logmetrics.cli.app import app
try:
    app()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
"""


def record(number: int, *, labels: int, flood: bool) -> str:
    """A line of about 300 bytes."""
    value = number if flood else number % 10
    fields = {
        "ts": "2026-01-01T00:00:00.000Z",
        "level": "INFO",
        "event": "tool_call",
        "agent": f"agent-{number % 8}",
        "tool_name": f"tool_{number % 20}",
        "status": "success",
        "duration_ms": number % 900,
        "session_id": f"s {value:x}",
        "message": "the tool was called and gave what was wanted " * 3,
    }
    if labels == 3:
        fields.update(left=f"l {value:x}", right=f"r {value:x}")
    return json.dumps(fields)


def measure(directory: Path, lines: int, *, labels: int, flood: bool) -> tuple[float, float]:
    """CPU seconds for each million lines, and the peak of memory in MB."""
    log, config = directory / "a.log", directory / "config.yaml"
    config.write_text(CONFIG)
    with log.open("w") as file:
        for number in range(lines):
            file.write(record(number, labels=labels, flood=flood) + "\n")
    command = [sys.executable, "-c", RUN, "watch", str(log), "-c", str(config), "--once"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    cpu_s, peak_kb = map(float, done.stderr.splitlines()[-1].split())
    return cpu_s / lines * 1e6, peak_kb / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=10)
    arguments = parser.parse_args()
    print(f"{'new labels':>10} {'CPU s/M':>8} {'of normal':>9} {'MB':>6} {f'MB x{arguments.times}':>7}")
    with tempfile.TemporaryDirectory() as name:
        for labels in (1, 3):
            normal_s, normal_mb = measure(Path(name), arguments.lines, labels=labels, flood=False)
            print(f"{0:>10} {normal_s:>8.2f} {1:>9.0%} {normal_mb:>6.1f}")
            flood_s, flood_mb = measure(Path(name), arguments.lines, labels=labels, flood=True)
            times_mb = measure(Path(name), arguments.lines * arguments.times, labels=labels, flood=True)[1]
            print(f"{labels:>10} {flood_s:>8.2f} {normal_s / flood_s:>9.0%} {flood_mb:>6.1f} {times_mb:>7.1f}")


if __name__ == "__main__":
    main()
