"""Parked series: gone from memory and exposition, their values kept, so that one that returns goes on from there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from logmetrics.store.guard import Labels, ProcessBudget
from logmetrics.store.series import Series
from logmetrics.store.state import CommitError


class Parked(NamedTuple):
    """What is kept of a parked series: what ``Series.save`` gave, and when it was not there yet."""

    saved: str
    created_s: float


class Parking:
    """The parked series of one family.

    A value is looked up when a commit comes, never before: no I/O is in the way of a line, and a look-up that fails is
    a commit that fails. ``find`` looks into state.db; without one everything stays in memory.
    """

    def __init__(self, budget: ProcessBudget) -> None:
        self.budget = budget
        # Parked since the last commit.
        self.leaving: dict[Labels, Series] = {}
        self.find: Callable[[Labels], Parked | None] | None = None
        self._memory: dict[Labels, Parked] = {}
        # Hashes, a few bytes each: of all parked label sets, and of those that have a row as far as is known.
        self._parked: set[int] = set()
        self._rows: set[int] = set()
        # Label sets whose rows the next commit must remove.
        self._back: dict[Labels, None] = {}

    def __len__(self) -> int:
        return len(self._parked)

    def __contains__(self, labels: Labels) -> bool:
        return hash(labels) in self._parked

    def park(self, series: Series) -> None:
        """Keep the value of *series*, which has left its family."""
        self.leaving[series.labels] = series
        self._back.pop(series.labels, None)
        self._parked.add(hash(series.labels))
        self.budget.parked += 1

    def take(self, labels: Labels) -> Series | None:
        """*labels* are parked no longer: their series, if it was parked since the last commit."""
        self._parked.discard(hash(labels))
        self.budget.parked -= 1
        series = self.leaving.pop(labels, None)
        if series is not None and series.settled:  # a commit that failed may have made a row of it all the same
            self._back[labels] = None
        return series

    def resume(self, series: Series) -> bool:
        """Let *series*, which was never saved, go on from its parked value, if there is one. Raises CommitError."""
        if hash(series.labels) not in self._rows:
            return False
        parked = self._memory.get(series.labels) if self.find is None else self.find(series.labels)
        if series.labels not in self.leaving:
            self._back[series.labels] = None
        if parked is None:
            return False
        before = series.measurements
        try:
            series.resume(parked.saved)
        except (ValueError, TypeError) as error:
            raise CommitError(f"the parked value of {series.labels} is damaged: {error}") from error
        series.mark += series.measurements - before
        series.created_s = parked.created_s
        series.born = 0
        return True

    @property
    def has_news(self) -> bool:
        return bool(self.leaving or self._back)

    def changes(self) -> tuple[list[tuple[Labels, Parked]], list[Labels]]:
        """What the next commit must park, and the label sets whose rows it must remove."""
        rows = []
        for series in self.leaving.values():
            series.present()
            rows.append((series.labels, Parked(series.save(), series.created_s)))
        return rows, list(self._back)

    def committed(self) -> None:
        """What ``changes`` gave is durable."""
        if self.find is None:
            for labels in self._back:
                self._memory.pop(labels, None)
            self._memory.update(self.changes()[0])
        self._rows.difference_update(map(hash, self._back))
        self._rows.update(map(hash, self.leaving))
        self.leaving.clear()
        self._back.clear()

    def take_over(self, before: Parking) -> None:
        """Be what *before* was as of a commit, on another budget."""
        self.find, self._memory, self._parked, self._rows = before.find, before._memory, before._parked, before._rows
        self.budget.parked += len(self._parked)

    def restore(self, parked: Iterable[Labels], find: Callable[[Labels], Parked | None]) -> None:
        """The label sets that an earlier run parked, and how to get at their values."""
        self.find = find
        self._rows.update(map(hash, parked))
        self._parked |= self._rows
        self.budget.parked += len(self._rows)
