"""Logs that grow: CPU for each line against mtail, CPU while nothing grows, and how long a line takes to be seen.

    python -m bench.live [--rates 1000 10000] [--files 100] [--seconds 15] [--idle 60] [--probes 300]

Each system follows the same files in turn, while a process of its own appends lines round-robin. Ours runs as a user
has it, with state and self-metrics: with the built-in packs, with a plain config of six metrics, and with each by
polling only. What a system counted is held against what was written; a wrong one gets no time.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from bench import figures
from bench.agent_lines import CONFIG, MTAIL_PROGRAM, expected, line, records, shown
from bench.model import Raw, Section, Size, Table
from bench.running import MTAIL, Running, daemon, idle_cpu_s, mtail, samples, scrape

FILES = 100
SYSTEMS = ("mtail", "packs", "packs, polling", "six metrics", "six metrics, polling")
# So long it may take after the last line until all are counted.
CATCH_UP_S_MAX = 20.0
# Before anything is measured lines come for so long: ours makes its functions then, mtail did so when it started.
WARM_UP_S = 3.0
# After that much silence we take files for still, and have writes told.
CALM_S = 30.0

# Arguments: file of lines, directory, files, lines a second, seconds (0: until stdin ends). Prints how many it wrote.
_WRITER = """
import os, select, sys, time
lines = open(sys.argv[1], "rb").readlines()
files, rate, seconds = int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
logs = [os.open(f"{sys.argv[2]}/{n}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT) for n in range(files)]
written, started_s = 0, time.perf_counter()
while not (select.select([0], [], [], 0.005)[0] if not seconds else time.sleep(0.005)):
    passed_s = time.perf_counter() - started_s
    if seconds and passed_s > seconds:
        break
    for number in range(written, min(int(passed_s * rate), len(lines))):
        os.write(logs[number % files], lines[number])
        written = number + 1
print(written)
"""


@dataclass
class Live:
    """One system at one rate. Times are None when it did not count what was written."""

    system: str
    rate: int
    lines: int
    us_per_line: float | None
    idle_percent: float
    rss_mb: float


@dataclass
class Latency:
    """From the write of a line until a scrape shows it."""

    median_ms: float
    p99_ms: float
    max_ms: float


def start(system: str, scratch: Path, logs: Path) -> AbstractContextManager[Running]:
    if system == "mtail":
        return mtail(scratch, MTAIL_PROGRAM, f"{logs}/*.log")
    arguments = [str(logs)]
    if system.startswith("six metrics"):
        (scratch / "config.yaml").write_text(CONFIG.replace("DIRECTORY", str(logs)))
        arguments = ["--config", str(scratch / "config.yaml")]
    return daemon(scratch, *arguments, *(["--no-watchdog"] if "polling" in system else []))


def cpu_per_line(system: str, rate: int, files: int, seconds: float, idle_s: float) -> Live:
    """Let *system* follow *files* files while *rate* lines a second are written to them."""
    with tempfile.TemporaryDirectory() as name:
        scratch, logs = Path(name), Path(name) / "logs"
        logs.mkdir()
        made = list(islice(records(), int(rate * (seconds + WARM_UP_S))))
        for number in range(files):
            (logs / f"{number}.log").touch()
        with start(system, scratch, logs) as running:
            warm = _write(made, scratch, logs, files, rate, WARM_UP_S)
            time.sleep(CALM_S if idle_s else 2)
            idle = idle_cpu_s(running, idle_s) / idle_s if idle_s else 0.0
            before_s = running.cpu_s
            written = _write(made[warm:], scratch, logs, files, rate, seconds)
            used_s = running.cpu_s - before_s
            wanted = expected(made[: warm + written])
            deadline_s = time.monotonic() + CATCH_UP_S_MAX
            # What is left is counted within a moment; its cost belongs to the lines, that of asking does not.
            before_s = running.cpu_s
            time.sleep(1)
            used_s += running.cpu_s - before_s
            while (right := shown(samples(running.scrape())) == wanted) is False and time.monotonic() < deadline_s:
                before_s = running.cpu_s
                time.sleep(1)
                used_s += running.cpu_s - before_s
            us_per_line = used_s / written * 1e6 if right else None
            return Live(system, rate, written, us_per_line, idle * 100, running.peak_rss_mb)


def _write(made: Sequence[dict[str, object]], scratch: Path, logs: Path, files: int, rate: int, seconds: float) -> int:
    """Have a process of its own append the records; returns how many it did."""
    (scratch / "lines").write_bytes(b"".join(map(line, made)))
    arguments = [str(scratch / "lines"), str(logs), str(files), str(rate), str(seconds)]
    return int(subprocess.run([sys.executable, "-c", _WRITER, *arguments], capture_output=True, check=True).stdout)


def latency(rate: int, files: int, probes: int, *, polling: bool = False) -> Latency:
    """Append a line and scrape until it is there, again and again, while *rate* lines a second are written."""
    with tempfile.TemporaryDirectory() as name:
        scratch, logs = Path(name), Path(name) / "logs"
        logs.mkdir()
        (scratch / "lines").write_bytes(b"".join(map(line, islice(records(), max(rate, 1) * 120))))
        for number in range(files):
            (logs / f"{number}.log").touch()
        probe = logs / "probe.log"
        probe.touch()
        with start("packs, polling" if polling else "packs", scratch, logs) as running:
            arguments = [str(scratch / "lines"), str(logs), str(files), str(rate), "0"]
            writer = subprocess.Popen(
                [sys.executable, "-c", _WRITER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
            )
            time.sleep(1)
            connection = running.connect()
            took_ms = [_seen_after_ms(probe, number, connection) for number in range(probes + 20)][20:]
            connection.close()
            writer.communicate()
    took_ms.sort()
    return Latency(statistics.median(took_ms), took_ms[int(len(took_ms) * 0.99) - 1], took_ms[-1])


def _seen_after_ms(probe: Path, number: int, connection: object) -> float:
    wanted = f'agent_tool_calls_total{{agent="probe",tool_name="t",status="success"}} {number + 1}\n'
    record = {"event": "tool_call", "agent": "probe", "tool_name": "t", "status": "ok", "duration_ms": 5}
    started_s = time.perf_counter()
    with probe.open("ab") as file:
        file.write(line(record))
    while wanted not in scrape(connection)[1]:  # type: ignore[arg-type]
        pass
    took_ms = (time.perf_counter() - started_s) * 1000
    time.sleep(0.01)
    return took_ms


def run(size: Size, directory: Path) -> Raw:  # noqa: ARG001
    """A section of RESULTS.md."""
    systems = [system for system in SYSTEMS if "polling" not in system and (system != "mtail" or Path(MTAIL).exists())]
    live = [cpu_per_line(system, 1_000, FILES, size.live_s, size.idle_s) for system in systems]
    live += [cpu_per_line(system, 10_000, FILES, size.live_s, 0) for system in systems]
    seen = {
        f"{rate:,} lines/s, {how}": asdict(latency(rate, FILES, size.probes, polling=how == "polling"))
        for rate in (0, 1_000)
        for how in ("notification", "polling")
    }
    return {"live": [asdict(one) for one in live], "seen": seen}


def show(raw: Raw) -> Section:
    """See the package."""
    rows = []
    for one in raw["live"]:
        cost = "wrong values" if one["us_per_line"] is None else figures.number(one["us_per_line"])
        idle = "" if one["rate"] == 10_000 else f"{one['idle_percent']:.3f}"
        rows.append([one["system"], f"{one['rate']:,}", cost, idle, figures.number(one["rss_mb"])])
    seen = [
        [how, *(figures.number(one[key]) for key in ("median_ms", "p99_ms", "max_ms"))]
        for how, one in raw["seen"].items()
    ]
    return Section(
        "Logs that grow",
        [
            f"{FILES} files are followed while lines are appended to all of them in turn, each with a write of its "
            "own. `packs` is logmetrics without a config. CPU when idle is that of half a minute without a line.",
            Table(["", "lines/s", "CPU µs a line", "idle, % of a core", "peak MB"], rows),
            "From the write of a line to its being in a scrape, which is asked for again and again:",
            Table(["", "median ms", "P99 ms", "max ms"], seen),
        ],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="*", default=SYSTEMS, choices=SYSTEMS)
    parser.add_argument("--rates", nargs="*", type=int, default=[1_000, 10_000])
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--idle", type=float, default=60, help="seconds without a line, before the lines come")
    parser.add_argument("--probes", type=int, default=300)
    wanted = parser.parse_args(arguments)
    if wanted.systems:
        print(f"{'system':<22} {'lines/s':>8} {'lines':>8} {'us/line':>8} {'idle %':>7} {'MB':>6}")
    for rate in wanted.rates:
        for system in wanted.systems:
            live = cpu_per_line(system, rate, wanted.files, wanted.seconds, wanted.idle)
            cost = "WRONG" if live.us_per_line is None else f"{live.us_per_line:.1f}"
            print(
                f"{system:<22} {rate:>8,} {live.lines:>8,} {cost:>8} {live.idle_percent:>7.3f} {live.rss_mb:>6.1f}",
                flush=True,
            )
    if wanted.probes:
        print(f"{'a line is seen after':<22} {'lines/s':>8} {'median ms':>9} {'P99 ms':>7} {'max ms':>7}")
    for rate in (0, wanted.rates[0]) if wanted.probes else ():
        for polling in (False, True):
            seen = latency(rate, wanted.files, wanted.probes, polling=polling)
            how = "by polling" if polling else "with notification"
            print(f"{how:<22} {rate:>8,} {seen.median_ms:>9.2f} {seen.p99_ms:>7.2f} {seen.max_ms:>7.2f}", flush=True)


if __name__ == "__main__":
    main()
