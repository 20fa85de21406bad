"""From cells to samples: each series' value at each tick, window by window, and the totals over all of them.

Memory is that of the series and of the cells of one window, however long the history is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from math import fsum

from logmetrics.config.specs import MetricSpec
from logmetrics.replay.cells import Cell, measurements_of, unpacked
from logmetrics.replay.history import History
from logmetrics.replay.past import Row, past_of
from logmetrics.replay.report.data import Timeline, is_error
from logmetrics.replay.samples import Window, nice_step_s
from logmetrics.replay.windows import Track, WindowMaker
from logmetrics.store.family import Family
from logmetrics.store.series import GaugeSeries, Labels, Series

# How finely a report shows time.
_BUCKETS = 96


class Samples:
    """Goes through the windows of a history, once; its totals are in the history's store when that is done."""

    def __init__(self, history: History, extra: Mapping[str, str], *, wanted: bool) -> None:
        """*extra* are labels that every series has beside its own. Without samples *wanted* only totals are made."""
        self.history = history
        self.extra = tuple(extra.items())
        self.wanted = wanted
        self.job = history.job
        self.families = [history.store.families[name] for name in history.metrics]
        # Whether live samples follow before the series are forgotten; else the last samples end them.
        self.go_on = False
        self._tracks: dict[tuple[Family, Labels], Track] = {}
        self._by_family: dict[Family, list[Track]] = {}
        step_s = self.job.step_s
        least_s, greatest_s = history.range_s or (0, 0)
        self._bucket_s = nice_step_s((greatest_s - least_s + 1) / _BUCKETS, step_s)
        self._start_s = least_s - least_s % step_s
        self._buckets = (greatest_s - self._start_s) // self._bucket_s + 1
        self._counts: dict[str, list[float]] = {}
        self._errors: dict[str, list[float]] = {}

    # -- totals

    def finish(self) -> None:
        """Put the totals into the store."""
        for (family, labels), track in self._tracks.items():
            if family.spec.type not in ("gauge", "info"):
                track.past.give(family.series[labels])
        for metric, last in self.history.last.items():
            family = self.families[metric]
            for labels, (_, value) in last.items():
                series = family.get(labels, 0)
                if isinstance(series, GaugeSeries):
                    series.set(value)

    def timeline(self) -> Timeline | None:
        """Increments over time; None when nothing has a time."""
        if self.history.range_s is None:
            return None
        return Timeline(self._start_s, self._bucket_s, self._counts, self._errors)

    def _add_to_timeline(self, spec: MetricSpec, labels: Labels, row: Row) -> None:
        if spec.type not in ("counter", "histogram"):
            return
        size = self._buckets
        kept = [self._counts.setdefault(spec.name, [0.0] * size)]
        if "status" in spec.labels:
            kept.append(self._errors.setdefault(spec.name, [0.0] * size))
            if not is_error(labels[spec.labels.index("status")]):
                kept.pop()
        for tick, cell in row:
            bucket = ((tick - 1) * self.job.step_s - self._start_s) // self._bucket_s
            for counts in kept:
                counts[min(max(bucket, 0), size - 1)] += _amount(spec.type, cell)

    # -- windows

    def windows(self) -> Iterator[Window]:
        """All windows in order; none when no samples are wanted."""
        windows = self.history.spool.windows
        if self.wanted and windows:
            yield from self._made(windows)
        elif not self.wanted:
            for window in windows:
                for track, row in self._rows_of(window).items():
                    track.past.absorb(row)

    def _made(self, with_cells: Sequence[int]) -> Iterator[Window]:
        before, window = self._maker(with_cells[0] - 1), with_cells[0]
        while window * self.job.window_ticks < self.end_tick:
            making = self._maker(window)
            rows = self._rows_of(window)
            for family in self.families:
                making.make(self._by_family.get(family, ()), family.idle_s, rows, before)
            if before.has_samples:
                yield before.window()
            before, window = making, window + 1
            if not making.has_samples:  # all series are idle: on to where something happens
                place = bisect_left(with_cells, window)
                if place == len(with_cells):
                    return
                window = with_cells[place]
                before = self._maker(window - 1)
        if not self.go_on:
            before.end_all()
        if before.has_samples:
            yield before.window()

    def _maker(self, window: int) -> WindowMaker:
        first = window * self.job.window_ticks
        end = min(first + self.job.window_ticks, self.end_tick)
        return WindowMaker(first, end, self.job.step_s, self.extra)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all series that there are samples of."""
        names: list[str] = []
        for family in self.families:
            if family.series and family.spec.type == "histogram":
                names += (f"{family.spec.name}{suffix}" for suffix in ("_bucket", "_sum", "_count"))
            elif family.series:
                names.append(family.spec.name)
        return tuple(names)

    def span_s(self) -> tuple[int, int] | None:
        """The time of the first sample, and the one behind the last; None when there is nothing to show."""
        windows = self.history.spool.windows
        if not windows:
            return None
        return (min(self._ticks(windows[0])) - 1) * self.job.step_s, self.end_tick * self.job.step_s

    @cached_property
    def end_tick(self) -> int:
        """The tick behind the last one that there are samples of."""
        if self.job.fills and self.job.until_s is not None:
            return min(self.job.until_s, self.job.now_s) // self.job.step_s + 1
        return max(self._ticks(self.history.spool.windows[-1])) + 1

    def _ticks(self, window: int) -> set[int]:
        found: set[int] = set()
        for data, override in self.history.spool.cells(window):
            if override is not None:
                found.add(override)
            else:
                for _, _, ticks, _ in unpacked(data):
                    found.update(ticks)
        return found

    def _rows_of(self, window: int) -> dict[Track, Row]:
        """The cells of each series in *window*, by tick."""
        found: dict[Track, Row] = {}
        for place, (data, override) in enumerate(self.history.spool.cells(window)):
            for number, labels, ticks, cells in unpacked(data):
                track = self._track(self.families[number], labels, cells)
                if track.spec.type == "info":
                    cells = [(place, cell) for cell in cells]  # in the order in which they were told
                if override is not None:
                    ticks = [override] * len(cells)
                found.setdefault(track, []).extend(zip(ticks, cells, strict=True))
        for track, row in found.items():
            row.sort(key=lambda entry: entry[0])
            self._add_to_timeline(track.spec, track.labels, row)
        return found

    def _track(self, family: Family, labels: Labels, cells: list[Cell]) -> Track:
        if family.spec.type != "info":  # of which the store has the last one only
            series: Series = family.get(labels, measurements_of(family.spec.type, cells))
            labels = series.labels
        key = family, labels
        track = self._tracks.get(key)
        if track is None:
            track = self._tracks[key] = Track(family.spec, labels, past_of(family.spec, self.job.step_s))
            self._by_family.setdefault(family, []).append(track)
        return track


def _amount(kind: str, cell: Cell) -> float:
    if kind == "histogram":
        return float(sum(cell[0]))
    return float(cell) if cell.__class__ is int else fsum([cell[1], *cell[2]])
