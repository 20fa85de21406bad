"""Starts that wait for their end, bounded."""

from __future__ import annotations


class OpenPairs:
    """The open starts of one rule: key -> the values that the rule keeps until the end."""

    __slots__ = ("_open", "orphans", "replaced", "unmatched_ends")

    OPEN_MAX = 10_000

    def __init__(self) -> None:
        self._open: dict[str, tuple[object, ...]] = {}
        self.replaced = 0
        self.orphans = 0
        self.unmatched_ends = 0

    def __len__(self) -> int:
        return len(self._open)

    def start(self, key: str, kept: tuple[object, ...]) -> None:
        """Open *key*. A start that is open already is replaced; past the bound the oldest start is given up."""
        if self._open.pop(key, None) is not None:
            self.replaced += 1
        elif len(self._open) >= self.OPEN_MAX:
            del self._open[next(iter(self._open))]
            self.orphans += 1
        self._open[key] = kept

    def end(self, key: str) -> tuple[object, ...] | None:
        """Close *key* and give what its start kept; None when no start is open."""
        kept = self._open.pop(key, None)
        if kept is None:
            self.unmatched_ends += 1
        return kept
