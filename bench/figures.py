"""From the outcomes of interleaved runs to the texts of a table."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Outcomes = Sequence[Mapping[str, Any]]


def trouble(outcomes: Outcomes) -> str:
    """Why these runs do not count, or nothing."""
    return next((outcome["trouble"] for outcome in outcomes if outcome["trouble"]), "")


def median(outcomes: Outcomes, key: str = "cpu_s") -> float:
    """Of all rounds."""
    return float(statistics.median(outcome[key] for outcome in outcomes))


def spread(outcomes: Outcomes, scale: float, key: str = "cpu_s") -> str:
    """The median, and in brackets the least and the most: `1.72 (1.70-1.81)`."""
    values = sorted(outcome[key] * scale for outcome in outcomes)
    return f"{number(statistics.median(values))} ({number(values[0])}-{number(values[-1])})"


def ratio(outcomes: Outcomes, base: Outcomes, start_s: float = 0.0, base_start_s: float = 0.0) -> float:
    """How many times the CPU of *base*: taken within each round, then the median. Starts are taken off before."""
    pairs = zip(outcomes, base, strict=True)
    return float(statistics.median((one["cpu_s"] - start_s) / (other["cpu_s"] - base_start_s) for one, other in pairs))


def times(value: float) -> str:
    """As a factor."""
    return "-" if math.isnan(value) else f"{number(value)}×"


def number(value: float) -> str:
    """Three digits that mean something; a dash for what is not known."""
    if math.isnan(value):
        return "-"
    if value >= 99.95 or value == 0:
        return f"{value:,.0f}"
    if value >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.0995 else f"{value:.3f}"
