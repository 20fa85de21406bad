"""Families: all series of one metric, and which of them there may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from heapq import nsmallest
from math import ceil
from typing import NamedTuple

from logmetrics.config.specs import LimitsSpec, MetricSpec
from logmetrics.store.guard import ALL, OVERFLOW, Guard, ProcessBudget, Refusal
from logmetrics.store.heavy import Tracked
from logmetrics.store.newcomers import EVIDENCE_MIN, MARGIN, Newcomers
from logmetrics.store.parking import Parking
from logmetrics.store.series import ActiveSeries, CounterSeries, GaugeSeries, HistogramSeries, Labels, Series
from logmetrics.store.shown import Shown
from logmetrics.store.site import Site

# Idle series are looked for so many times within the time that makes them idle.
LOOKS_PER_IDLE = 20


class SeriesRow(NamedTuple):
    """A series as state.db keeps it."""

    key: int
    family: int
    labels: Labels
    overflow: bool
    saved: str
    created_s: float
    touched_s: float
    past: float
    mark: int


class Family:
    """One metric. Only the engine's thread touches it, except ``shown`` under the view's lock.

    Series are in ``series`` from their birth, and in ``shown`` from the commit after it. One that loses its place or
    falls idle leaves ``series`` at once and ``shown`` with the next commit; a counter's or histogram's value is parked.
    """

    def __init__(self, spec: MetricSpec, limits: LimitsSpec, budget: ProcessBudget) -> None:
        self.spec = spec
        self.guard = Guard(spec, limits, budget)
        self.parking = Parking(budget)
        self.newcomers = Newcomers(spec.labels)
        # Series give way to heavier newcomers.
        self.heavy = (spec.admission or limits.admission) == "heavy" and spec.type in ("counter", "histogram", "gauge")
        idle_s = spec.idle_s if spec.idle_s is not None else limits.idle_s
        self.idle_s = idle_s if spec.labels and spec.type != "info" else float("inf")
        self.series: dict[Labels, Series] = {}
        self.shown = Shown()
        # Touched since the last commit, in order of first touch.
        self.dirty: dict[Series, None] = {}
        # How often series were admitted in another's place, displaced, fell idle, came back.
        self.moves: Counter[str] = Counter()
        self.sites: list[Site] = []
        # What happened since the last commit: series that left, their ids in state.db, series whose weight was halved.
        self._left: dict[Series, None] = {}
        self._gone: list[int] = []
        self._aged: dict[Series, None] = {}
        self._idle_look_s = float("-inf")
        # False when something may be told of it that was not.
        self.told = False
        # Its id in state.db.
        self.key = 0
        is_alone = not spec.labels and spec.type != "gauge"
        pinned = [()] if is_alone else map(self.guard.form, spec.init)
        self._pinned = dict.fromkeys(pinned)
        for labels in self._pinned if not spec.pack else ():
            series = self._add(labels)
            series.born = 0
            self._touch(series)

    def begin(self) -> None:
        """The pack that the metric is of is in use: what is there from the start is there from now on."""
        self.told = False
        for labels in self._pinned:
            self.get(labels)

    # -- the way of a measurement

    def get(self, labels: Labels, measurements: int = 1) -> Series:
        """The series that so many *measurements* of *labels* go to; born here if need be, and dirty from now on."""
        series = self.series.get(labels)
        if series is None or series.overflow:  # the word for overflow may stand in a log too
            series = self._find(labels, measurements)
        if not series.dirty:
            self._touch(series)
        return series

    def _touch(self, series: Series) -> None:
        self.told = False
        series.dirty = True
        self.dirty[series] = None

    def _find(self, labels: Labels, measurements: int) -> Series:
        if self.spec.type == "info":  # it shows the label set that was seen last, and no other
            for series in list(self.series.values()):
                self.remove(series)
        kept, refusal = self.guard.judge(labels)
        if refusal:
            return self._refused(kept, refusal, measurements)
        found = self.series.get(kept)
        if found is not None:
            return found
        refusal = self.guard.full()
        return self._refused(kept, refusal, measurements) if refusal else self._bear(kept)

    def _refused(self, kept: Labels, refusal: Refusal, measurements: int) -> Series:
        """Where measurements go whose labels break a budget; *kept* are those that do not."""
        tracked = self.newcomers.refuse(kept, refusal) if measurements else None
        if tracked is not None and tracked.count - tracked.error >= EVIDENCE_MIN and self.heavy:
            series = self._displace(tracked, kept, refusal)
            if series is not None:
                return series
        self.guard.count(refusal, measurements)
        if refusal[0][0] == ALL:
            kept = self.guard.all_overflow
        found = self.series.get(kept)
        if found is None and not self.guard.may_overflow(kept):
            kept = self.guard.all_overflow
            found = self.series.get(kept)
        return found or self._bear(kept, overflow=True)

    def _displace(self, newcomer: Tracked, kept: Labels, refusal: Refusal) -> Series | None:
        """A series for *newcomer*, in the place of one that is lighter by the margin; None when there is none."""
        weight = newcomer.certain
        if not self.newcomers.may_look() or not self._make_room(refusal, weight):
            return None
        self.newcomers.admit(newcomer)
        self.moves["admitted"] += 1
        refused = {index: value for index, _, value in refusal}
        series = self._bear(tuple([refused.get(index, value) for index, value in enumerate(kept)]))
        series.past = float(weight)
        return series

    def _bear(self, labels: Labels, *, overflow: bool = False) -> Series:
        """A series that has a place: a new one, or one that was parked."""
        parked: Series | None = None
        if labels in self.parking:
            self.moves["resumed"] += 1
            parked = self.parking.take(labels)
        series = self._add(labels, parked, overflow=overflow)
        series.past, series.mark = 0.0, series.measurements
        return series

    def _add(self, labels: Labels, series: Series | None = None, *, overflow: bool = False) -> Series:
        spec = self.spec
        if series is not None:
            pass
        elif spec.type == "counter":
            series = CounterSeries(labels, overflow=overflow)
        elif spec.type == "histogram":
            series = HistogramSeries(labels, spec.buckets, overflow=overflow)
        elif spec.type == "active":
            series = ActiveSeries(labels, spec.window_s, overflow=overflow)
        else:
            series = GaugeSeries(labels, overflow=overflow)
        self.guard.add(labels, overflow=overflow)
        self.series[labels] = series
        return series

    def resume_pinned(self) -> None:
        """After a restart: label sets that `init` names now may have been parked. Raises CommitError."""
        for labels in self._pinned:
            series = self.series.get(labels)
            if series is not None and not series.settled and labels in self.parking:
                self.parking.take(labels)
                self.parking.resume(series)
                series.settled = True

    # -- who has a place

    def weight(self, series: Series) -> float:
        """How much was measured, what is long ago counting less."""
        return series.past + series.measurements - series.mark

    def _make_room(self, refusal: Refusal, weight: int) -> bool:
        """Displace who is in the way of a newcomer of *weight*, if it is heavier than each of them by the margin.

        After limits were lowered that can be more than one for each.
        """
        self.newcomers.looked(len(self.series))
        guard, process = self.guard, self.guard.budget
        displaced: dict[Series, None] = {}
        for index, _, _ in refusal:
            if index != ALL:
                surplus = len(guard.values[index].known) + 1 - guard.values[index].values_max
                if not self._choose(index, surplus, weight, displaced):
                    return False
        # What leaves for a label's sake may be overflow series only, which are not in the metric's budget.
        surplus = guard.series + 1 - sum(not series.overflow for series in displaced) - guard.series_max
        cost = process.series + guard.cost - len(displaced) * guard.cost - process.series_max
        if not self._choose(ALL, max(surplus, ceil(cost / guard.cost)), weight, displaced):
            return False
        if len(displaced) + process.parked > process.parked_max:
            return False
        for series in displaced:
            self.moves["displaced"] += not series.overflow
            self.remove(series)
        return True

    def _choose(self, index: int, number: int, weight: int, displaced: dict[Series, None]) -> bool:
        """Add to *displaced* the *number* coldest; False when not so many are lighter than *weight* by the margin."""
        if number <= 0:
            return True
        groups = self._who_can_leave(index, displaced)
        weights = {group: sum(map(self.weight, members)) for group, members in groups.items()}
        coldest = nsmallest(number, weights, key=weights.__getitem__)
        if len(coldest) < number or weights[coldest[-1]] * MARGIN > weight:
            return False
        for group in coldest:
            displaced.update(dict.fromkeys(groups[group]))
        return True

    def _who_can_leave(self, index: int, displaced: Mapping[Series, None]) -> dict[str | Series, list[Series]]:
        """What could make room: all series of one value of the label *index*, or any one series when that is ALL."""
        if index == ALL:
            own = (series for series in self.series.values() if not series.overflow and series not in displaced)
            return {series: [series] for series in own if series.labels not in self._pinned}
        groups: dict[str | Series, list[Series]] = {}
        for series in self.series.values():
            groups.setdefault(series.labels[index], []).append(series)
        for value in (OVERFLOW, *(labels[index] for labels in self._pinned)):
            groups.pop(value, None)
        return groups

    def remove(self, series: Series) -> None:
        """*series* loses its place; the next commit takes it from what is shown. Gauges are forgotten."""
        self.told = False
        del self.series[series.labels]
        self.guard.remove(series.labels, overflow=series.overflow)
        self.dirty.pop(series, None)
        series.dirty = False
        self._aged.pop(series, None)
        if series in self.shown:
            self._left[series] = None
        if series.key:
            self._gone.append(series.key)
            series.key = 0  # one that comes back comes last
        if self.spec.type in ("counter", "histogram"):
            self.parking.park(series)
        for site in self.sites:
            site.clear()

    def pass_time(self, now_s: float) -> None:
        """Let idle series leave, and what was measured long ago weigh less or expire. Called before each commit."""
        if self.spec.type == "active":
            for series in self.series.values():
                assert isinstance(series, ActiveSeries)
                if series.expire(now_s):
                    self._touch(series)
        if self.heavy and self.newcomers.halve_due(now_s):
            for series in self.series.values():
                series.past, series.mark = self.weight(series) / 2, series.measurements
                self._aged[series] = None
        if now_s >= self._idle_look_s or now_s < self._idle_look_s - self.idle_s:  # or the clock went back
            self._idle_look_s = now_s + self.idle_s / LOOKS_PER_IDLE
            horizon_s = now_s - self.idle_s
            for series in [series for series in self.series.values() if series.touched_s < horizon_s]:
                self._fall_idle(series)

    def _fall_idle(self, series: Series) -> None:
        busy = series.dirty or (isinstance(series, ActiveSeries) and series.seen)
        if not busy and series.labels not in self._pinned and self.guard.budget.parked < self.guard.budget.parked_max:
            self.moves["idle"] += 1
            self.remove(series)

    # -- commits

    @property
    def has_news(self) -> bool:
        """Whether anything happened that the last commit did not have."""
        changes = self.dirty or self._aged or self._left or self._gone
        return bool(changes) or self.newcomers.has_news or self.parking.has_news

    def changed(self) -> list[Series]:
        """The series that the next commit must write. May be asked again when that commit fails."""
        return list({**self.dirty, **self._aged})

    def gone(self) -> list[int]:
        """The ids in state.db of the series that the next commit must remove."""
        return self._gone

    def settle(self, created_s: float) -> None:
        """Let series that were parked before go on from their values; new ones date from *created_s*.

        Raises CommitError.
        """
        for series in (*self.dirty, *self.parking.leaving.values()):
            if not series.settled:
                if not self.parking.resume(series):
                    series.created_s = created_s
                series.settled = True

    def committed(self, now_s: float, born: int) -> bool:
        """What ``changed`` gave is durable: it is what scrapes see from now on. Called under the view's lock.

        New series are *born* with this commit; 0: they were there before. True when there are any that were not.
        """
        news = False
        self.shown.remove(self._left)
        for series in self.dirty:
            series.frozen = series.present()
            series.dirty = False
            series.touched_s = now_s
            if series.born < 0:
                series.born = born
                news = news or born > 0
        self.shown.update(self.dirty)
        self.dirty.clear()
        self._aged.clear()
        self._left.clear()
        self._gone.clear()
        self.parking.committed()
        self.newcomers.committed()
        return news

    def take_over(self, before: Family) -> None:
        """Take the series of *before*, which is of the same shape, and what else it knows, as of a commit.

        It is of no use afterwards.
        """
        self.key, self.shown, self.newcomers = before.key, before.shown, before.newcomers
        self.parking.take_over(before.parking)
        if self.idle_s == before.idle_s:
            self._idle_look_s = before._idle_look_s
        for labels, series in before.series.items():
            own = self.series.get(labels)
            if own is None:
                self.guard.add(labels, overflow=series.overflow)
            else:
                del self.dirty[own]
            if isinstance(series, ActiveSeries):
                series.window_s = self.spec.window_s
            self.series[labels] = series
        for labels in self.series.keys() - before.series.keys():  # they are named by `init` from now on
            if labels in self.parking:
                self.parking.take(labels)

    def adopt(self, series: Series) -> None:
        """Take over the value of *series*, which is of a family like this one."""
        mine = self.series.get(series.labels) or self._add(series.labels, overflow=series.overflow)
        series.present()
        mine.resume(series.save())
        self._touch(mine)

    def restore(self, row: SeriesRow) -> None:
        """Bring back a series as the last commit of an earlier run left it. Raises ValueError or TypeError."""
        series = self.series.get(row.labels) or self._add(row.labels, overflow=row.overflow)
        series.resume(row.saved)
        series.key, series.settled, series.born = row.key, True, 0
        series.created_s, series.touched_s, series.past, series.mark = row.created_s, row.touched_s, row.past, row.mark
        series.frozen = series.present()
        self.shown.update((series,))
