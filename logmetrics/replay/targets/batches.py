"""A window -> requests of a bounded size, in an order in which what has arrived of a series is always its beginning."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from logmetrics.replay.samples import WINDOW_S, FamilySamples, SampleSeries, Window

# A Prometheus without an out-of-order window takes nothing that is an hour older than the newest sample it has. So all
# series get half an hour before any gets the next.
SLICE_S = 1800


@dataclass(frozen=True, slots=True)
class Part:
    """The samples of a series from the one at ``low`` up to and without the one at ``high``."""

    series: SampleSeries
    low: int
    high: int

    @property
    def ends(self) -> bool:
        """Whether the series becomes stale behind this part."""
        return self.series.ends and self.high == len(self.series.times_s)


Batch = list[Part]


def batches(window: Window, samples_max: int) -> Iterator[Batch]:
    """All samples of *window*, at most *samples_max* at a time."""
    batch: Batch = []
    room = samples_max
    for part in _parts(window):
        low = part.low
        while low < part.high:
            high = min(part.high, low + room)
            batch.append(Part(part.series, low, high))
            room -= high - low
            low = high
            if not room:
                yield batch
                batch, room = [], samples_max
    if batch:
        yield batch


def tails(window: Window) -> tuple[Window, Window]:
    """*window* without the last samples of the series that end, and these alone."""
    rest = Window(window.start_s, window.step_s)
    last = Window(window.start_s, window.step_s)
    for family in window.families:
        for target in (rest, last):
            target.families.append(FamilySamples(family.name, family.type, family.help))
        for series in family.series:
            if not series.ends or not series.times_s:
                rest.families[-1].series.append(series)
                continue
            name, labels, times_s, values = series.name, series.labels, series.times_s, series.values
            rest.families[-1].series.append(SampleSeries(name, labels, times_s[:-1], values[:-1]))
            last.families[-1].series.append(SampleSeries(name, labels, times_s[-1:], values[-1:], ends=True))
    return rest, last


def _parts(window: Window) -> Iterator[Part]:
    """The series, half an hour of all before the next half an hour."""
    for start_s in range(window.start_s, window.start_s + WINDOW_S, SLICE_S):
        for family in window.families:
            for series in family.series:
                low = bisect_left(series.times_s, start_s)
                high = bisect_left(series.times_s, start_s + SLICE_S, low)
                if low < high:
                    yield Part(series, low, high)
