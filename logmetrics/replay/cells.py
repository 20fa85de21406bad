"""What was measured in one tick: increments of one series, which add up to the same whatever they are cut into.

Ticks are steps of time, counted from 1970: what happened in the step that ends at ``tick * step_s`` is of that tick.
Families stand here in the place of the store's while a piece of a log is read. They know no budgets: which label sets
have a place depends on all logs, so that is for whoever puts the pieces together.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Mapping
from itertools import accumulate
from math import fsum
from typing import Any

from logmetrics.config.specs import LimitsSpec, MetricSpec
from logmetrics.store.guard import Guard, ProcessBudget
from logmetrics.store.series import (
    ActiveSeries,
    CounterSeries,
    ExactSum,
    GaugeSeries,
    HistogramSeries,
    Labels,
    Series,
)
from logmetrics.store.site import Site
from logmetrics.store.store import target_of

# A counter: a number of measurements by one, or (measurements, sum of whole numbers, other parts of the sum).
# A histogram: (numbers in each bucket, parts of the sum). A gauge: (how often it was set, last value). Active: keys.
# Info: a number, greater for what was told later.
Cell = Any
# Metric -> label set -> ticks and cells in turn, in the order in which they were met.
Cells = dict[int, dict[Labels, list[Any]]]


class CellFamily:
    """The series of one metric in the tick that is being read."""

    # Different raw values lead to one label set.
    FORMS_MAX = 20_000

    def __init__(self, number: int, spec: MetricSpec, limits: LimitsSpec, touched: dict[Series, CellFamily]) -> None:
        self.number = number
        self.spec = spec
        self.sites: list[Site] = []
        self.cells: dict[Labels, list[Any]] = {}
        # The same of those from before any time.
        self.untimed: dict[Labels, list[Any]] = {}
        self._guard = Guard(spec, limits, ProcessBudget(limits))
        self._touched = touched
        self._series: dict[Labels, Series] = {}
        self._by_raw: dict[Labels, Series] = {}

    def get(self, labels: Labels) -> Series:
        """The series of *labels*, which is touched from now on."""
        series = self._by_raw.get(labels)
        if series is None:
            series = self._meet(labels)
        if self.spec.type == "info":  # of which the label set that was told last counts, so all of them come here
            self._touched.pop(series, None)
            for site in self.sites:
                site.clear()
        self._touched[series] = self
        return series

    def _meet(self, labels: Labels) -> Series:
        form = tuple(
            [
                budget.too_long
                if len(text) > budget.short_max and len(text.encode("utf-8", "replace")) > budget.bytes_max
                else text
                for text, budget in zip(self._guard.form(labels), self._guard.values, strict=True)
            ]
        )
        series = self._series.get(form)
        if series is None:
            series = self._series[form] = _series_of(self.spec, form)
        if len(self._by_raw) >= self.FORMS_MAX:
            self._by_raw.clear()
        self._by_raw[labels] = series
        return series

    def begin_anew(self) -> None:
        """Forget all series and cells."""
        self.cells, self.untimed = {}, {}
        self._series.clear()
        self._by_raw.clear()


class CellStore:
    """Stands in the place of the store for the rules of one source."""

    def __init__(self, metrics: Mapping[str, MetricSpec], limits: LimitsSpec) -> None:
        self._touched: dict[Series, CellFamily] = {}
        self._families = {
            name: CellFamily(number, spec, limits, self._touched) for number, (name, spec) in enumerate(metrics.items())
        }
        self._by_number = list(self._families.values())
        self._sites: list[Site] = []
        self.tick: int | None = None
        # False: what is measured in this tick is not wanted.
        self.keeps = True
        # How many label sets of info were told.
        self._told = 0

    def site(self, metric: str, constants: Mapping[str, str], *, count_only: bool) -> Site:
        """See Store."""
        family = self._families[metric]
        site = Site(family, dict(constants), target_of(family.spec, count_only=count_only))
        family.sites.append(site)
        self._sites.append(site)
        return site

    def last_of(self, cells: Cells) -> dict[int, dict[Labels, tuple[int | None, int | float]]]:
        """The last values in *cells* of each gauge, and the label set of each info that was told last; with ticks."""
        last: dict[int, dict[Labels, tuple[int | None, int | float]]] = {}
        for number, rows in cells.items():
            kind = self._by_number[number].spec.type
            if kind == "gauge":
                last[number] = {labels: (row[-2], row[-1][1]) for labels, row in rows.items()}
            elif kind == "info":
                labels, row = max(rows.items(), key=lambda item: item[1][-1])
                last[number] = {labels: (row[-2], 1)}
        return last

    def turn(self, tick: int | None, *, keeps: bool) -> None:
        """What is measured from now on is of *tick*; None: nobody knows yet of which."""
        self.end_tick()
        self.tick, self.keeps = tick, keeps

    def end_tick(self) -> None:
        """Take what was measured in this tick out of the series."""
        if not self._touched:
            return
        tick = self.tick
        for series, family in self._touched.items():
            cell = _taken(series)
            if self.keeps and cell is not None:
                if family.spec.type == "info":
                    self._told += 1
                    cell = self._told
                cells = family.untimed if tick is None else family.cells
                row = cells.get(series.labels)
                if row is None:
                    cells[series.labels] = [tick, cell]
                else:
                    row += (tick, cell)
        self._touched.clear()
        for site in self._sites:
            site.clear()

    def take(self) -> tuple[Cells, Cells]:
        """All cells since the last time, and those of which nobody knew the tick."""
        self.end_tick()
        cells = {family.number: family.cells for family in self._families.values() if family.cells}
        untimed = {family.number: family.untimed for family in self._families.values() if family.untimed}
        for family in self._families.values():
            family.begin_anew()
        return cells, untimed


def _series_of(spec: MetricSpec, labels: Labels) -> Series:
    if spec.type == "counter":
        return CounterSeries(labels)
    if spec.type == "histogram":
        return HistogramSeries(labels, spec.buckets)
    return ActiveSeries(labels, spec.window_s) if spec.type == "active" else GaugeSeries(labels)


def _taken(series: Series) -> Cell | None:
    """What was measured in *series*, which is empty then; None when nothing was."""
    series.fold()
    if isinstance(series, CounterSeries):
        cell: Cell = series.count
        if series.folded:
            cell = (series.count + series.folded, series.count + series.whole, series.exact.parts)
            series.whole = series.folded = 0
            series.exact = ExactSum()
        series.count = 0
        return cell or None
    if isinstance(series, HistogramSeries):
        if not any(series.counts):
            return None
        cell = (series.counts, series.exact.parts)
        series.counts = [0] * len(series.counts)
        series.exact = ExactSum()
        return cell
    if isinstance(series, ActiveSeries):
        cell = list(series.seen)
        series.seen.clear()
        return cell or None
    assert isinstance(series, GaugeSeries)
    if not series.sets:
        return None
    cell = (series.sets, series.value)
    series.sets = 0
    return cell


# -- cells put together


class CounterSum:
    """Cells of a counter added up."""

    __slots__ = ("exact", "measurements", "whole")

    def __init__(self) -> None:
        self.measurements = 0
        self.whole = 0
        self.exact = ExactSum()

    def add(self, cell: Cell) -> None:
        if cell.__class__ is int:
            self.measurements += cell
            self.whole += cell
            return
        measurements, whole, parts = cell
        self.measurements += measurements
        self.whole += whole
        if parts:
            self.exact.add(parts)

    @property
    def value(self) -> int | float:
        return fsum([self.whole, *self.exact.parts]) if self.exact.parts else self.whole


class HistogramSum:
    """Cells of a histogram added up; ``counts`` are those of each bucket alone."""

    __slots__ = ("counts", "exact")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * (buckets + 1)
        self.exact = ExactSum()

    def add(self, cell: Cell) -> None:
        counts, parts = cell
        self.counts = [mine + more for mine, more in zip(self.counts, counts, strict=True)]
        if parts:
            self.exact.add(parts)

    @property
    def value(self) -> tuple[tuple[int, ...], float]:
        """The numbers of values up to each bound, and the sum of all."""
        return tuple(accumulate(self.counts)), self.exact.total


def measurements_of(kind: str, cells: list[Any]) -> int:
    """How many measurements are in *cells* of a metric of the type *kind*."""
    if kind == "counter":
        return sum([cell if cell.__class__ is int else cell[0] for cell in cells])
    if kind == "histogram":
        return sum([sum(counts) for counts, _ in cells])
    return sum([sets for sets, _ in cells]) if kind == "gauge" else len(cells)


# -- cells as bytes, by windows of ticks


def packed(cells: Cells, window_ticks: int) -> dict[int, bytes]:
    """*cells* by window, a window being so many ticks."""
    windows: dict[int, Cells] = {}
    for number, rows in cells.items():
        for labels, row in rows.items():
            for index in range(0, len(row), 2):
                of = windows.setdefault(row[index] // window_ticks, {})
                of.setdefault(number, {}).setdefault(labels, []).extend(row[index : index + 2])
    return {window: as_bytes(some) for window, some in windows.items()}


def as_bytes(cells: Cells) -> bytes:
    """*cells* as ``unpacked`` takes them; may be empty."""
    return marshal.dumps(cells) if cells else b""


def unpacked(data: bytes) -> Iterator[tuple[int, Labels, list[Any], list[Any]]]:
    """Metric, label set, ticks and cells."""
    cells: Cells = marshal.loads(data)  # noqa: S302 - written by this program a moment ago, where nobody else can write
    for number, rows in cells.items():
        for labels, row in rows.items():
            yield number, labels, row[::2], row[1::2]
