"""One series on its way through time: cells go in by tick, values at ticks come out, and the total at the end."""

from __future__ import annotations

from abc import abstractmethod
from itertools import groupby
from operator import itemgetter
from typing import Any

from logmetrics.config.specs import MetricSpec
from logmetrics.replay.cells import Cell, CounterSum, HistogramSum
from logmetrics.store.series import ActiveSeries, CounterSeries, GaugeSeries, HistogramSeries, Series

# Ticks and cells, by tick.
Row = list[tuple[int, Cell]]
# A number; of a histogram the cumulative counts of its buckets, and the sum.
Value = Any
Change = tuple[int, Value]
_tick = itemgetter(0)


class PastSeries:
    """What all kinds share. ``value`` is the one at the last tick that was given."""

    # Whether it is 0 before anything was measured.
    begins_at_zero = True

    def __init__(self) -> None:
        self.value: Value = 0

    @abstractmethod
    def absorb(self, row: Row) -> None:
        """Take *row* into the total; nobody asks for values on the way."""

    @abstractmethod
    def changes(self, row: Row, first: int, end: int) -> list[Change]:
        """Take *row*, which is of ticks from *first* up to without *end*; the ticks at which the value changed."""

    @abstractmethod
    def give(self, series: Series) -> None:
        """Put the total into *series*, which has nothing yet."""


class _Added(PastSeries):
    """Cells add up in ``sum``."""

    def __init__(self, zero: CounterSum | HistogramSum) -> None:
        super().__init__()
        self.sum = zero
        self.value = zero.value

    def absorb(self, row: Row) -> None:
        for _, cell in row:
            self.sum.add(cell)

    def changes(self, row: Row, first: int, end: int) -> list[Change]:  # noqa: ARG002
        changes = []
        for tick, cells in groupby(row, _tick):
            self.absorb(list(cells))
            self.value = self.sum.value
            changes.append((tick, self.value))
        return changes


class PastCounter(_Added):
    """Adds up."""

    def __init__(self) -> None:
        super().__init__(CounterSum())

    def give(self, series: Series) -> None:
        assert isinstance(series, CounterSeries)
        assert isinstance(self.sum, CounterSum)
        series.folded, series.whole = self.sum.measurements, self.sum.whole
        series.exact = self.sum.exact


class PastHistogram(_Added):
    """Adds up, bucket by bucket."""

    def __init__(self, buckets: int) -> None:
        super().__init__(HistogramSum(buckets))

    def give(self, series: Series) -> None:
        assert isinstance(series, HistogramSeries)
        assert isinstance(self.sum, HistogramSum)
        series.counts, series.exact = self.sum.counts, self.sum.exact


class PastGauge(PastSeries):
    """The value that was set last within a tick; the total is told from elsewhere, since lines may go back in time."""

    begins_at_zero = False

    def absorb(self, row: Row) -> None:
        if row:
            _, self.value = row[-1][1]

    def changes(self, row: Row, first: int, end: int) -> list[Change]:  # noqa: ARG002
        changes = []
        for tick, cells in groupby(row, _tick):
            [*_, (_, (_, self.value))] = cells
            changes.append((tick, self.value))
        return changes

    def give(self, series: Series) -> None:
        assert isinstance(series, GaugeSeries)
        series.set(self.value)


class PastActive(PastSeries):
    """How many keys were seen within the last *window_s*; in the total are all that ever were."""

    def __init__(self, window_s: float, step_s: int) -> None:
        super().__init__()
        self.step_s = step_s
        self.window_ticks = max(round(window_s / step_s), 1)
        # Key -> the tick in which it was last seen, in that order.
        self._seen: dict[str, int] = {}
        # The same of all time.
        self._ever: dict[str, int] = {}

    def absorb(self, row: Row) -> None:
        for tick, keys in row:
            for key in keys:
                self._ever[key] = max(tick, self._ever.get(key, tick))
        surplus = len(self._ever) - ActiveSeries.KEYS_MAX
        if surplus > 0:
            for key in sorted(self._ever, key=self._ever.__getitem__)[:surplus]:
                del self._ever[key]

    def changes(self, row: Row, first: int, end: int) -> list[Change]:
        self.absorb(row)
        changes = []
        # Each key once, so that it makes no difference into how many cells a tick was cut.
        by_tick = {tick: dict.fromkeys(key for _, keys in cells for key in keys) for tick, cells in groupby(row, _tick)}
        for tick in range(first, end):
            for key in by_tick.get(tick, ()):
                self._seen.pop(key, None)
                self._seen[key] = tick
            while self._seen and (tick - self._seen[oldest := next(iter(self._seen))]) >= self.window_ticks:
                del self._seen[oldest]
            while len(self._seen) > ActiveSeries.KEYS_MAX:
                del self._seen[next(iter(self._seen))]
            if len(self._seen) != self.value:
                self.value = len(self._seen)
                changes.append((tick, self.value))
        return changes

    def give(self, series: Series) -> None:
        assert isinstance(series, ActiveSeries)
        series.seen = {key: float(tick * self.step_s) for key, tick in self._ever.items()}


def past_of(spec: MetricSpec, step_s: int) -> PastSeries:
    """The past of a series of the metric *spec*."""
    if spec.type == "counter":
        return PastCounter()
    if spec.type == "histogram":
        return PastHistogram(len(spec.buckets))
    return PastActive(spec.window_s, step_s) if spec.type == "active" else PastGauge()
