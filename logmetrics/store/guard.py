"""The cardinality guard: budgets, and the form that label values take before they are held against them.

It is asked at the birth of a series only; a known series never meets it. It refuses no measurement: past a budget the
measurement goes to a series whose offending label reads ``__overflow__``.
"""

from __future__ import annotations

from collections import Counter

from logmetrics.config.specs import LimitsSpec, MetricSpec
from logmetrics.store.shapes import PLAIN_CHARACTERS_MAX, SEARCHED_CHARACTERS_MAX, generalize, is_plain

OVERFLOW = "__overflow__"
MISSING = "unknown"
UTF8_BYTES_MAX = 4
ALL_LABELS = "*"
# Overflow series keep the labels that are within their budgets. So many of them a metric has beside its own series,
# for each of those that it may have, and at the least.
OVERFLOW_SHARE, OVERFLOW_LEAST = 0.25, 10
# C0, DEL, C1, line separators, and what turns the direction of text: they deceive terminals and dashboards, and no name
# needs them.
_CONTROL = dict.fromkeys((*range(32), *range(127, 160), 1564, 8206, 8207, *range(8232, 8239), *range(8294, 8298)), "�")

Labels = tuple[str, ...]
# Longer raw values are not kept in memos: so many of them would be much memory.
MEMO_CHARACTERS_MAX = 256
# Which labels broke a budget: index, level of the budget, value. ALL stands for all labels together.
Refusal = list[tuple[int, str, str]]
ALL = -1


def clean(value: str) -> str:
    """A label value that every exposition format can carry: UTF-8, no control characters, never empty."""
    if not value.isprintable():
        value = value.translate(_CONTROL).encode("utf-8", "backslashreplace").decode("utf-8")
    return value or MISSING


class LabelBudget:
    """One label: its values, and in how many series each is."""

    __slots__ = ("bytes_max", "forms", "known", "name", "overflows", "raw", "short_max", "values_max")

    # Raw values whose forms are kept at hand, and how long they are at the most.
    FORMS_MAX = 4_096

    def __init__(self, name: str, values_max: int, bytes_max: int, *, raw: bool) -> None:
        self.name = name
        self.values_max = values_max
        self.bytes_max = bytes_max
        # Of so many characters, a value needs no look at its bytes.
        self.short_max = bytes_max // UTF8_BYTES_MAX
        self.raw = raw
        self.known: Counter[str] = Counter()
        # Refused measurements by level.
        self.overflows = {"bytes": 0, "values": 0}
        # From what logs hold to the forms of known values: a memo.
        self.forms: dict[str, str] = {}

    @property
    def too_long(self) -> str:
        """Stands for all values that are too long: it is refused as each of them would be."""
        return "x" * (max(self.bytes_max, SEARCHED_CHARACTERS_MAX) + 1)

    def form(self, value: str) -> str:
        """*value* as a label's: clean, and without ids unless they are wanted. One that is far too long stays so."""
        if len(value) <= PLAIN_CHARACTERS_MAX and value and is_plain(value) and value != OVERFLOW:
            return value
        if len(value) > max(self.bytes_max, SEARCHED_CHARACTERS_MAX):
            return value
        if value == OVERFLOW:  # from a log it means nothing
            return "overflow"
        value = clean(value)
        return value if self.raw else generalize(value)

    def remember(self, value: str, form: str) -> None:
        """Keep at hand that *value* takes the known *form*."""
        if len(value) > MEMO_CHARACTERS_MAX:
            return
        if len(self.forms) >= self.FORMS_MAX:
            self.forms.clear()
        self.forms[value] = form

    def add(self, value: str) -> None:
        if value != OVERFLOW:
            self.known[value] += 1

    def remove(self, value: str) -> None:
        if value != OVERFLOW:
            self.known[value] -= 1
            if not self.known[value]:
                del self.known[value]
                self.forms.clear()


class ProcessBudget:
    """Series of the whole process; shared by all families. A histogram series counts its buckets, sum and count."""

    def __init__(self, limits: LimitsSpec) -> None:
        self.series_max = limits.series
        self.series = 0
        self.parked_max = limits.parked
        self.parked = 0


