"""Starts that wait for their end, bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from logmetrics.rules.functions import is_number
from logmetrics.rules.keyed import KeyedState, KeyRow

Kept = tuple[object, ...]


class OpenPairs(KeyedState):
    """The open starts of one rule: key -> the *kept* values that the rule keeps until the end.

    With *timeout_s* the last of these is the time of the start, in seconds since 1970.
    """

    __slots__ = ("broken", "kept", "on_timeout", "timeout_s")

    OPEN_MAX = 10_000

    def __init__(self, kept: int = 0, timeout_s: float | None = None) -> None:
        super().__init__()
        self.kept = kept
        self.timeout_s = timeout_s
        # Told of each start that is given up because its time is over.
        self.on_timeout: Callable[[Kept], None] = lambda _: None
        # Starts and ends that found no partner, by reason.
        self.broken = {"replaced": 0, "given_up": 0, "end_without_start": 0, "no_key": 0, "timeout": 0}

    @property
    def was_used(self) -> bool:
        """Whether any start or end came so far."""
        return bool(self._entries) or any(self.broken.values())

    def start(self, key: str | None, kept: Kept) -> None:
        """Open *key*. A start that is open already is replaced; past the bound the oldest start is given up."""
        if self.timeout_s is not None:
            self.expire(kept[-1])
        if key is None:
            self.broken["no_key"] += 1
            return
        if key in self._entries:
            self.broken["replaced"] += 1
        elif len(self._entries) >= self.OPEN_MAX:
            self._drop(next(iter(self._entries)))
            self.broken["given_up"] += 1
        self._put(key, kept)

    def end(self, key: str | None, time_s: object = None) -> Kept | None:
        """Close *key* and give what its start kept; None when no start is open. *time_s* is when it ended."""
        self.expire(time_s)
        if key is None:
            self.broken["no_key"] += 1
            return None
        found = self._entries.get(key)
        if found is None:
            self.broken["end_without_start"] += 1
            return None
        self._drop(key)
        return tuple(found[1])

    def expire(self, time_s: object) -> None:
        """Give up starts that have been open for too long at *time_s*, the oldest first."""
        if self.timeout_s is None or not (isinstance(time_s, (int, float)) and self._entries):
            return
        for key, (_, kept) in list(self._entries.items()):
            started_s = kept[-1]
            if not is_number(started_s):
                continue
            if started_s + self.timeout_s > time_s:
                break
            self._drop(key)
            self.broken["timeout"] += 1
            self.on_timeout(tuple(kept))

    def restore(self, rows: Iterable[KeyRow]) -> None:
        """Take over the rows of an earlier run, but those of a rule that kept other values."""
        super().restore(rows)
        for key, (_, kept) in list(self._entries.items()):
            if not isinstance(kept, list) or len(kept) != self.kept:
                self._drop(key)
