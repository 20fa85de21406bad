"""Hours at 20,000 lines a second, with rotation: memory stays where it is, and no line is lost.

    python -m bench.soak [--minutes 120] [--rate 20000] [--files 20]

Logs are renamed away and made anew every so many lines, in turn; of old generations one is kept. Scrapes come every 15
seconds, as from a Prometheus. Printed are memory over time, its growth after the first tenth, CPU for each line, and
whether all lines were counted. `--minutes 0.6` is the short form.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from bench import figures
from bench.agent_lines import line, records
from bench.model import Raw, Section, Size
from bench.running import daemon, samples

# Different lines; they are repeated.
LINES = 20_000
RATE, FILES = 20_000, 20
SCRAPE_S = 15.0
# So much may memory grow after the first tenth.
GROWTH_MB_MAX = 5.0
CATCH_UP_S_MAX = 60.0

# Arguments: file of lines, directory, files, lines a second, seconds, lines of a log until it is rotated. Prints how
# many it wrote. A log that is to be replaced stays for a second, as it does with every rotation program.
_WRITER = """
import os, sys, time
lines = open(sys.argv[1], "rb").readlines()
directory, files, rate, seconds, each = sys.argv[2], *map(int, sys.argv[3:5]), float(sys.argv[5]), int(sys.argv[6])
def create(number):
    return open(f"{directory}/{number}.log", "ab", buffering=0)
logs, in_log = [create(number) for number in range(files)], [each * number // files for number in range(files)]
written, started_s = 0, time.perf_counter()
while (passed_s := time.perf_counter() - started_s) < seconds:
    burst = min(int(passed_s * rate) - written, rate)
    for number in range(files if burst >= files else 0):
        share = burst // files
        start = written % (len(lines) - share)
        logs[number].write(b"".join(lines[start:start + share]))
        written += share
        in_log[number] += share
        if in_log[number] >= each:
            in_log[number] = 0
            logs[number].close()
            os.rename(f"{directory}/{number}.log", f"{directory}/{number}.log.1")
            logs[number] = create(number)
    time.sleep(0.01)
print(written)
"""


@dataclass
class Soak:
    """What came of it; ``rss_mb`` is memory at each scrape, with the seconds since the start."""

    written: int
    counted: int
    us_per_line: float
    rss_mb: list[tuple[float, float]]

    @property
    def growth_mb(self) -> float:
        """How much memory grew after the first tenth."""
        late = [mb for passed_s, mb in self.rss_mb if passed_s >= self.rss_mb[-1][0] / 10]
        return max(late) - late[0]


def soak(minutes: float, rate: int, files: int) -> Soak:
    """Write for so long, and wait until everything is counted."""
    with tempfile.TemporaryDirectory() as name:
        scratch, logs = Path(name), Path(name) / "logs"
        logs.mkdir()
        (scratch / "lines").write_bytes(b"".join(map(line, islice(records(), LINES))))
        # A log lives for half a minute or, in a short run, a tenth of it.
        each = int(rate / files * min(30.0, minutes * 6))
        arguments = [str(scratch / "lines"), str(logs), *map(str, (files, rate, minutes * 60, each))]
        rss_mb = []
        with daemon(scratch, str(logs)) as running:
            started_s, before_s = time.monotonic(), running.cpu_s
            writer = subprocess.Popen([sys.executable, "-c", _WRITER, *arguments], stdout=subprocess.PIPE)
            while writer.poll() is None:
                time.sleep(min(SCRAPE_S, minutes * 2))
                running.scrape()
                rss_mb.append((time.monotonic() - started_s, running.rss_mb))
            written = int(writer.communicate()[0])
            deadline_s = time.monotonic() + CATCH_UP_S_MAX
            while (counted := _lines(running.scrape())) < written and time.monotonic() < deadline_s:
                time.sleep(1)
            return Soak(written, counted, (running.cpu_s - before_s) / written * 1e6, rss_mb)


def run(size: Size, directory: Path) -> Raw:  # noqa: ARG001
    """A section of RESULTS.md: a short form of it."""
    found = soak(size.soak_minutes, RATE, FILES)
    return {**asdict(found), "minutes": size.soak_minutes, "growth_mb": found.growth_mb}


def show(raw: Raw) -> Section:
    """See the package."""
    text = (
        f"{raw['minutes']:g} minutes at {RATE:,} lines/s over {FILES} files that are rotated all the while: of "
        f"{raw['written']:,} lines {raw['written'] - raw['counted']:,} were not counted, each took "
        f"{figures.number(raw['us_per_line'])} µs of CPU, and memory grew by {raw['growth_mb']:.1f} MB after the first "
        "tenth. `python -m bench.soak` is the same for two hours."
    )
    return Section("With rotation", [text])


def _lines(page: str) -> int:
    return int(sum(value for name, value in samples(page).items() if name.startswith("logmetrics_source_lines_total")))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--rate", type=int, default=RATE)
    parser.add_argument("--files", type=int, default=FILES)
    wanted = parser.parse_args(arguments)
    found = soak(wanted.minutes, wanted.rate, wanted.files)
    print(f"{'after s':>8} {'MB':>7}")
    for passed_s, mb in found.rss_mb[:: max(len(found.rss_mb) // 12, 1)]:
        print(f"{passed_s:>8.0f} {mb:>7.1f}")
    lost = found.written - found.counted
    print(f"{found.written:,} lines, {lost:,} of them not counted, {found.us_per_line:.2f} us of CPU for each")
    print(f"memory grew by {found.growth_mb:.1f} MB after the first tenth")
    if lost or found.growth_mb > GROWTH_MB_MAX:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