class Guard:
    """The budgets of one family, and what is booked on them."""

    def __init__(self, spec: MetricSpec, limits: LimitsSpec, budget: ProcessBudget) -> None:
        self.labels = spec.labels
        self.series_max = spec.series_max or limits.series_per_metric
        self.overflow_max = max(OVERFLOW_LEAST, int(self.series_max * OVERFLOW_SHARE))
        self.cost = len(spec.buckets) + 3 if spec.type == "histogram" else 1
        self.budget = budget
        self.values = tuple(
            LabelBudget(
                label,
                spec.values_max.get(label, limits.values_per_label),
                spec.bytes_max.get(label, limits.label_value_bytes),
                raw=label in spec.raw,
            )
            for label in spec.labels
        )
        self.series = 0
        # True: nobody new has a place, whatever the budgets say.
        self.closed = False
        self.overflow_series = 0
        self._overflows = {"metric": 0, "process": 0}
        self.all_overflow: Labels = (OVERFLOW,) * len(self.labels)

    def judge(self, labels: Labels) -> tuple[Labels, Refusal]:
        """The form in which *labels* are looked up and admitted; those that would break their budgets read OVERFLOW.

        A flood of new values comes through here, line by line: it is written to be fast.
        """
        kept: list[str] = []
        refusal: Refusal = []
        for value, budget in zip(labels, self.values):  # noqa: B905 - they are of one length
            form = budget.forms.get(value)
            if form is None:
                form = budget.form(value)
                if form in budget.known:
                    budget.remember(value, form)
                elif len(form) > budget.short_max and len(form.encode("utf-8", "replace")) > budget.bytes_max:
                    refusal.append((len(kept), "bytes", form))
                    form = OVERFLOW
                elif len(budget.known) >= budget.values_max:
                    refusal.append((len(kept), "values", form))
                    form = OVERFLOW
            kept.append(form)
        return tuple(kept), refusal

    def form(self, labels: Labels) -> Labels:
        """The form in which *labels* are looked up, whatever the budgets say."""
        return tuple([budget.form(value) for value, budget in zip(labels, self.values, strict=True)])

    def full(self) -> Refusal:
        """The refusal of any new series, when the metric or the process is full. One without labels may always be."""
        if not self.labels:
            return []
        if self.closed or self.series >= self.series_max:
            return [(ALL, "metric", "")]
        return [] if self.has_room else [(ALL, "process", "")]

    @property
    def has_room(self) -> bool:
        """Whether the process can have one series more of this family."""
        return self.budget.series + self.cost <= self.budget.series_max

    def count(self, refusal: Refusal, measurements: int) -> None:
        """So many measurements go to an overflow series."""
        for index, level, _ in refusal:
            (self._overflows if index == ALL else self.values[index].overflows)[level] += measurements

    @property
    def overflows(self) -> dict[tuple[str, str], int]:
        """Refused measurements by label and level, those that there were."""
        counts = {(budget.name, level): count for budget in self.values for level, count in budget.overflows.items()}
        counts.update({(ALL_LABELS, level): count for level, count in self._overflows.items()})
        return {what: count for what, count in counts.items() if count}

    def may_overflow(self, labels: Labels) -> bool:
        """Whether there may be a new overflow series of *labels*; the one with all labels over may always be."""
        return labels == self.all_overflow or (
            self.overflow_series < self.overflow_max
            and self.has_room
            and all(
                value == OVERFLOW or value in budget.known or len(budget.known) < budget.values_max
                for value, budget in zip(labels, self.values, strict=True)
            )
        )

    def add(self, labels: Labels, *, overflow: bool = False) -> None:
        """Book a series that exists from now on."""
        if overflow:
            self.overflow_series += 1
        else:
            self.series += 1
        self.budget.series += self.cost
        for value, budget in zip(labels, self.values, strict=True):
            budget.add(value)

    def remove(self, labels: Labels, *, overflow: bool = False) -> None:
        """Give back what a series that exists no more had booked."""
        if overflow:
            self.overflow_series -= 1
        else:
            self.series -= 1
        self.budget.series -= self.cost
        for value, budget in zip(labels, self.values, strict=True):
            budget.remove(value)
