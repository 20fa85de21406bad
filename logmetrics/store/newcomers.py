"""Refused label sets: which of them are heavy, and how many different values there were."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from logmetrics.store.distinct import DistinctCount
from logmetrics.store.guard import ALL, Labels, Refusal
from logmetrics.store.heavy import HeavyKeys, Key, Tracked
from logmetrics.store.heavy import Row as TrackedRow

# One in four thousand measurements is enough to be noticed among nothing but junk. About 2 MB when it is full.
TRACKED_MAX = 4_096
# A newcomer must have come so often, and so many times as often as the one whose place it takes: no luck, no flapping.
EVIDENCE_MIN = 8
MARGIN = 2
# To look for the coldest costs a look at each series; it is done so seldom that each refusal pays for so many looks.
LOOKS_PER_REFUSAL = 8


# In this time what was counted loses half of its weight, so that what was heavy long ago gives way.
HALF_LIFE_S = 6 * 3600.0


class Summary(NamedTuple):
    """What state.db keeps beside the tracked keys."""

    refused: int
    look_at: int
    halved_s: float
    registers: bytes
    longest: str


class Newcomers:
    """What a family has refused. A key is the refused part of a label set: the labels that broke budgets."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.heavy = HeavyKeys(TRACKED_MAX)
        self.distinct = tuple(DistinctCount() for _ in labels)
        # For each label the longest value that was refused for its length.
        self.longest_bytes = [0] * len(labels)
        self.refused = 0
        # The coldest is looked for again when so many were refused.
        self._look_at = 0
        # Unix time; 0 before the first commit.
        self._halved_s = 0.0
        self._changed = False

    def refuse(self, kept: Labels, refusal: Refusal) -> Tracked | None:
        """Count a refused measurement; None when it can never be admitted, because a value is too long."""
        self.refused += 1
        self._changed = True
        if refusal[0][0] == ALL:
            key: Key = tuple(enumerate(kept))
        else:
            parts = []
            for index, level, value in refusal:
                if level == "bytes":
                    size = len(value.encode("utf-8", "replace"))
                    self.longest_bytes[index] = max(self.longest_bytes[index], size)
                else:
                    parts.append((index, value))
            if len(parts) < len(refusal):
                return None
            key = tuple(parts)
        tracked = self.heavy.add(key)
        if tracked.count - tracked.error == 1:  # a key that is tracked already is no new value
            for index, value in key:
                self.distinct[index].add(value)
        return tracked

    def may_look(self) -> bool:
        """Whether enough was refused since the last look at those who have a place."""
        return self.refused >= self._look_at

    def looked(self, series: int) -> None:
        """So many series were looked at."""
        self._look_at = self.refused + series // LOOKS_PER_REFUSAL

    def admit(self, tracked: Tracked) -> None:
        """*tracked* has a place now."""
        self.heavy.remove(tracked.key)

    def halve_due(self, now_s: float) -> bool:
        """Once in each half-life: halve what was counted, and say so."""
        if 0 <= now_s - self._halved_s < HALF_LIFE_S:
            return False
        first, self._halved_s, self._changed = not self._halved_s, now_s, True
        self.heavy.halve()
        return not first

    # -- state.db

    @property
    def has_news(self) -> bool:
        return self._changed

    def changes(self) -> tuple[list[TrackedRow], list[int], Summary | None]:
        """Tracked keys to write, slots to remove, and the summary if anything changed since the last commit."""
        rows, gone = self.heavy.changes()
        if not self._changed:
            return rows, gone, None
        registers = b"".join(count.registers for count in self.distinct)
        longest = json.dumps(self.longest_bytes)
        return rows, gone, Summary(self.refused, self._look_at, self._halved_s, registers, longest)

    def committed(self) -> None:
        self.heavy.committed()
        self._changed = False

    def restore(self, rows: Iterable[TrackedRow], summary: Summary) -> None:
        """Take over what an earlier run had. Raises ValueError when it makes no sense."""
        self.heavy.restore(rows)
        self.refused, self._look_at, self._halved_s, registers, longest = summary
        self.longest_bytes = json.loads(longest)
        size = len(registers) // max(len(self.distinct), 1)
        for index, count in enumerate(self.distinct):
            count.restore(registers[index * size : (index + 1) * size])
