"""The heaviest of a stream of keys, in fixed memory: Space-Saving.

Source: A. Metwally, D. Agrawal, A. El Abbadi, "Efficient computation of frequent and top-k elements in data streams",
ICDT 2005. Each tracked key has a count that is never too low and an error by which it may be too high, so that
``count - error`` is certain. Any key with more than 1/size of all counts is tracked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Key = tuple[tuple[int, str], ...]
# slot, key, count, error, serial: what state.db keeps of a tracked key.
Row = tuple[int, Key, int, int, int]


@dataclass(slots=True)
class Tracked:
    """One key. ``serial`` orders the keys of one count by their last change; ``slot`` is its place in state.db."""

    slot: int
    key: Key
    count: int
    error: int
    serial: int

    @property
    def certain(self) -> int:
        """So often the key came at the least."""
        return self.count - self.error


class HeavyKeys:
    """Space-Saving over at most ``size`` keys. Every step is O(1), but ``halve``."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._tracked: dict[Key, Tracked] = {}
        # Keys by their count, those of one count in the order of their last change.
        self._levels: dict[int, OrderedDict[Key, None]] = {}
        # No key has a count below this.
        self._least = 0
        self._serial = 0
        # Slots that were used and are not; beyond the tracked keys and these, none was ever used.
        self._free: list[int] = []
        # Slots whose rows in state.db are out of date.
        self._changed: dict[int, Tracked | None] = {}

    def __len__(self) -> int:
        return len(self._tracked)

    def __iter__(self) -> Iterator[Tracked]:
        """All tracked keys, the heaviest first."""
        return iter(sorted(self._tracked.values(), key=lambda tracked: (-tracked.certain, tracked.serial)))

    def add(self, key: Key) -> Tracked:
        """Count *key* once; what is known of it now."""
        tracked = self._tracked.get(key)
        if tracked is not None:
            self._unplace(tracked)
        elif len(self._tracked) < self.size:
            slot = self._free.pop() if self._free else len(self._tracked)
            tracked = self._tracked[key] = Tracked(slot, key, 0, 0, 0)
            self._least = 1
        else:
            tracked = self._replace_least(key)
        tracked.count += 1
        self._serial = tracked.serial = self._serial + 1
        self._place(tracked)
        self._changed[tracked.slot] = tracked
        return tracked

    def _replace_least(self, key: Key) -> Tracked:
        tracked = self._tracked.pop(next(iter(self._levels[self._least])))
        self._unplace(tracked)
        self._tracked[key] = tracked
        tracked.key = key
        tracked.error = tracked.count
        return tracked

    def _unplace(self, tracked: Tracked) -> None:
        """Take *tracked* from its level. It is about to come back one level higher."""
        level = self._levels[tracked.count]
        del level[tracked.key]
        if not level:
            del self._levels[tracked.count]
            if tracked.count == self._least:
                self._least += 1

    def _place(self, tracked: Tracked) -> None:
        level = self._levels.get(tracked.count)
        if level is None:
            level = self._levels[tracked.count] = OrderedDict()
        level[tracked.key] = None

    def remove(self, key: Key) -> None:
        """Track *key* no longer."""
        tracked = self._tracked.pop(key)
        self._unplace(tracked)
        self._least = min(self._levels, default=0)
        self._free.append(tracked.slot)
        self._changed[tracked.slot] = None

    def halve(self) -> None:
        """Make the past count half; what comes to nothing is dropped."""
        before = sorted(self._tracked.values(), key=lambda tracked: tracked.serial)
        self._levels.clear()
        for tracked in before:
            tracked.count, tracked.error = tracked.count // 2, (tracked.error + 1) // 2
            if tracked.certain > 0:
                self._place(tracked)
                self._changed[tracked.slot] = tracked
            else:
                del self._tracked[tracked.key]
                self._free.append(tracked.slot)
                self._changed[tracked.slot] = None
        self._least = min(self._levels, default=0)

    # -- state.db

    def changes(self) -> tuple[list[Row], list[int]]:
        """The rows that the next commit must write, and the slots whose rows it must remove."""
        rows = [(slot, t.key, t.count, t.error, t.serial) for slot, t in self._changed.items() if t is not None]
        return rows, [slot for slot, tracked in self._changed.items() if tracked is None]

    def committed(self) -> None:
        """What ``changes`` gave is durable."""
        self._changed.clear()

    def restore(self, rows: Iterable[Row]) -> None:
        """Take over the rows of an earlier run. Raises ValueError when they make no sense."""
        for slot, key, count, error, serial in sorted(rows, key=lambda row: row[4]):
            if slot not in range(self.size) or not 0 <= error < count or key in self._tracked:
                raise ValueError(f"tracked key {key!r} is damaged")
            tracked = self._tracked[key] = Tracked(slot, key, count, error, serial)
            self._place(tracked)
            self._serial = serial
        used = {tracked.slot for tracked in self._tracked.values()}
        self._free = [slot for slot in range(max(used, default=-1)) if slot not in used]
        self._least = min(self._levels, default=0)
