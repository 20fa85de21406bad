"""How near logmetrics is to what is possible: the least that steps cost which no program can leave out, and what a
program takes that was written by hand for one log.

Each is a process of its own over the same file, measured as all others are. What an interpreter takes to start is
measured too, over an empty log.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import figures, workloads
from bench.measure import Outcome, interleave, run_to_end
from bench.model import Raw, Section, Size, Table
from bench.reference import wrong
from bench.systems import LOGMETRICS

PLACE = Path(__file__).parent
IN_PYTHON = {
    "Python: read": "read",
    "Python: read, split into lines": "split",
    "Python: msgspec, the needed fields typed": "msgspec",
    "Python: orjson.loads, each line": "orjson",
}
GO, C = "Go: program for these six metrics", "C: memchr for newlines"
BUILD_S = 120

Check = Callable[[str], str]


def build(command: list[str]) -> None:
    """Run a compiler. What it says is shown when it fails."""
    subprocess.run(command, check=True, timeout=BUILD_S, cwd=PLACE)


def in_python(limit: str, log: Path, lines: int, directory: Path) -> Outcome:
    """One of the Python limits over a log; `read` knows no lines."""
    command = [sys.executable, str(PLACE / "in_python.py"), limit, str(log)]
    return run_to_end(command, directory / "limit", counted(0 if limit == "read" else lines))


def counted(lines: int) -> Check:
    """A check that so many lines were seen."""

    def check(printed: str) -> str:
        return "" if printed.strip() == str(lines) else f"WRONG: saw {printed.strip()} of {lines} lines"

    return check


def run(size: Size, directory: Path) -> Raw:
    workload = workloads.agent(directory, size.agent_lines)
    empty = workloads.empty_workload(workload.kind, directory)
    runs: dict[str, Callable[[], Outcome]] = {LOGMETRICS.name: partial(LOGMETRICS.run, workload, directory)}
    starts: dict[str, Callable[[], Outcome]] = {LOGMETRICS.name: partial(LOGMETRICS.run, empty, directory)}
    for name, limit in IN_PYTHON.items():
        runs[name] = partial(in_python, limit, workload.log, workload.lines, directory)
        starts[name] = partial(in_python, limit, empty.log, 0, directory)
    if shutil.which("go"):
        program = directory / "reference"
        build(["go", "build", "-o", str(program), str(PLACE / "reference.go")])
        right: Check = partial(wrong, expected=workload.expected)
        runs[GO] = partial(run_to_end, [str(program), str(workload.log)], directory / "limit", right)
    if shutil.which("gcc"):
        program = directory / "scan"
        build(["gcc", "-O2", "-o", str(program), str(PLACE / "scan.c")])
        right = counted(workload.lines)
        runs[C] = partial(run_to_end, [str(program), str(workload.log)], directory / "limit", right)
    return {
        "lines": workload.lines,
        "megabytes": workload.megabytes,
        "starts": interleave(starts, size.rounds),
        "outcomes": interleave(runs, size.rounds),
    }


def show(raw: Raw) -> Section:
    base = raw["outcomes"][LOGMETRICS.name]
    per_million = 1e6 / raw["lines"]
    rows = []
    for name, outcomes in raw["outcomes"].items():
        if told := figures.trouble(outcomes):
            rows.append([name, told, "", "", ""])
            continue
        starts = raw["starts"].get(name)
        start_s = figures.median(starts) if starts else 0.0
        rows.append(
            [
                name,
                figures.spread(outcomes, per_million),
                figures.number(start_s) if starts else "",
                figures.number(max(0.0, figures.median(outcomes) - start_s) * per_million),
                figures.times(figures.ratio(base, outcomes))
                if name != LOGMETRICS.name and not figures.trouble(base)
                else "",
            ]
        )
    missing = [name for name in (GO, C) if name not in raw["outcomes"]]
    parts: list[str | Table] = [
        f"The agents' log of above ({raw['lines']:,} lines, {raw['megabytes']:.0f} MB), and what its steps cost by "
        "themselves. Start-up is a run over an empty log: it is in the first column and in the ratio, and not in the "
        "third column.",
        Table(["", "CPU-s per million lines", "start-up, CPU-s", "without start-up", "logmetrics takes"], rows),
    ]
    if missing:
        parts.append(f"Not measured, for want of a compiler: {', '.join(missing)}.")
    return Section("Limits", parts)
