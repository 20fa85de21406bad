"""What a sample amounts to, collected by the derive.py beside it, which knows nothing of logmetrics.

`python tests/data/FOLDER/derive.py` prints that folder's expected.json: every series of every metric of every sample.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class Expectation:
    """Series by metric: a number, or for a histogram the count and the sum."""

    def __init__(self) -> None:
        self.counters: dict[str, dict[str, Fraction]] = {}
        self.histograms: dict[str, dict[str, list[Fraction]]] = {}
        self.active: dict[str, set[str]] = {}

    def count(self, metric: str, *labels: str, by: float = 1) -> None:
        """Add *by* to the counter *metric* with these label values, in the metric's order."""
        series = self.counters.setdefault(metric, {})
        series["|".join(labels)] = series.get("|".join(labels), Fraction(0)) + Fraction(by)

    def observe(self, metric: str, value: float, *labels: str) -> None:
        """Give *value* to the histogram *metric*."""
        self.histograms.setdefault(metric, {}).setdefault("|".join(labels), []).append(Fraction(value))

    def see(self, agent_type: str, key: str) -> None:
        """An agent of *agent_type*, told apart by *key*, was active."""
        self.active.setdefault(agent_type, set()).add(key)

    def tokens(self, agent: str, **by_type: float | None) -> None:
        """Tokens by type; prompt and completion are all of them, the others parts of these."""
        for token_type, amount in by_type.items():
            if amount is not None:
                metric = "agent_token_usage_total" if token_type in ("prompt", "completion") else "agent_token_detail_total"
                self.count(metric, agent, token_type, by=amount)

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Series that are not zero."""
        counters = {
            metric: {labels: _plain(value) for labels, value in sorted(series.items()) if value}
            for metric, series in self.counters.items()
        }
        histograms = {
            metric: {labels: [len(values), round(float(sum(values)), 6)] for labels, values in sorted(series.items())}
            for metric, series in self.histograms.items()
        }
        active = {"agent_active_count": {kind: len(keys) for kind, keys in sorted(self.active.items())}}
        found = {**counters, **histograms, **(active if self.active else {})}
        return {metric: series for metric, series in sorted(found.items()) if series}


def _plain(value: Fraction) -> float:
    return int(value) if value.denominator == 1 else round(float(value), 6)


def seconds_between(start: str, end: str) -> float:
    """Seconds from one ISO time to another."""
    begin, stop = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (start, end))
    return (stop - begin).total_seconds()


def json_lines(path: Path) -> Iterator[Record]:
    """The records of a file that has one in each line."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            yield json.loads(line)


def run(script: str, pack: str, derive: Callable[[Path], Expectation], pattern: str = "*.jsonl") -> None:
    """Print expected.json for the samples beside *script*, which are *pack*'s."""
    folder = Path(script).parent
    samples = {path.name: derive(path).to_json() for path in sorted(folder.glob(pattern))}
    json.dump({"pack": pack, "samples": samples}, sys.stdout, indent=1)
    sys.stdout.write("\n")
