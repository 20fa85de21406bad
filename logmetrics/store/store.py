"""The store: all families, and the one moment at which what was counted becomes what is shown."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any

from logmetrics.config.specs import LimitsSpec, MetricSpec
from logmetrics.errors import StateError
from logmetrics.store.family import Family, Site
from logmetrics.store.guard import Guard, ProcessBudget
from logmetrics.store.series import Frozen, Series
from logmetrics.store.state import Batch, StateFile, first_free_key

FamilyView = tuple[MetricSpec, list[tuple[Series, Frozen]]]


class Store:
    """Owned by the engine's thread. Other threads call ``view`` only.

    A commit has two halves: ``collect`` gives what must be made durable, ``publish`` shows it. When it could not be
    made durable the second half is left out: everything stays collected, and scrapes go on to see the last commit.
    """

    def __init__(self, metrics: Mapping[str, MetricSpec], limits: LimitsSpec) -> None:
        self.limits = limits
        self.budget = ProcessBudget(limits.series)
        self.families = {name: Family(spec, Guard(spec, limits, self.budget)) for name, spec in metrics.items()}
        self.sites: list[Site] = []
        # Counts commits. A view with the same generation is the same view.
        self.generation = 0
        self._next_series_key = 1
        # Keeps a commit and the collecting of a view apart, so that a scrape shows one commit and not two halves.
        self._lock = threading.Lock()

    def site(self, metric: str, constants: Mapping[str, str], *, count_only: bool) -> Site:
        """A new site for one update of a rule; *count_only* for a counter that the rule raises by one."""
        family = self.families[metric]
        site = Site(family, dict(constants), _target(family, count_only))
        self.sites.append(site)
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
        ids, changed = state.adopt_families({name: _shape(family.spec) for name, family in families.items()})
        by_id = {}
        for name, family in families.items():
            family.key = ids[name]
            by_id[family.key] = family
        rows = state.rows("series")
        for key, family_key, labels, overflow, saved in rows:
            owner = by_id.get(family_key)
            if owner is None:
                continue  # a metric of the config before this one
            try:
                owner.restore(tuple(json.loads(labels)), key=key, overflow=bool(overflow), saved=saved)
            except (ValueError, TypeError) as error:
                raise StateError(f"{state.path}: series {key} of {owner.spec.name} is damaged: {error}") from error
        self._next_series_key = first_free_key(rows)
        return [f"{name} begins at zero: its type, labels or buckets are not what they were" for name in changed]

    def commit(self, now_s: float, more: Iterable[Family] = ()) -> None:
        """Show everything counted so far, without making it durable."""
        self.collect(now_s, {}, more)
        self.publish(more)

    def collect(self, now_s: float, batch: Batch, more: Iterable[Family] = ()) -> None:
        """Add to *batch* the changed series of all families, those of *more* (self-metrics) too.

        The cost follows what changed since the last commit, not the number of series.
        """
        for site in self.sites:
            if site:
                site.clear()
        rows, gone = batch.setdefault("series", []), batch.setdefault("series_gone", [])
        for family in (*self.families.values(), *more):
            gone += [(key,) for key in family.gone()]
            for series in family.changed(now_s):
                if not series.key:
                    series.key = self._next_series_key
                    self._next_series_key += 1
                series.present()
                rows.append((series.key, family.key, json.dumps(series.labels), series.overflow, series.save()))

    def publish(self, more: Iterable[Family] = ()) -> None:
        """Show what was collected; *more* are families that are shown though nothing of them is kept."""
        with self._lock:
            for family in (*self.families.values(), *more):
                family.committed()
            self.generation += 1

    def publish_only(self, families: Iterable[Family]) -> None:
        """Show *families* as they are now, and of all others still the last commit."""
        with self._lock:
            for family in families:
                family.committed()
            self.generation += 1

    def view(self, more: Iterable[Family] = ()) -> tuple[int, list[FamilyView]]:
        """The last commit: its generation, and each family with its series and their committed values."""
        with self._lock:
            return self.generation, [_committed(family) for family in (*self.families.values(), *more)]


def _shape(spec: MetricSpec) -> str:
    """What must be the same for a value to keep its meaning."""
    return json.dumps([spec.type, spec.labels, spec.buckets])


def _committed(family: Family) -> FamilyView:
    # The engine may add a series at any moment; list() takes them all in one step.
    born = list(family.series.values())
    return family.spec, [(series, series.frozen) for series in born if series.frozen is not None]


def _target(family: Family, count_only: bool) -> Callable[[Any], Any]:
    """From a series to what the hot path calls or changes."""
    kind = family.spec.type
    if kind == "info":
        return lambda series: partial(family.set_latest, series)
    if kind == "counter" and count_only:
        return lambda series: series
    if kind in ("counter", "histogram"):
        return attrgetter("values.append")
    return attrgetter("seen") if kind == "active" else attrgetter("set")
