"""The store: all families, and the one moment at which what was counted becomes what is shown."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any, NamedTuple

from logmetrics.config.specs import LimitsSpec, MetricSpec
from logmetrics.errors import StateError
from logmetrics.store.family import Family, SeriesRow
from logmetrics.store.guard import ProcessBudget
from logmetrics.store.newcomers import Summary
from logmetrics.store.parking import Parked
from logmetrics.store.series import Labels, Series
from logmetrics.store.shown import Rows
from logmetrics.store.site import Site
from logmetrics.store.state import Batch, CommitError, StateFile, StateReader, first_free_key

FamilyView = tuple[MetricSpec, Rows]


class View(NamedTuple):
    """A commit as a scrape sees it: its number, its values, and the number of the last one that showed a new series."""

    generation: int
    families: list[FamilyView]
    newest: int


class Store:
    """Owned by the engine's thread. Other threads call ``view`` only.

    A commit has two halves: ``collect`` gives what must be made durable, ``publish`` shows it. When it could not be
    made durable the second half is left out: everything stays collected, and scrapes go on to see the last commit.
    """

    def __init__(self, metrics: Mapping[str, MetricSpec], limits: LimitsSpec) -> None:
        self.limits = limits
        self.budget = ProcessBudget(limits)
        self.families = {name: Family(spec, limits, self.budget) for name, spec in metrics.items()}
        # Packs of which nothing was counted so far, and their families. Nobody wants to see these.
        self._unused: dict[str, list[Family]] = {}
        for family in self.families.values():
            if family.spec.pack:
                self._unused.setdefault(family.spec.pack, []).append(family)
        # Those of the packs of which something was counted, and all of the user's own.
        self.families_in_use = self._in_use()
        # Counts commits. A view with the same generation is the same view.
        self.generation = 0
        self._newest = 0
        self._next_series_key = 1
        # Unix time of the commit that is being made or was made last, and of the one before; None before the first.
        self._collected_s: float | None = None
        self._committed_s: float | None = None
        # True while logs are read that were there before anybody could ask: what is born of them is no news.
        self.takes_in = False
        # Keeps a commit and the collecting of a view apart, so that a scrape shows one commit and not two halves.
        self._lock = threading.Lock()

    def site(self, metric: str, constants: Mapping[str, str], *, count_only: bool) -> Site:
        """A new site for one update of a rule; *count_only* for a counter that the rule raises by one."""
        family = self.families[metric]
        site = Site(family, dict(constants), target_of(family.spec, count_only=count_only))
        family.sites.append(site)
        return site

    @property
    def size(self) -> int:
        """How many series there are."""
        return sum(len(family.series) for family in self.families.values())

    def fold(self) -> None:
        """Bound the memory of collected values; cheap, and safe between any two blocks."""
        for family in self.families.values():
            for series in family.dirty:
                series.fold()

    def restore(self, state: StateFile, more: Iterable[Family] = ()) -> list[str]:
        """Take over the values of an earlier run, those of the families *more* too; returns messages.

        A family whose type, labels or buckets changed begins at zero. Raises StateError.
        """
        families = {family.spec.name: family for family in (*self.families.values(), *more)}
        ids, changed = state.adopt_families(self._wanted(families))
        for name, family in families.items():
            family.key = ids[name]
        self.load(state, families.values())
        self.begin_packs()
        return [f"{name} begins at zero: its type, labels or buckets are not what they were" for name in changed]

    def _wanted(self, families: Mapping[str, Family]) -> dict[str, tuple[str, str]]:
        return {name: (_shape(family.spec), _limits(family, self.limits)) for name, family in families.items()}

    def load(self, state: StateReader, families: Iterable[Family]) -> None:
        """Take over the values of *families*, whose keys are known. Raises StateError."""
        by_id = {family.key: family for family in families}
        try:
            rows = state.rows("series")
            self._next_series_key = first_free_key(rows)
            for key, family_key, labels, *numbers in rows:
                if family_key in by_id:  # not of a metric of the config before this one
                    by_id[family_key].restore(SeriesRow(key, family_key, _labels(labels), *numbers))
            for family in by_id.values():
                _restore_guard(family, state)
        except (ValueError, TypeError, sqlite3.Error, CommitError) as error:
            raise StateError(f"{state.path} is damaged: {error}; --reset-state starts from zero") from error

    def successor(self, metrics: Mapping[str, MetricSpec], limits: LimitsSpec) -> Store:
        """A store for another config, which goes on where this one is once it has taken over."""
        made = Store(metrics, limits)
        made._lock = self._lock  # whoever takes a view of the one does not see the other half made
        return made

    def take_over(self, before: Store, state: StateFile | None) -> list[str]:
        """Go on from the last commit of *before*, which is of no use afterwards.

        Series of metrics that mean what they meant stay as they are; those that a config before knew, and *state* still
        does, come back: their names are returned. Raises StateError, and then nothing was changed.
        """
        back: list[str] = []
        same = [name for name, family in self.families.items() if _is_same(family, before.families.get(name))]
        if state is not None:
            wanted = {
                name: (_shape(family.spec), _limits(family, self.limits)) for name, family in self.families.items()
            }
            known = state.known_families(wanted)
            others = [family for name, family in self.families.items() if name not in same and name in known]
            for family in others:
                family.key = known[family.spec.name]
            self.load(state, others)
            back = [family.spec.name for family in others if any(series.key for series in family.series.values())]
            ids, _ = state.adopt_families(wanted)
            for name, family in self.families.items():
                family.key = ids[name]
        with self._lock:
            self.generation, self._newest = before.generation, before._newest
            for name in same:
                self.families[name].take_over(before.families[name])
        self._next_series_key = max(before._next_series_key, self._next_series_key)
        self._collected_s, self._committed_s = before._collected_s, before._committed_s
        self.begin_packs()
        return back

    def commit(self, now_s: float, more: Iterable[Family] = ()) -> None:
        """Show everything counted so far, without making it durable."""
        self.collect(now_s, {}, more)
        self.publish(more)

    def collect(self, now_s: float, batch: Batch, more: Iterable[Family] = ()) -> None:
        """Add to *batch* what changed in all families, those of *more* (self-metrics) too. Raises CommitError.

        The cost follows what changed since the last commit, not the number of series.
        """
        self._collected_s = now_s
        self.begin_packs()
        created_s = now_s if self._committed_s is None else self._committed_s
        for family in (*self.families_in_use, *more):
            family.pass_time(now_s)
            if not family.has_news:
                continue
            for site in family.sites:
                site.clear()
            changed = family.changed()
            family.settle(created_s)
            self._collect_series(family, changed, batch)
            _collect_guard(family, batch)

    def begin_packs(self) -> None:
        """Packs of which something was counted are in use from now on."""
        used = [pack for pack, families in self._unused.items() if any(family.series for family in families)]
        for pack in used:
            for family in self._unused.pop(pack):
                family.begin()
        if used:
            self.families_in_use = self._in_use()

    def _in_use(self) -> list[Family]:
        return [family for family in self.families.values() if family.spec.pack not in self._unused]

    def _collect_series(self, family: Family, changed: Iterable[Series], batch: Batch) -> None:
        _rows(batch, "series_gone").extend((key,) for key in family.gone())
        rows = _rows(batch, "series")
        now_s = self._collected_s
        for series in changed:
            if not series.key:
                series.key = self._next_series_key
                self._next_series_key += 1
            series.present()
            touched_s = now_s if series.dirty else series.touched_s
            labels = json.dumps(series.labels)
            numbers = (series.overflow, series.save(), series.created_s, touched_s, series.past, series.mark)
            rows.append((series.key, family.key, labels, *numbers))

    def publish(self, more: Iterable[Family] = ()) -> None:
        """Show what was collected; *more* are families that are shown though nothing of them is kept."""
        self._committed_s = self._collected_s
        self.publish_only((*self.families_in_use, *more))

    def publish_only(self, families: Iterable[Family]) -> None:
        """Show *families* as they are now, and of all others still the last commit."""
        with self._lock:
            self.generation += 1
            born = 0 if self.takes_in else self.generation
            for family in families:
                if family.has_news and family.committed(self._collected_s or 0.0, born):
                    self._newest = self.generation

    def view(self, more: Iterable[Family] = ()) -> View:
        """The last commit: each family with its series and their committed values."""
        with self._lock:
            families = [(family.spec, family.shown.rows) for family in (*self.families_in_use, *more)]
            return View(self.generation, families, self._newest)


def _shape(spec: MetricSpec) -> str:
    """What must be the same for a value to keep its meaning."""
    return json.dumps([spec.type, spec.labels, spec.buckets])


def _is_same(family: Family, before: Family | None) -> bool:
    return before is not None and _shape(family.spec) == _shape(before.spec)


def _limits(family: Family, limits: LimitsSpec) -> str:
    """What `logmetrics cardinality` needs to know of a state whose config it does not see."""
    spec = family.spec
    return json.dumps(
        {
            "series": limits.series,
            "series_max": family.guard.series_max,
            "values_max": {budget.name: budget.values_max for budget in family.guard.values},
            "bytes_max": {budget.name: budget.bytes_max for budget in family.guard.values},
            "init": spec.init,
            "pack": spec.pack,
        }
    )


def store_of(state: StateReader) -> Store:
    """What is kept in *state*, as it was with the config of the last start; for a look at it. Raises StateError."""
    metrics, keys, most = {}, {}, LimitsSpec()
    for key, name, shape, noted, unused_starts in state.rows("families"):
        if unused_starts:
            continue
        kind, labels, buckets = json.loads(shape)
        limits = json.loads(noted)
        most = replace(most, series=limits.pop("series"))
        init = tuple(map(tuple, limits.pop("init")))
        metrics[name] = MetricSpec(name, kind, "", tuple(labels), tuple(buckets), init=init, **limits)
        keys[name] = key
    store = Store(metrics, most)
    for name, family in store.families.items():
        family.key = keys[name]
    store.load(state, store.families.values())
    return store


def _rows(batch: Batch, name: str) -> list[tuple[Any, ...]]:
    return batch.setdefault(name, [])


def _labels(text: str) -> Labels:
    return tuple(json.loads(text))


def _collect_guard(family: Family, batch: Batch) -> None:
    """Add what the guard of *family* must remember: parked series, and who knocks at the door."""
    parked, back = family.parking.changes()
    _rows(batch, "parked_gone").extend((family.key, json.dumps(labels)) for labels in back)
    _rows(batch, "parked").extend((family.key, json.dumps(labels), *value) for labels, value in parked)
    tracked, gone, summary = family.newcomers.changes()
    _rows(batch, "newcomers_gone").extend((family.key, slot) for slot in gone)
    _rows(batch, "newcomers").extend((family.key, slot, json.dumps(key), *counts) for slot, key, *counts in tracked)
    if summary is not None:
        _rows(batch, "refusals").append((family.key, *summary))


def _restore_guard(family: Family, state: StateReader) -> None:
    def find(labels: Labels) -> Parked | None:
        row = state.parked(family.key, json.dumps(labels)) if isinstance(state, StateFile) else None
        return None if row is None else Parked(*row)

    family.parking.restore((_labels(labels) for labels in state.parked_labels(family.key)), find)
    family.resume_pinned()
    summary = state.rows_of("refusals", family.key)
    if summary:
        tracked = []
        for _, slot, key, *counts in state.rows_of("newcomers", family.key):
            tracked.append((slot, tuple((index, value) for index, value in json.loads(key)), *counts))
        family.newcomers.restore(tracked, Summary(*summary[0][1:]))


def target_of(spec: MetricSpec, *, count_only: bool) -> Callable[[Any], Any]:
    """From a series to what the hot path calls or changes."""
    kind = spec.type
    if kind == "counter" and count_only:
        return lambda series: series
    if kind in ("counter", "histogram"):
        return attrgetter("values.append")
    return attrgetter("seen") if kind == "active" else attrgetter("set")
