"""The cardinality guard: what happens when a label set is seen for the first time.

It is asked at the birth of a series only; a known series never meets it. It refuses no measurement: past a budget the
measurement goes to a series whose offending label reads ``__overflow__``.
"""

from __future__ import annotations

from collections.abc import Mapping

from logmetrics.config.specs import LimitsSpec, MetricSpec

OVERFLOW = "__overflow__"
MISSING = "unknown"
ALL_LABELS = "*"
# C0, DEL, C1, and the bidirectional overrides: they deceive terminals and dashboards, and no name needs them.
_CONTROL = dict.fromkeys((*range(32), *range(127, 160), *range(8234, 8239)), "�")


def clean(value: str) -> str:
    """A label value that every exposition format can carry: UTF-8, no control characters, never empty."""
    if not value.isprintable():
        value = value.translate(_CONTROL).encode("utf-8", "backslashreplace").decode("utf-8")
    return value or MISSING


class ProcessBudget:
    """Series of the whole process; shared by all guards. A histogram series counts its buckets, sum and count."""

    def __init__(self, series_max: int) -> None:
        self.series_max = series_max
        self.series = 0


class Guard:
    """The budgets of one family. ``overflows`` counts refused measurements by (label, level)."""

    def __init__(self, spec: MetricSpec, limits: LimitsSpec, budget: ProcessBudget) -> None:
        self.labels = spec.labels
        self.series_max = spec.series_max or limits.series_per_metric
        self.value_bytes_max = limits.label_value_bytes
        self.values_max: Mapping[str, int] = {
            label: spec.values_max.get(label, limits.values_per_label) for label in spec.labels
        }
        self.cost = len(spec.buckets) + 3 if spec.type == "histogram" else 1
        self.budget = budget
        self.values: dict[str, set[str]] = {label: set() for label in spec.labels}
        self.series = 0
        self.overflows: dict[tuple[str, str], int] = {}

    def admit(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """The labels under which a new label set lives: its own, or those of an overflow series."""
        kept = list(labels)
        for index, (name, value) in enumerate(zip(self.labels, labels, strict=True)):
            level = self._value_level(name, value)
            if level:
                kept[index] = OVERFLOW
                self._refuse(name, level)
        if OVERFLOW in kept:
            return tuple(kept)
        if self.series >= self.series_max:
            self._refuse(ALL_LABELS, "metric")
            return self.all_overflow
        if self.budget.series + self.cost > self.budget.series_max:
            self._refuse(ALL_LABELS, "process")
            return self.all_overflow
        self.add(labels)
        return labels

    def add(self, labels: tuple[str, ...]) -> None:
        """Book a series that exists from now on."""
        self.series += 1
        self.budget.series += self.cost
        for name, value in zip(self.labels, labels, strict=True):
            self.values[name].add(value)

    @property
    def all_overflow(self) -> tuple[str, ...]:
        return (OVERFLOW,) * len(self.labels)

    def clear(self) -> None:
        """Forget every series that was booked."""
        self.budget.series -= self.series * self.cost
        self.series = 0
        for known in self.values.values():
            known.clear()

    def _value_level(self, name: str, value: str) -> str:
        if len(value.encode()) > self.value_bytes_max:
            return "bytes"
        known = self.values[name]
        return "values" if value not in known and len(known) >= self.values_max[name] else ""

    def _refuse(self, label: str, level: str) -> None:
        self.overflows[label, level] = self.overflows.get((label, level), 0) + 1
