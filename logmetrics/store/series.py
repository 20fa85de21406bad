"""Series: one label set of one family, with the numbers behind it.

Each kind can ``save`` its numbers as text for state.db and ``resume`` from it, without losing a digit.

The hot path touches a series in one of three ways only: ``series.count += 1``, a call of ``series.values.append``, or
``series.seen[key] = now_s``. Everything dearer (sums, buckets, expiry) waits for ``fold`` and ``present``.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from math import fsum

# Not orjson: whole numbers beyond 64 bits must come back as they were.
_encode = json.JSONEncoder(separators=(",", ":")).encode

Labels = tuple[str, ...]
Frozen = int | float | tuple[tuple[int, ...], float, int]
UNBORN = -1


class ExactSum:
    """A sum of floats without any error, so that neither order nor batches nor the Python version can change a digit.

    The true sum is that of ``parts``: the double nearest to it, then the double nearest to what is left, and so on
    until nothing is. Log values need one to three parts; 40 hold any. (``sum`` alone would not do: it is compensated
    from 3.12 on, and depends on the order everywhere.)
    """

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[float] = []

    @property
    def total(self) -> float:
        """The double nearest to the true sum."""
        return self.parts[0] if self.parts else 0.0

    def add(self, values: list[int | float]) -> None:
        terms = [*values, *self.parts]
        self.parts = []
        while part := fsum(terms):
            self.parts.append(part)
            terms.append(-part)


class Series:
    """What all kinds share. ``dirty`` is true from the first touch after a commit until the next commit."""

    __slots__ = (
        "born",
        "created_s",
        "dirty",
        "frozen",
        "key",
        "labels",
        "mark",
        "overflow",
        "past",
        "settled",
        "text",
        "text_of",
        "touched_s",
    )

    def __init__(self, labels: Labels, *, overflow: bool = False) -> None:
        self.labels = labels
        self.overflow = overflow
        # Its id in state.db; 0 until it is first saved.
        self.key = 0
        # Whether its value as it was parked, if it was, is in it.
        self.settled = False
        self.dirty = False
        # The value of the last commit: the only number that a scrape may see. None before the first.
        self.frozen: Frozen | None = None
        # Its lines in the exposition, and the value that they show; of the one who renders.
        self.text = ""
        self.text_of: Frozen | None = None
        # The commit that showed it first; 0 when an earlier run did, UNBORN before any.
        self.born = UNBORN
        # Unix times: when it was not there yet, and when it was last measured.
        self.created_s = self.touched_s = 0.0
        # Its weight is `past` and what came since it had `mark` measurements; see Family.weight.
        self.past = 0.0
        self.mark = 0

    @property
    def measurements(self) -> int:
        """How many measurements are in its value."""
        return 0

    def fold(self) -> None:
        """Take the collected values into the sums, so that memory stays bounded between commits."""

    def present(self) -> Frozen:
        """The value that a commit makes the committed one."""
        raise NotImplementedError

    def save(self) -> str:
        """The numbers behind ``present``, which must have been called."""
        raise NotImplementedError

    def resume(self, saved: str) -> None:
        """Go on from what ``save`` gave; what was measured since is added. Raises ValueError or TypeError."""
        raise NotImplementedError


class CounterSeries(Series):
    """A value that only grows: ``count`` is raised by one in place, ``whole`` and ``exact`` sum what else was added."""

    __slots__ = ("count", "exact", "folded", "values", "whole")

    def __init__(self, labels: Labels, *, overflow: bool = False) -> None:
        super().__init__(labels, overflow=overflow)
        self.count = 0
        self.whole = 0
        self.exact = ExactSum()
        # How many values are in `whole` and `exact`.
        self.folded = 0
        self.values: list[int | float] = []

    @property
    def measurements(self) -> int:
        return self.count + self.folded + len(self.values)

    def fold(self) -> None:
        if not self.values:
            return
        self.folded += len(self.values)
        total = sum(self.values)
        if total.__class__ is int:
            self.whole += int(total)
        else:
            self.exact.add(self.values)
        self.values.clear()

    def present(self) -> Frozen:
        self.fold()
        whole = self.count + self.whole
        return fsum([whole, *self.exact.parts]) if self.exact.parts else whole

    def save(self) -> str:
        return str([self.count, self.whole, self.folded, *self.exact.parts])  # finite numbers: this is JSON

    def resume(self, saved: str) -> None:
        count, whole, folded, *parts = json.loads(saved)
        self.count += count
        self.whole += whole
        self.folded += folded
        self.exact.add(parts)


class HistogramSeries(Series):
    """Classic histogram: ``counts[i]`` is the number of values in bucket i alone, the last one being +Inf."""

    __slots__ = ("bounds", "counts", "exact", "values")

    def __init__(self, labels: Labels, bounds: tuple[float, ...], *, overflow: bool = False) -> None:
        super().__init__(labels, overflow=overflow)
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.exact = ExactSum()
        self.values: list[int | float] = []

    @property
    def measurements(self) -> int:
        return sum(self.counts) + len(self.values)

    def fold(self) -> None:
        values = self.values
        if not values:
            return
        self.exact.add(values)
        values.sort()
        below = 0
        for index, bound in enumerate(self.bounds):
            upto = bisect_right(values, bound, below)
            self.counts[index] += upto - below
            below = upto
        self.counts[-1] += len(values) - below
        values.clear()

    def present(self) -> Frozen:
        self.fold()
        running, cumulative = 0, []
        for count in self.counts:
            running += count
            cumulative.append(running)
        return tuple(cumulative), self.exact.total, running

    def save(self) -> str:
        return str([self.counts, self.exact.parts])  # finite numbers: this is JSON

    def resume(self, saved: str) -> None:
        counts, parts = json.loads(saved)
        self.counts = [mine + before for mine, before in zip(self.counts, counts, strict=True)]
        self.exact.add(parts)


class GaugeSeries(Series):
    """The last value that a rule gave."""

    __slots__ = ("sets", "value")

    def __init__(self, labels: Labels, *, overflow: bool = False) -> None:
        super().__init__(labels, overflow=overflow)
        self.value: int | float = 0
        self.sets = 0

    @property
    def measurements(self) -> int:
        return self.sets

    def set(self, value: int | float) -> None:
        self.value = value
        self.sets += 1

    def present(self) -> Frozen:
        return self.value

    def save(self) -> str:
        return _encode([self.value, self.sets])

    def resume(self, saved: str) -> None:
        self.value, self.sets = json.loads(saved)


class ActiveSeries(Series):
    """How many different keys were seen within the window. ``seen`` maps a key to the time it was last seen."""

    __slots__ = ("seen", "window_s")

    # A bound on memory, not a limit that a user meets: agents come in tens or hundreds.
    KEYS_MAX = 10_000

    def __init__(self, labels: Labels, window_s: float, *, overflow: bool = False) -> None:
        super().__init__(labels, overflow=overflow)
        self.window_s = window_s
        self.seen: dict[str, float] = {}

    def fold(self) -> None:
        surplus = len(self.seen) - self.KEYS_MAX
        if surplus > 0:
            for key in sorted(self.seen, key=self.seen.__getitem__)[:surplus]:
                del self.seen[key]

    def expire(self, now_s: float) -> bool:
        """Forget the keys that were not seen within the window before *now_s*; True when there were any."""
        horizon_s = now_s - self.window_s
        expired = [key for key, seen_s in self.seen.items() if seen_s < horizon_s]
        for key in expired:
            del self.seen[key]
        return bool(expired)

    def present(self) -> Frozen:
        self.fold()
        return len(self.seen)

    def save(self) -> str:
        return _encode(self.seen)

    def resume(self, saved: str) -> None:
        self.seen.update(json.loads(saved))
