"""The store: all families, and the one moment at which what was counted becomes what is shown."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any

from logmetrics.config.specs import LimitsSpec, MetricSpec
from logmetrics.store.family import Family, Site
from logmetrics.store.guard import Guard, ProcessBudget
from logmetrics.store.series import Frozen, Series

FamilyView = tuple[MetricSpec, list[tuple[Series, Frozen]]]


class Store:
    """Owned by the engine's thread. Other threads call ``view`` only."""

    def __init__(self, metrics: Mapping[str, MetricSpec], limits: LimitsSpec) -> None:
        self.limits = limits
        self.budget = ProcessBudget(limits.series)
        self.families = {name: Family(spec, Guard(spec, limits, self.budget)) for name, spec in metrics.items()}
        self.sites: list[Site] = []
        # Counts commits. A view with the same generation is the same view.
        self.generation = 0
        # Keeps a commit and the collecting of a view apart, so that a scrape shows one commit and not two halves.
        self._lock = threading.Lock()

    def site(self, metric: str, constants: Mapping[str, str], *, count_only: bool) -> Site:
        """A new site for one update of a rule; *count_only* for a counter that the rule raises by one."""
        family = self.families[metric]
        site = Site(family, dict(constants), _target(family, count_only))
        self.sites.append(site)
        return site

    def fold(self) -> None:
        """Bound the memory of collected values; cheap, and safe between any two blocks."""
        for family in self.families.values():
            for series in family.dirty:
                series.fold()

    def commit(self, now_s: float, more: Iterable[Family] = ()) -> None:
        """Publish everything counted so far, and the families *more* (self-metrics) with it.

        The cost follows what changed since the last commit, not the number of series.
        """
        for site in self.sites:
            if site:
                site.clear()
        with self._lock:
            for family in (*self.families.values(), *more):
                family.freeze(now_s)
            self.generation += 1

    def view(self, more: Iterable[Family] = ()) -> tuple[int, list[FamilyView]]:
        """The last commit: its generation, and each family with its series and their committed values."""
        with self._lock:
            return self.generation, [_committed(family) for family in (*self.families.values(), *more)]


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
