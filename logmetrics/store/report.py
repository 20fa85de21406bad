"""What the guard sees, for people: who fills a metric, with what, and what to write in the config about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from logmetrics.store.distinct import DistinctCount
from logmetrics.store.family import Family
from logmetrics.store.guard import ALL_LABELS, LabelBudget
from logmetrics.store.heavy import Tracked
from logmetrics.store.shapes import generalize

SAMPLES_MAX = 5
# A budget that is so full deserves a word before it is over.
NEARLY_FULL = 0.8
# More values than that nobody reads; a label that has them is to be mapped or left out.
VALUES_SENSIBLE_MAX = 2_000
FEW_VALUES = 10
BYTES_SENSIBLE_MAX = 1_024

# Refused measurements by metric, label and level.
Refused = Mapping[tuple[str, ...], int]


@dataclass(frozen=True, slots=True)
class LabelReport:
    """One label: values with a place, how many there may be, about how many there were, and some that stand out."""

    name: str
    values: int
    values_max: int
    distinct: int
    refused: Mapping[str, int]
    samples: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class FamilyReport:
    """One metric. ``driver`` is the label that makes the most of its series; ``remedy`` is empty while all is well.

    ``full`` tells in a few words what is full, or nearly so: a label, the metric, or the process.
    """

    metric: str
    type: str
    series: int
    series_max: int
    overflow_series: int
    parked: int
    refused: Mapping[str, int]
    labels: Sequence[LabelReport]
    driver: str
    full: str
    remedy: str
    config: str


def refusals(family: Family) -> Refused:
    """The counts of `logmetrics_overflow_measurements_total`, those of earlier runs included."""
    return {labels: series.measurements for labels, series in family.series.items()}


def report(families: Iterable[Family], refused: Refused) -> list[FamilyReport]:
    """A report for each of *families*: first those that overflow, then those that are nearly full, then the rest."""
    reports = [_family_report(family, refused) for family in families]
    return sorted(reports, key=lambda each: (-_overflowed(each), not each.remedy, -each.series, each.metric))


def _overflowed(report: FamilyReport) -> int:
    return sum(report.refused.values()) + sum(sum(label.refused.values()) for label in report.labels)


def _family_report(family: Family, refused: Refused) -> FamilyReport:
    name, guard = family.spec.name, family.guard
    heavy = list(family.newcomers.heavy)
    labels = [
        _label_report(index, budget, family, heavy, _levels(refused, name, budget.name))
        for index, budget in enumerate(guard.values)
    ]
    everywhere = _levels(refused, name, ALL_LABELS)
    driver = max(labels, key=lambda label: (sum(label.refused.values()), label.distinct), default=None)
    full, remedy, config = _remedy(family, driver, everywhere)
    return FamilyReport(
        metric=name,
        type=family.spec.type,
        series=guard.series,
        series_max=guard.series_max,
        overflow_series=guard.overflow_series,
        parked=len(family.parking),
        refused=everywhere,
        labels=labels,
        driver=driver.name if driver else "",
        full=full,
        remedy=remedy,
        config=config,
    )


def _levels(refused: Refused, metric: str, label: str) -> dict[str, int]:
    return {key[2]: count for key, count in refused.items() if key[:2] == (metric, label) and count}


def _label_report(
    index: int, budget: LabelBudget, family: Family, heavy: Sequence[Tracked], refused: Mapping[str, int]
) -> LabelReport:
    counted = DistinctCount()
    counted.restore(bytes(family.newcomers.distinct[index].registers))
    distinct = len(budget.known)
    if any(counted.registers):
        for value in budget.known:
            counted.add(value)
        distinct = max(distinct, counted.estimate)
    seen: dict[str, int] = {}
    for tracked in heavy:
        refused_value = dict(tracked.key).get(index)
        if refused_value is not None and len(seen) < SAMPLES_MAX:
            seen[refused_value] = seen.get(refused_value, 0) + tracked.certain
    if not seen:
        seen = _heaviest(index, family)
    return LabelReport(budget.name, len(budget.known), budget.values_max, distinct, refused, list(seen.items()))


def _heaviest(index: int, family: Family) -> dict[str, int]:
    weights: dict[str, int] = {}
    for series in family.series.values():
        if not series.overflow:
            value = series.labels[index]
            weights[value] = weights.get(value, 0) + series.measurements
    return dict(sorted(weights.items(), key=lambda item: -item[1])[:SAMPLES_MAX])


def _remedy(family: Family, driver: LabelReport | None, everywhere: Mapping[str, int]) -> tuple[str, str, str]:
    """What is full, what to do in words, and the line of config that does it.

    It goes by what is full now, not by what was once.
    """
    guard, metric = family.guard, family.spec.name
    if driver is None:
        return "", "", ""
    longest = dict(zip(family.spec.labels, family.newcomers.longest_bytes, strict=True))
    too_long = {budget.name: longest[budget.name] for budget in guard.values if longest[budget.name] > budget.bytes_max}
    nearly_full = driver.values >= NEARLY_FULL * driver.values_max and driver.distinct > FEW_VALUES
    if too_long and not nearly_full:
        label, longest_bytes = max(too_long.items(), key=lambda item: item[1])
        return f"values of label {label} of {metric} are too long", *_too_long(family, label, longest_bytes)
    if nearly_full:
        title = f"label {driver.name} of {metric}: {driver.values:,} of {driver.values_max:,} values"
        return title, *_too_many_values(family, driver)
    if guard.series >= NEARLY_FULL * guard.series_max:
        full = guard.series >= guard.series_max and "metric" in everywhere
        state = "more label sets than there may be" if full else "nearly as many series as there may be"
        what = f"{state}, most of all by {driver.name}: allow more, or leave a label out"
        title = f"{metric}: {guard.series:,} of {guard.series_max:,} series"
        return title, what, _limits(metric, f"series: {_round_up(2 * guard.series_max)}")
    if "process" in everywhere and not guard.has_room:
        wanted = _round_up(2 * guard.budget.series_max)
        title = f"no room for more series of {metric}: all metrics together have {guard.budget.series_max:,}"
        what = "the process is full: raise its limit, or give the largest metric less"
        return title, what, f"limits: {{series: {wanted}}}"
    return "", "", ""


def _too_long(family: Family, label: str, longest_bytes: int) -> tuple[str, str]:
    if longest_bytes > BYTES_SENSIBLE_MAX and not family.spec.pack:
        what = f"values of {label} have up to {longest_bytes:,} bytes: map it to short ones in the rule"
        return f"{what}, or leave it out; under metrics.{family.spec.name}", _without(family, label)
    what = f"values of {label} are too long: allow longer ones, or shorten them in the rule"
    return what, _limits(family.spec.name, f"bytes: {{{label}: {_round_up(longest_bytes)}}}")


def _too_many_values(family: Family, driver: LabelReport) -> tuple[str, str]:
    unbounded = driver.distinct > max(VALUES_SENSIBLE_MAX, 10 * driver.values_max) or _looks_unbounded(driver)
    if unbounded and family.spec.pack:
        what = f"{driver.name} has something new each time: keep fewer of them, or map it in a copy of the pack's rules"
        fewer = _limits(family.spec.name, f"values: {{{driver.name}: {max(FEW_VALUES, driver.values_max // 4)}}}")
        return f"{what} (logmetrics packs {family.spec.pack})", fewer
    if unbounded:
        what = f"{driver.name} has something new each time: leave it out, or map it to few values in the rule"
        return f"{what}; under metrics.{family.spec.name}", _without(family, driver.name)
    state = "more values than it may" if driver.refused else "nearly as many values as it may"
    wanted = _round_up(max(1.25 * driver.distinct, 1.5 * driver.values_max))
    return f"{driver.name} has {state}: allow more of them", _limits(
        family.spec.name, f"values: {{{driver.name}: {wanted}}}"
    )


def _without(family: Family, label: str) -> str:
    return f"labels: [{', '.join(name for name in family.spec.labels if name != label)}]"


def _looks_unbounded(driver: LabelReport) -> bool:
    samples = [value for value, _ in driver.samples]
    return bool(samples) and all(generalize(value) != value for value in samples)


def _limits(metric: str, what: str) -> str:
    return f"limits: {{metrics: {{{metric}: {{{what}}}}}}}"


def _round_up(number: float) -> int:
    """To two digits that count: people write 480 as 500."""
    unit = max(10, int(10 ** (len(str(ceil(number))) - 2)))
    return ceil(number / unit) * unit
