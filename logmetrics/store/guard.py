"""The cardinality guard: budgets, and the form that label values take before they are held against them.

It is asked at the birth of a series only; a known series never meets it. It refuses no measurement: past a budget the
measurement goes to a series whose offending label reads ``__overflow__``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from logmetrics.config.specs import LimitsSpec, MetricSpec
from logmetrics.store.shapes import SEARCHED_CHARACTERS_MAX, generalize

OVERFLOW = "__overflow__"
MISSING = "unknown"
UTF8_BYTES_MAX = 4
ALL_LABELS = "*"
# Overflow series keep the labels that are within their budgets. So many of them a metric has beside its own series,
# for each of those that it may have, and at the least.
OVERFLOW_SHARE, OVERFLOW_LEAST = 0.25, 10
# C0, DEL, C1, and the bidirectional overrides: they deceive terminals and dashboards, and no name needs them.
_CONTROL = dict.fromkeys((*range(32), *range(127, 160), *range(8234, 8239)), "�")

Labels = tuple[str, ...]
# Which labels broke a budget, by index, and the level of that budget. ALL stands for all labels together.
Refusal = list[tuple[int, str]]
ALL = -1


def clean(value: str) -> str:
    """A label value that every exposition format can carry: UTF-8, no control characters, never empty."""
    if not value.isprintable():
        value = value.translate(_CONTROL).encode("utf-8", "backslashreplace").decode("utf-8")
    return value or MISSING


def normalize(value: str, bytes_max: int, *, raw: bool) -> str:
    """*value* as a label's: clean, and without ids unless it is wanted *raw*. One that is far too long stays so."""
    if len(value) > max(bytes_max, SEARCHED_CHARACTERS_MAX):
        return value
    if value == OVERFLOW:  # from a log it means nothing
        return "overflow"
    value = clean(value)
    return value if raw else generalize(value)


class ProcessBudget:
    """Series of the whole process; shared by all families. A histogram series counts its buckets, sum and count."""

    def __init__(self, limits: LimitsSpec) -> None:
        self.series_max = limits.series
        self.series = 0
        self.parked_max = limits.parked
        self.parked = 0


class Guard:
    """The budgets of one family, and what is booked on them.

    ``overflows`` counts refused measurements by (label, level).
    """

    def __init__(self, spec: MetricSpec, limits: LimitsSpec, budget: ProcessBudget) -> None:
        self.labels = spec.labels
        self.series_max = spec.series_max or limits.series_per_metric
        self.overflow_max = max(OVERFLOW_LEAST, int(self.series_max * OVERFLOW_SHARE))
        self.values_max = tuple(spec.values_max.get(label, limits.values_per_label) for label in spec.labels)
        self.bytes_max = tuple(spec.bytes_max.get(label, limits.label_value_bytes) for label in spec.labels)
        self.cost = len(spec.buckets) + 3 if spec.type == "histogram" else 1
        self.budget = budget
        # For each label its values, and in how many series each is.
        self.values: tuple[Counter[str], ...] = tuple(Counter() for _ in spec.labels)
        self.series = 0
        self.overflow_series = 0
        self.overflows: Counter[tuple[str, str]] = Counter()
        self.all_overflow: Labels = (OVERFLOW,) * len(self.labels)
        self._normalizers: tuple[Callable[[str], str], ...] = tuple(
            partial(normalize, bytes_max=bytes_max, raw=label in spec.raw)
            for label, bytes_max in zip(spec.labels, self.bytes_max, strict=True)
        )

    def normal(self, labels: Labels) -> Labels:
        """The form in which *labels* are looked up and admitted."""
        return tuple([normalizer(value) for normalizer, value in zip(self._normalizers, labels, strict=True)])

    def refusal(self, labels: Labels) -> Refusal:
        """The budgets that a series of *labels* would break; empty when there may be one."""
        refusal: Refusal = []
        budgets = zip(labels, self.values, self.values_max, self.bytes_max, strict=True)
        for index, (value, known, values_max, bytes_max) in enumerate(budgets):
            if len(value) * UTF8_BYTES_MAX > bytes_max and len(value.encode()) > bytes_max:
                refusal.append((index, "bytes"))
            elif value not in known and len(known) >= values_max:
                refusal.append((index, "values"))
        if not refusal and self.series >= self.series_max:
            refusal.append((ALL, "metric"))
        elif not refusal and not self.has_room:
            refusal.append((ALL, "process"))
        return refusal

    @property
    def has_room(self) -> bool:
        """Whether the process can have one series more of this family."""
        return self.budget.series + self.cost <= self.budget.series_max

    def overflow_labels(self, labels: Labels, refusal: Refusal) -> Labels:
        """The overflow series that a refused measurement goes to; it is counted."""
        kept = list(labels)
        for index, level in refusal:
            if index == ALL:
                self.overflows[ALL_LABELS, level] += 1
                return self.all_overflow
            self.overflows[self.labels[index], level] += 1
            kept[index] = OVERFLOW
        return tuple(kept)

    def may_overflow(self, labels: Labels) -> bool:
        """Whether there may be a new overflow series of *labels*; the one with all labels over may always be."""
        return labels == self.all_overflow or (
            self.overflow_series < self.overflow_max
            and self.has_room
            and all(
                value == OVERFLOW or value in known or len(known) < values_max
                for value, known, values_max in zip(labels, self.values, self.values_max, strict=True)
            )
        )

    def add(self, labels: Labels, *, overflow: bool = False) -> None:
        """Book a series that exists from now on."""
        if overflow:
            self.overflow_series += 1
        else:
            self.series += 1
        self.budget.series += self.cost
        for value, known in zip(labels, self.values, strict=True):
            if value != OVERFLOW:
                known[value] += 1

    def remove(self, labels: Labels, *, overflow: bool = False) -> None:
        """Give back what a series that exists no more had booked."""
        if overflow:
            self.overflow_series -= 1
        else:
            self.series -= 1
        self.budget.series -= self.cost
        for value, known in zip(labels, self.values, strict=True):
            if value != OVERFLOW:
                known[value] -= 1
                if not known[value]:
                    del known[value]

    def clear(self) -> None:
        """Give everything back."""
        self.budget.series -= (self.series + self.overflow_series) * self.cost
        self.series = self.overflow_series = 0
        for known in self.values:
            known.clear()
