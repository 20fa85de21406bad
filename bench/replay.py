"""Backfill: what two processes gain, what a log ten times as long needs, and what samples cost beside totals.

The log is that of agents' JSON, 50 minutes of it, repeated day after day.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench import figures, workloads
from bench.measure import Outcome, run_to_end
from bench.model import Raw, Section, Size, Table
from bench.systems import PYTHON_ENV

LINES = 600_000
FIRST_DAY = 12
LABELS = ("--label", "job=logmetrics", "--label", "instance=here:8001")


def made(directory: Path, days: int) -> Path:
    """A log of so many days in a directory of its own."""
    log = directory / f"days-{days}" / "agents.jsonl"
    if not log.exists():
        day = workloads.agent(directory, LINES).log.read_bytes()
        log.parent.mkdir()
        with log.open("wb") as file:
            for number in range(days):
                file.write(day.replace(b"2024-11-12T", b"2024-11-%02dT" % (FIRST_DAY + number)))
    return log


def run(size: Size, directory: Path) -> Raw:
    """A section of RESULTS.md."""
    long, short = made(directory, size.replay_days), made(directory, 1)
    cases: dict[str, tuple[Path, Sequence[str]]] = {
        "one day, 1 process": (short, ["--jobs", "1"]),
        f"{size.replay_days} days, 1 process": (long, ["--jobs", "1"]),
        f"{size.replay_days} days, 2 processes": (long, ["--jobs", "2"]),
        f"{size.replay_days} days, 2 processes, samples at 15 s": (
            long,
            ["--jobs", "2", "--openmetrics", str(directory / "samples"), *LABELS],
        ),
    }
    outcomes: dict[str, list[Outcome]] = {name: [] for name in cases}
    for _ in range(size.curve_rounds):
        for name, (log, options) in cases.items():
            command = [
                sys.executable,
                "-m",
                "logmetrics",
                "replay",
                str(log.parent),
                "--format",
                "prometheus",
                *options,
            ]
            outcomes[name].append(run_to_end(command, directory / "run", env=PYTHON_ENV))
    return [[name, cases[name][0].stat().st_size, [asdict(outcome) for outcome in of]] for name, of in outcomes.items()]


def show(raw: Raw) -> Section:
    """See the package."""
    rows = []
    for name, size_bytes, outcomes in raw:
        if what := figures.trouble(outcomes):
            rows.append([name, what, "-", "-", "-"])
            continue
        wall_s = figures.median(outcomes, "wall_s")
        rows.append(
            [
                name,
                f"{size_bytes / 1e9:.2f}",
                figures.spread(outcomes, 1, "wall_s"),
                figures.number(size_bytes / 1e6 / wall_s),
                figures.spread(outcomes, 1, "rss_mib"),
            ]
        )
    one, two = raw[1][2], raw[2][2]
    gain = figures.median(one, "wall_s") / figures.median(two, "wall_s") if not figures.trouble([*one, *two]) else 0
    return Section(
        "Replay",
        [
            f"Logs of the past, {figures.times(gain)} as fast with two processes as with one. Memory is that of the "
            "largest process.",
            Table(["", "GB", "seconds", "MB/s", "peak MiB"], rows),
        ],
    )
