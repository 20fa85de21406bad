"""Bounds of a histogram, chosen so that what was measured spreads over them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log10

from logmetrics.config.specs import BUCKET_PRESETS

_BOUNDS_LEAST, _BOUNDS_MAX = 8, 12
# Above the largest value there is room for a factor like this, for a sample has not seen everything.
_ROOM = 1.25
# What is so much smaller than the largest value is not told apart.
_WIDE = 1e4
# A preset fits if no bucket has more than this, neither end of it more than that, and so many bounds lie among the
# values, of which one in a hundred at either end does not count.
_SHARE_MAX, _SHARE_OF_FIRST_MAX, _BOUNDS_AMONG_LEAST = 0.5, 0.15, 5
_PRESETS_OF_SECONDS = ("tool_latency", "llm_latency", "request_duration", "task_duration")
# So many values whose largest is not so many times the smallest are close together, and get about so many steps.
_ENOUGH, _NARROW, _STEPS = 20, 4, 6
# Longer durations are told in minutes and hours.
_MINUTE_S = 60.0
_LONG_STEPS_S = (60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0, 86400.0, 172800.0, 604800.0)
_MANTISSAS = ((1, 1.5, 2, 3, 5, 7), (1, 2, 3, 5), (1, 2.5, 5), (1, 5), (1, 3), (1,))


@dataclass(frozen=True, slots=True)
class Buckets:
    """A preset's name, or bounds."""

    preset: str
    bounds: tuple[float, ...]

    @property
    def yaml(self) -> str:
        """As a config gives them."""
        return self.preset or "[" + ", ".join(f"{bound:.15g}" for bound in self.bounds) + "]"


def buckets_for(ordered: list[float], *, of_seconds: bool) -> Buckets:
    """Bounds for values like *ordered*, which rise: a preset, or else some of their own."""
    fitting = []
    for name in _PRESETS_OF_SECONDS if of_seconds else ("tokens",):
        bounds = BUCKET_PRESETS[name]
        shares = _shares(ordered, bounds)
        first_max = _SHARE_MAX if _is_wide(ordered) else _SHARE_OF_FIRST_MAX
        fits = ordered[-1] <= bounds[-1] and shares[0] <= first_max and max(shares) <= _SHARE_MAX
        least, most = ordered[len(ordered) // 100], ordered[-1 - len(ordered) // 100]
        if fits and sum(least < bound < most for bound in bounds) >= _BOUNDS_AMONG_LEAST:
            fitting.append((max(shares), name))
    if fitting:
        name = min(fitting)[1]
        return Buckets(name, BUCKET_PRESETS[name])
    return Buckets("", _round_bounds(ordered, of_seconds=of_seconds))


def _is_wide(ordered: list[float]) -> bool:
    """Whether the range is so wide that no dozen bounds could show all of it."""
    return ordered[-1] > _WIDE * max(ordered[len(ordered) // 20], 1e-12)


def _shares(ordered: list[float], bounds: Iterable[float]) -> list[float]:
    places = [bisect_right(ordered, bound) for bound in bounds]
    steps = [0, *places, len(ordered)]
    return [(above - below) / len(ordered) for below, above in pairwise(steps)]


def _round_bounds(ordered: list[float], *, of_seconds: bool) -> tuple[float, ...]:
    """From 1 % of the values to somewhat above the largest: 8 to 12 round numbers, as evenly as round numbers go."""
    most = ordered[-1]
    least = next((value for value in ordered[len(ordered) // 100 :] if value > 0), most)
    least = max(least, most / _WIDE)
    if len(ordered) >= _ENOUGH and least < most < least * _NARROW:
        return _even_bounds(least, most)
    if most < least * 10:
        least = most / 10
    for mantissas in _MANTISSAS:
        bounds = _between(least, most * _ROOM, mantissas, of_seconds=of_seconds)
        if len(bounds) <= _BOUNDS_MAX:
            break
    while len(bounds) > _BOUNDS_MAX:
        bounds = [*bounds[:-1:2], bounds[-1]]
    while len(bounds) < _BOUNDS_LEAST:
        bounds.append(bounds[-1] * 2)
    return tuple(float(f"{bound:.6g}") for bound in bounds)


def _even_bounds(least: float, most: float) -> tuple[float, ...]:
    """For values that are close together: steps of one size, and some larger ones above."""
    rough = max((most - least) / _STEPS, most / 100)
    power = floor(log10(rough))
    step = next(
        float(f"{mantissa}e{power}") for mantissa in (1, 2, 2.5, 5, 10) if float(f"{mantissa}e{power}") >= rough
    )
    first, last = floor(least / step), ceil(most / step)
    bounds = [step * number for number in range(max(first - 1, 1), last + 2)]
    return tuple(float(f"{bound:.6g}") for bound in (*bounds, _rounded(bounds[-1] * 1.5), _rounded(bounds[-1] * 3)))


def _rounded(value: float) -> float:
    """*value* in one digit."""
    return float(f"{value:.1g}")


def _between(least: float, most: float, mantissas: tuple[float, ...], *, of_seconds: bool) -> list[float]:
    """All round numbers from the last one below *least* to the first one above *most*."""
    first, last = floor(log10(least)), floor(log10(most)) + 1
    steps = [float(f"{mantissa}e{power}") for power in range(first, last + 1) for mantissa in mantissas]
    if of_seconds and most > _MINUTE_S:
        steps = [*(step for step in steps if step < _MINUTE_S), *_LONG_STEPS_S]
    begin = max((number for number, step in enumerate(steps) if step <= least), default=0)
    end = next((number for number, step in enumerate(steps) if step >= most), len(steps) - 1)
    return steps[begin : end + 1]
