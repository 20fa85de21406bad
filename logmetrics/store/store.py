"""The store: all families, and the one moment at which what was counted becomes what is shown."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any

from logmetrics.config.specs import LimitsSpec, MetricSpec
from logmetrics.store.family import Family, Site
from logmetrics.store.guard import Guard, ProcessBudget
from logmetrics.store.series import ActiveSeries, Frozen, Series

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
        site = Site(family, dict(constants), _target(family.spec.type, count_only))
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
                if family.spec.type == "active":
                    _freeze_active(family, now_s)
                for series in family.dirty:
                    series.freeze()
                    series.dirty = False
                family.dirty.clear()
            self.generation += 1

    def view(self, more: Iterable[Family] = ()) -> tuple[int, list[FamilyView]]:
        """The last commit: its generation, and each family with its series and their committed values."""
        with self._lock:
            families = [
                (family.spec, [(series, series.frozen) for series in family.series.values()])
                for family in (*self.families.values(), *more)
            ]
            return self.generation, families


def _target(metric_type: str, count_only: bool) -> Callable[[Any], Any]:
    if metric_type == "counter" and count_only:
        return _itself
    if metric_type in ("counter", "histogram"):
        return attrgetter("values.append")
    return attrgetter("seen") if metric_type == "active" else attrgetter("set")


def _itself(series: Any) -> Any:
    return series


def _freeze_active(family: Family, now_s: float) -> None:
    """Keys expire with time alone, so these are looked at in every commit."""
    for series in family.series.values():
        assert isinstance(series, ActiveSeries)
        series.expire(now_s)
        series.freeze()
