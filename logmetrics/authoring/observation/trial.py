"""What provokes an alert, and what nearly does: series as `promtool test rules` takes them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from logmetrics.config.specs import MetricSpec

# Series and their values, in the notation of promtool: 0+5x10 begins at 0 and grows by 5 ten times.
Series = tuple[tuple[str, str], ...]
# Rules are evaluated so often, as trials go over hours and days; they look at a multiple of it.
EVALUATED_MIN = 15
MINUTES = 45
# Many enough that rounding does not matter.
CALLS = 1000


@dataclass(frozen=True, slots=True)
class Trial:
    """One alert's.

    ``found`` are the labels of the alert that ``provoking`` series raise, after ``minutes``; ``harmless`` ones, which
    are there at the same time, raise none.
    """

    found: Mapping[str, str]
    provoking: Series
    harmless: Series
    minutes: int = MINUTES
    # Harmless ones would keep what provokes from doing so.
    apart: bool = False


def whole(minutes: float) -> int:
    """At least *minutes*, at which rules are evaluated."""
    return math.ceil(minutes / EVALUATED_MIN) * EVALUATED_MIN


def interval_min(minutes: int) -> int:
    """How far values are apart: a value is gone after five minutes without another one."""
    return min(5, max(1, minutes // 300))


def selector(metric: str, labels: Mapping[str, str], /, **more: str) -> str:
    """As PromQL has it."""
    pairs = (f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in {**labels, **more}.items())
    return f"{metric}{{{', '.join(pairs)}}}"


def growing(*phases: tuple[float, int]) -> str:
    """A counter from 0 on: how much it grows with each value, and for how many of them, phase after phase."""
    at, texts = 0.0, []
    for index, (step, count) in enumerate(phases):
        at += step if index else 0
        more = count if index == 0 else count - 1
        texts.append(f"{at:.12g}+{step:.12g}x{more}")
        at += step * more
    return " ".join(texts)


def still(value: float, count: int = MINUTES) -> str:
    """The same value all the time."""
    return f"{value:.12g}x{count}"


def ratio(
    metric: str,
    labels: Mapping[str, str],
    bad: str,
    good: str,
    limit: float,
    *,
    above: bool,
    minutes: int = MINUTES,
) -> Series:
    """Calls of which a share above *limit*, or below it, is *bad*."""
    failed = CALLS * ((1 + limit) / 2 if above else limit / 2)
    return (
        (selector(metric, labels, status=bad), growing((failed, minutes))),
        (selector(metric, labels, status=good), growing((CALLS - failed, minutes))),
    )


def rare(metric: str, labels: Mapping[str, str], min_rate: float, **more: str) -> Series:
    """Calls, all of them bad, but too few to be judged."""
    return ((selector(metric, labels, **more), growing((min_rate * 60 / 2, MINUTES))),) if min_rate else ()


def observed(spec: MetricSpec, labels: Mapping[str, str], per_minute: float, *, beyond: bool) -> Series:
    """A histogram whose values are all beyond the last bound, or all within the first."""
    bound = spec.buckets[-1] if beyond else spec.buckets[0]
    grown = growing((per_minute, MINUTES))
    return (
        (selector(f"{spec.name}_bucket", labels, le=f"{float(bound)}"), still(0) if beyond else grown),
        (selector(f"{spec.name}_bucket", labels, le="+Inf"), grown),
        (selector(f"{spec.name}_count", labels), grown),
    )
