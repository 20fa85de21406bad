"""One window of samples being made, with an eye on the one before it: a series begins one step before its first
increment, and ends where it was left alone for so long that the live ones would be forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from logmetrics.config.specs import MetricSpec
from logmetrics.replay.past import Change, PastSeries, Row, Value
from logmetrics.replay.samples import FamilySamples, SampleSeries, Window
from logmetrics.store.series import Labels

_TYPES = {"active": "gauge", "info": "gauge"}


@dataclass(eq=False, slots=True)
class Track:
    """One series, and whether it has samples up to the end of the window before."""

    spec: MetricSpec
    labels: Labels
    past: PastSeries
    present: bool = False
    # The tick in which it was last measured; 0 before any.
    touched: int = 0


@dataclass(slots=True)
class WindowMaker:
    """The ticks from *first* up to without *end*. ``extra`` are labels that every series has."""

    first: int
    end: int
    step_s: int
    extra: tuple[tuple[str, str], ...]
    families: dict[str, FamilySamples] = field(default_factory=dict)
    _made: dict[Track, list[SampleSeries]] = field(default_factory=dict)

    @property
    def has_samples(self) -> bool:
        return bool(self._made)

    def window(self) -> Window:
        """What was made."""
        return Window(self.first * self.step_s, self.step_s, list(self.families.values()))

    def make(self, tracks: Sequence[Track], idle_s: float, rows: Mapping[Track, Row], before: WindowMaker) -> None:
        """Add the samples of all series of one metric."""
        if tracks and tracks[0].spec.type == "info":
            self._make_info(tracks, rows, before)
            return
        idle_from = self.first - idle_s / self.step_s
        for track in tracks:
            row = rows.get(track, [])
            value = track.past.value
            changes = track.past.changes(row, self.first, self.end)
            self._place(track, value, changes, before, is_idle=not row and track.touched < idle_from)
            if row:
                track.touched = row[-1][0]

    def _place(self, track: Track, value: Value, changes: list[Change], before: WindowMaker, *, is_idle: bool) -> None:
        if track.present and (not is_idle or (changes and changes[0][0] == self.first)):
            self._fill(track, self.first, value, changes)
            return
        if track.present:
            before.end_series(track)
            track.present = False
        if not changes or is_idle:
            return
        first = changes[0][0]
        if track.past.begins_at_zero:
            first -= 1
            if first < self.first:
                before._add(track, first, [value])
                first = self.first
        self._fill(track, first, value, changes)

    def _fill(self, track: Track, first: int, value: Value, changes: list[Change]) -> None:
        """Samples from the tick *first* to the end, of *value* at first."""
        values: list[Value] = []
        place = first
        for tick, changed in changes:
            values += [value] * (tick - place)
            value, place = changed, tick
        values += [value] * (self.end - place)
        self._add(track, first, values)
        track.present = True

    def _add(self, track: Track, first: int, values: list[Value]) -> None:
        spec = track.spec
        family = self.families.get(spec.name)
        if family is None:
            family = self.families[spec.name] = FamilySamples(spec.name, _TYPES.get(spec.type, spec.type), spec.help)
        times_s = range(first * self.step_s, (first + len(values)) * self.step_s, self.step_s)
        labels = tuple(zip(spec.labels, track.labels, strict=True))
        made = self._made.setdefault(track, [])
        if spec.type != "histogram":
            made.append(SampleSeries(spec.name, (*labels, *self.extra), times_s, values))
        else:
            for index, bound in enumerate((*map(repr, spec.buckets), "+Inf")):
                counts = [cumulative[index] for cumulative, _ in values]
                made.append(SampleSeries(f"{spec.name}_bucket", (*labels, ("le", bound), *self.extra), times_s, counts))
            totals = [total for _, total in values]
            counts = [cumulative[-1] for cumulative, _ in values]
            made.append(SampleSeries(f"{spec.name}_sum", (*labels, *self.extra), times_s, totals))
            made.append(SampleSeries(f"{spec.name}_count", (*labels, *self.extra), times_s, counts))
        family.series += made[-(len(spec.buckets) + 3 if spec.type == "histogram" else 1) :]

    def end_series(self, track: Track) -> None:
        """Nothing of *track* follows."""
        for series in self._made.get(track, ()):
            series.ends = True

    def end_all(self) -> None:
        """Nothing follows."""
        for track in self._made:
            self.end_series(track)

    # -- info: one label set at a time, the one that was seen last

    def _make_info(self, tracks: Sequence[Track], rows: Mapping[Track, Row], before: WindowMaker) -> None:
        holder = next((track for track in tracks if track.present), None)
        told = [(tick, order, track) for track in tracks if track in rows for tick, order in rows[track]]
        told.sort(key=lambda entry: entry[:2])
        by_tick = {tick: track for tick, _, track in told}
        place = self.first
        spans: dict[Track, list[tuple[int, int]]] = {}
        for tick, track in [*by_tick.items(), (self.end, None)]:
            if track is holder:
                continue
            if holder is not None:
                if tick > place:
                    spans.setdefault(holder, []).append((place, tick))
                else:
                    before.end_series(holder)
                holder.present = track is None
            holder, place = track, tick
        for track, parts in spans.items():
            for first, end in parts:
                self._add(track, first, [1] * (end - first))
                self._made[track][-1].ends = end < self.end
