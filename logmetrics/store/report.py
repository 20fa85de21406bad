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
    """One metric. ``driver`` is the label that makes the most of its series; ``remedy`` is empty while all is well."""

    metric: str
    type: str
    series: int
    series_max: int
    overflow_series: int
    parked: int
    refused: Mapping[str, int]
    labels: Sequence[LabelReport]
    driver: str
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
    remedy, config = _remedy(family, driver, everywhere)
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


def _remedy(family: Family, driver: LabelReport | None, everywhere: Mapping[str, int]) -> tuple[str, str]:
    """What to do in words, and the line of config that does it."""
    metric, guard = family.spec.name, family.guard
    if driver is None:
        return "", ""
    if "process" in everywhere:
        wanted = _round_up(2 * guard.budget.series_max)
        return "the process is full: raise its limit, or spend less elsewhere", f"limits: {{series: {wanted}}}"
    if driver.refused.get("bytes", 0) > driver.refused.get("values", 0):
        wanted = 2 * guard.values[_index(family, driver)].bytes_max
        what = f"values of {driver.name} are too long: allow longer ones, or shorten them in the rule"
        return what, _limits(metric, f"bytes: {{{driver.name}: {wanted}}}")
    nearly_full = driver.values >= NEARLY_FULL * driver.values_max and driver.distinct > 10
    if driver.refused or (nearly_full and "metric" not in everywhere):
        if driver.distinct > max(VALUES_SENSIBLE_MAX, 10 * driver.values_max) or _looks_unbounded(driver):
            kept = ", ".join(label for label in family.spec.labels if label != driver.name)
            what = f"{driver.name} has something new each time: leave it out, or map it to few values in the rule"
            return what, f"metrics: {{{metric}: {{labels: [{kept}]}}}}"
        state = "more values than it may" if driver.refused else "nearly as many values as it may"
        what = f"{driver.name} has {state}: allow more of them"
        return what, _limits(metric, f"values: {{{driver.name}: {_round_up(1.25 * driver.distinct)}}}")
    if "metric" in everywhere or guard.series >= NEARLY_FULL * guard.series_max:
        state = (
            "more label sets than there may be" if "metric" in everywhere else "nearly as many series as there may be"
        )
        what = f"{state}, most of all by {driver.name}: allow more, or leave a label out"
        return what, _limits(metric, f"series: {_round_up(2 * guard.series_max)}")
    return "", ""


def _looks_unbounded(driver: LabelReport) -> bool:
    samples = [value for value, _ in driver.samples]
    return bool(samples) and all(generalize(value) != value for value in samples)


def _index(family: Family, label: LabelReport) -> int:
    return family.spec.labels.index(label.name)


def _limits(metric: str, what: str) -> str:
    return f"limits: {{metrics: {{{metric}: {{{what}}}}}}}"


def _round_up(number: float) -> int:
    """To two digits that count: people write 480 as 500."""
    unit = max(10, int(10 ** (len(str(ceil(number))) - 2)))
    return ceil(number / unit) * unit
