"""Ten thousand files that hardly anybody writes to: start-up, CPU while they are quiet, memory.

    python -m bench.files [--files 100 10000] [--lines 5] [--seconds 60]

Starts `logmetrics watch` over a directory with so many logs of a few lines each, in directories of 100, and measures
the time until it is ready, the peak of memory, and, once it has become calm, CPU while nothing happens: with file
notification and by polling only.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from bench import figures
from bench.agent_lines import expected, line, records, shown
from bench.model import Raw, Section, Size, Table
from bench.running import daemon, idle_cpu_s, samples

# A file is taken for busy this long after its last line; then looks become rare step by step.
CALM_S = 25.0
LINES = 5


@dataclass
class Quiet:
    """A daemon over files that nobody writes to."""

    files: int
    how: str
    start_s: float
    start_cpu_s: float
    idle_percent: float
    peak_mb: float


def quiet(files: int, lines: int, seconds: float, *, polling: bool) -> Quiet:
    """Start over *files* logs of *lines* lines each, and let *seconds* pass."""
    with tempfile.TemporaryDirectory() as name:
        logs = Path(name) / "logs"
        made = list(islice(records(), files * lines))
        for number in range(files):
            directory = logs / f"{number // 100}"
            directory.mkdir(parents=True, exist_ok=True)
            own = made[number * lines : (number + 1) * lines]
            (directory / f"{number}.log").write_bytes(b"".join(map(line, own)))
        started_s = time.monotonic()
        with daemon(Path(name), str(logs), *(["--no-watchdog"] if polling else [])) as running:
            start_s, start_cpu_s = time.monotonic() - started_s, running.cpu_s
            counted = shown(samples(running.scrape()))
            if counted != expected(made):
                raise SystemExit(f"wrong counts over {files} files: {counted}")
            time.sleep(CALM_S)
            idle = idle_cpu_s(running, seconds) / seconds
            how = "polling" if polling else "notification"
            return Quiet(files, how, start_s, start_cpu_s, idle * 100, running.peak_rss_mb)


def run(size: Size, directory: Path) -> Raw:  # noqa: ARG001
    """A section of RESULTS.md."""
    return [asdict(quiet(size.quiet_files, LINES, size.idle_s, polling=polling)) for polling in (False, True)]


def show(raw: Raw) -> Section:
    """See the package."""
    keys = ("start_s", "start_cpu_s", "idle_percent", "peak_mb")
    rows = [[one["how"], *(figures.number(one[key]) for key in keys)] for one in raw]
    return Section(
        "Files that are quiet",
        [
            f"{raw[0]['files']:,} files of {LINES} lines each, which nobody writes to: until all lines are counted and "
            "the first scrape is answered, and CPU afterwards.",
            Table(["with", "ready after s", "CPU-s until then", "idle, % of a core", "peak MB"], rows),
        ],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", nargs="*", type=int, default=[100, 10_000])
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--seconds", type=float, default=60)
    wanted = parser.parse_args(arguments)
    print(f"{'files':>7} {'with':<13} {'ready s':>8} {'CPU s':>7} {'idle %':>7} {'peak MB':>8}")
    for files in wanted.files:
        for polling in (False, True):
            found = quiet(files, wanted.lines, wanted.seconds, polling=polling)
            print(
                f"{files:>7,} {found.how:<13} {found.start_s:>8.2f} {found.start_cpu_s:>7.2f} "
                f"{found.idle_percent:>7.3f} {found.peak_mb:>8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
