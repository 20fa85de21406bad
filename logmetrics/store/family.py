"""Families: all series of one metric, and how the hot path finds the one it wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from logmetrics.config.specs import MetricSpec
from logmetrics.store.guard import Guard, clean
from logmetrics.store.series import ActiveSeries, CounterSeries, GaugeSeries, HistogramSeries, Labels, Series

# Series with one label overflowed keep that family's other labels; this bounds even those.
OVERFLOW_SERIES_MAX = 1_000


class Family:
    """One metric. Only the engine's thread touches it, except ``series`` and ``frozen`` under the view's lock."""

    def __init__(self, spec: MetricSpec, guard: Guard) -> None:
        self.spec = spec
        self.guard = guard
        self.series: dict[Labels, Series] = {}
        self.overflow_series = 0
        # Touched since the last commit, in order of first touch; each series at most once.
        self.dirty: list[Series] = []
        # The series of an info metric that was set last since the last commit.
        self._latest: Series | None = None
        # Its id in state.db.
        self.key = 0
        for labels in [()] if not spec.labels and spec.type != "gauge" else spec.init:
            guard.add(labels)
            self._touch(self._add(labels, overflow=False))

    def get(self, labels: Labels) -> Series:
        """The series that measurements of *labels* go to; it is born here if need be, and is dirty from now on."""
        series = self.series.get(labels)
        if series is None:
            labels = tuple(map(clean, labels))
            series = self.series.get(labels) or self._admit(labels)
        self._touch(series)
        return series

    def _admit(self, labels: Labels) -> Series:
        if self.spec.type == "info":
            self.guard.clear()  # only one of its series will be there after the next commit
        admitted = self.guard.admit(labels)
        overflow = admitted != labels
        if overflow and admitted not in self.series:
            if self.overflow_series >= OVERFLOW_SERIES_MAX:
                admitted = self.guard.all_overflow
            self.overflow_series += admitted not in self.series
        return self.series.get(admitted) or self._add(admitted, overflow=overflow)

    def _add(self, labels: Labels, *, overflow: bool) -> Series:
        spec = self.spec
        series: Series
        if spec.type == "counter":
            series = CounterSeries(labels, overflow=overflow)
        elif spec.type == "histogram":
            series = HistogramSeries(labels, spec.buckets, overflow=overflow)
        elif spec.type == "active":
            series = ActiveSeries(labels, spec.window_s, overflow=overflow)
        else:
            series = GaugeSeries(labels, overflow=overflow)
        self.series[labels] = series
        return series

    def _touch(self, series: Series) -> None:
        if not series.dirty:
            series.dirty = True
            self.dirty.append(series)

    def set_latest(self, series: Series, value: int | float) -> None:
        """Set *series* of an info metric, which shows the label set seen last and no other."""
        assert isinstance(series, GaugeSeries)
        series.set(value)
        self._latest = series

    def changed(self, now_s: float) -> list[Series]:
        """The series that the next commit must write and show. May be asked again when that commit fails."""
        if self.spec.type == "active":
            for series in self.series.values():  # keys expire with time alone
                assert isinstance(series, ActiveSeries)
                if series.expire(now_s):
                    self._touch(series)
        if self._latest is not None:
            self.dirty = [self._latest]
        return self.dirty

    def gone(self) -> list[int]:
        """The ids in state.db of the series that the next commit must remove."""
        if self._latest is None:
            return []
        return [series.key for series in self.series.values() if series.key and series is not self._latest]

    def committed(self) -> None:
        """What ``changed`` gave is durable: it is what scrapes see from now on. Called under the view's lock."""
        if self._latest is not None:
            self.series = {self._latest.labels: self._latest}
            self._latest = None
        for series in self.dirty:
            series.frozen = series.present()
            series.dirty = False
        self.dirty.clear()

    def restore(self, labels: Labels, *, key: int, overflow: bool, saved: str) -> None:
        """Bring back a series as the last commit of an earlier run left it."""
        series = self.series.get(labels)
        if series is None:
            if overflow:
                self.overflow_series += 1
            else:
                self.guard.add(labels)
            series = self._add(labels, overflow=overflow)
        series.key = key
        series.restore(saved)
        series.frozen = series.present()


class Site(dict[Any, Any]):
    """One update of one rule: the label values that vary -> what the hot path does to the series.

    It is a memo, emptied at each commit. So a lookup that misses is the moment at which a series is found, admitted and
    noted as dirty, and a lookup that hits is one hash and nothing else. The key is one text when one label varies, else
    a tuple of texts.
    """

    __slots__ = ("family", "single", "take", "template")

    # Different raw values can lead to one series; an attacker could fill the memo between two commits.
    ENTRIES_MAX = 10_000

    def __init__(self, family: Family, constants: dict[str, str], take: Callable[[Any], Any]) -> None:
        super().__init__()
        self.family = family
        self.template = tuple(constants.get(label) for label in family.spec.labels)
        self.single = self.template.count(None) == 1
        self.take = take

    def __missing__(self, key: Any) -> Any:
        varying = iter((key,) if self.single else key)
        labels = tuple(next(varying) if fixed is None else fixed for fixed in self.template)
        series = self.family.get(labels)
        target = self.take(series)
        if not series.overflow:  # every measurement that overflows is counted, so it must come here again
            if len(self) >= self.ENTRIES_MAX:
                self.clear()
            self[key] = target
        return target
