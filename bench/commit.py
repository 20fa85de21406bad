"""What a commit costs: its time against the number of series and the share of them that changed.

    python -m bench.commit [--rounds 20]

Makes a store of 1,000 to 100,000 counters with a state directory, changes a part of them, and commits, again and again.
Prints the median time of a commit in milliseconds. The cost should follow the changes, not the series.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from bench import figures
from bench.model import Raw, Section, Size, Table
from logmetrics.config.specs import LimitsSpec, MetricSpec
from logmetrics.store.state import Batch, StateFile
from logmetrics.store.store import Store

ROUNDS = 20
METRIC = MetricSpec("calls_total", "counter", "Calls", ("agent", "tool"))


def commit_ms(series: int, changed: int, rounds: int) -> float:
    """The median time of a commit with *changed* of *series* series changed."""
    limits = LimitsSpec(series=10**9, series_per_metric=10**9, values_per_label=10**9)
    store = Store({METRIC.name: METRIC}, limits)
    times = []
    with tempfile.TemporaryDirectory() as directory:
        state = StateFile(directory)
        store.restore(state)
        site = store.site(METRIC.name, {}, count_only=True)
        for round_number in range(rounds + 1):
            for number in range(series if round_number == 0 else changed):
                place = (number * 7 + round_number) % series
                site[f"agent{place % 100}", f"tool{place}"].count += 1
            started_s = time.perf_counter()
            batch: Batch = {}
            store.collect(0.0, batch)
            state.write(batch)
            store.publish()
            times.append(1000 * (time.perf_counter() - started_s))
        state.close()
    return statistics.median(times[1:])


def run(size: Size, directory: Path) -> Raw:  # noqa: ARG001
    """A section of RESULTS.md."""
    return [[series, changed, commit_ms(series, changed, ROUNDS)] for series, changed in cases()]


def show(raw: Raw) -> Section:
    """See the package."""
    rows = [[f"{series:,}", f"{changed:,}", figures.number(took_ms)] for series, changed, took_ms in raw]
    return Section(
        "Commits", ["Until what changed is on the disk and shown; medians.", Table(["series", "changed", "ms"], rows)]
    )


def cases() -> list[tuple[int, int]]:
    """Numbers of series, and how many of them changed."""
    return [(series, changed) for series in (1_000, 10_000, 100_000) for changed in (1, series // 100, series // 10)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    print(f"{'series':>8} {'changed':>8} {'ms':>8}")
    for series, changed in cases():
        print(f"{series:>8,} {changed:>8,} {commit_ms(series, changed, rounds):>8.2f}")


if __name__ == "__main__":
    main()
