"""Starts that wait for their end, bounded."""

from __future__ import annotations

from logmetrics.rules.keyed import KeyedState


class OpenPairs(KeyedState):
    """The open starts of one rule: key -> the values that the rule keeps until the end."""

    __slots__ = ("broken",)

    OPEN_MAX = 10_000

    def __init__(self) -> None:
        super().__init__()
        # Starts and ends that found no partner, by reason.
        self.broken = {"replaced": 0, "given_up": 0, "end_without_start": 0, "no_key": 0}

    @property
    def was_used(self) -> bool:
        """Whether any start or end came so far."""
        return bool(self._entries) or any(self.broken.values())

    def start(self, key: str | None, kept: tuple[object, ...]) -> None:
        """Open *key*. A start that is open already is replaced; past the bound the oldest start is given up."""
        if key is None:
            self.broken["no_key"] += 1
            return
        if key in self._entries:
            self.broken["replaced"] += 1
        elif len(self._entries) >= self.OPEN_MAX:
            self._drop(next(iter(self._entries)))
            self.broken["given_up"] += 1
        self._put(key, kept)

    def end(self, key: str | None) -> tuple[object, ...] | None:
        """Close *key* and give what its start kept; None when no start is open."""
        if key is None:
            self.broken["no_key"] += 1
            return None
        found = self._entries.get(key)
        if found is None:
            self.broken["end_without_start"] += 1
            return None
        self._drop(key)
        return tuple(found[1])
