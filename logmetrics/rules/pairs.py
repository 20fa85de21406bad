"""Starts that wait for their end, bounded."""

from __future__ import annotations


class OpenPairs:
    """The open starts of one rule: key -> the values that the rule keeps until the end."""

    __slots__ = ("_open", "broken")

    OPEN_MAX = 10_000

    def __init__(self) -> None:
        self._open: dict[str, tuple[object, ...]] = {}
        # Starts and ends that found no partner, by reason.
        self.broken = {"replaced": 0, "given_up": 0, "end_without_start": 0}

    def __len__(self) -> int:
        return len(self._open)

    def start(self, key: str, kept: tuple[object, ...]) -> None:
        """Open *key*. A start that is open already is replaced; past the bound the oldest start is given up."""
        if self._open.pop(key, None) is not None:
            self.broken["replaced"] += 1
        elif len(self._open) >= self.OPEN_MAX:
            del self._open[next(iter(self._open))]
            self.broken["given_up"] += 1
        self._open[key] = kept

    def end(self, key: str) -> tuple[object, ...] | None:
        """Close *key* and give what its start kept; None when no start is open."""
        kept = self._open.pop(key, None)
        if kept is None:
            self.broken["end_without_start"] += 1
        return kept
