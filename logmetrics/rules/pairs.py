"""Starts that wait for their end, bounded."""

from __future__ import annotations

import json
from collections.abc import Iterable

# A key's row in state.db: key, serial, kept.
PairRow = tuple[str, int, str]


class OpenPairs:
    """The open starts of one rule: key -> the values that the rule keeps until the end.

    It knows which keys differ from the last commit, so that a commit writes those only.
    """

    __slots__ = ("_changed", "_open", "_saved", "_serial", "_unknown", "broken")

    OPEN_MAX = 10_000

    def __init__(self) -> None:
        # Oldest start first; the number beside the kept values tells this order to state.db.
        self._open: dict[str, tuple[int, tuple[object, ...]]] = {}
        self._serial = 0
        # Keys that state.db has, and keys whose row there is out of date.
        self._saved: set[str] = set()
        # True when nobody knows what state.db has: after a commit that failed, or that only seemed to.
        self._unknown = False
        self._changed: set[str] = set()
        # Starts and ends that found no partner, by reason.
        self.broken = {"replaced": 0, "given_up": 0, "end_without_start": 0}

    def __len__(self) -> int:
        return len(self._open)

    def start(self, key: str, kept: tuple[object, ...]) -> None:
        """Open *key*. A start that is open already is replaced; past the bound the oldest start is given up."""
        if self._open.pop(key, None) is not None:
            self.broken["replaced"] += 1
        elif len(self._open) >= self.OPEN_MAX:
            oldest = next(iter(self._open))
            del self._open[oldest]
            self._closed(oldest)
            self.broken["given_up"] += 1
        self._serial += 1
        self._open[key] = (self._serial, kept)
        self._changed.add(key)

    def end(self, key: str) -> tuple[object, ...] | None:
        """Close *key* and give what its start kept; None when no start is open."""
        found = self._open.pop(key, None)
        if found is None:
            self.broken["end_without_start"] += 1
            return None
        self._closed(key)
        return found[1]

    def _closed(self, key: str) -> None:
        """Only what state.db has must be removed there; so the set of changes is bounded by what is and was open."""
        if key in self._saved:
            self._changed.add(key)
        else:
            self._changed.discard(key)

    # -- commits

    @property
    def must_clear(self) -> bool:
        """Whether the next commit must first remove all rows."""
        return self._unknown

    def changes(self) -> tuple[list[PairRow], list[str]]:
        """The rows that the next commit must write, and the keys that it must remove."""
        rows = []
        for key in self._open.keys() if self._unknown else self._changed & self._open.keys():
            serial, kept = self._open[key]
            rows.append((json.dumps(key), serial, json.dumps(kept)))
        return rows, [json.dumps(key) for key in self._changed - self._open.keys()]

    def committed(self) -> None:
        """What ``changes`` gave is durable."""
        self._saved = set(self._open) if self._unknown else self._saved | (self._changed & self._open.keys())
        self._saved -= self._changed - self._open.keys()
        self._changed.clear()
        self._unknown = False

    def commit_failed(self) -> None:
        """Some or all of what ``changes`` gave may be durable nonetheless."""
        self._unknown = True
        self._changed.clear()
        self._saved.clear()

    def restore(self, rows: Iterable[PairRow]) -> None:
        """Take over the rows of an earlier run, oldest first."""
        for key_text, serial, kept in rows:
            key = json.loads(key_text)
            self._open[key] = (serial, tuple(json.loads(kept)))
            self._saved.add(key)
            self._serial = max(self._serial, serial)
