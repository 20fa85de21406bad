"""Starts that wait for their end, bounded."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable
from typing import Any

from logmetrics.rules.functions import is_number
from logmetrics.rules.keyed import KeyedState, KeyRow

Kept = tuple[Any, ...]


class OpenPairs(KeyedState):
    """The open starts of one rule: key -> the values under the names *kept*, which the rule keeps until the end.

    With *timeout_s* three more values are kept: the log's path, when the start was by its log in seconds since 1970 or
    None, and when it was read.
    """

    __slots__ = ("_by_log", "broken", "kept", "on_timeout", "timeout_s")

    OPEN_MAX = 10_000

    def __init__(self, kept: tuple[str, ...] = (), timeout_s: float | None = None) -> None:
        super().__init__()
        self.kept = kept
        self.timeout_s = timeout_s
        # Told of each start that is given up because its time is over.
        self.on_timeout: Callable[[Kept], None] = lambda _: None
        # Starts and ends that found no partner, by reason.
        self.broken = {"replaced": 0, "given_up": 0, "end_without_start": 0, "no_key": 0, "timeout": 0}
        # For each log (time, serial, key) of its starts, the earliest first; what is closed is passed over.
        self._by_log: dict[str, list[tuple[float, int, str]]] = {}

    def forget_all(self) -> None:
        """See KeyedState."""
        super().forget_all()
        self.broken = dict.fromkeys(self.broken, 0)
        self._by_log.clear()

    @property
    def was_used(self) -> bool:
        """Whether any start or end came so far."""
        return bool(self._entries) or any(self.broken.values())

    def start(self, key: str | None, kept: Kept, path: str = "", time_s: object = None, read_s: float = 0.0) -> None:
        """Open *key*. A start that is open already is replaced; past the bound the oldest start is given up."""
        if self.timeout_s is not None:
            self.expire_by_log(path, time_s)
            kept = (*kept, path, time_s, read_s)
        if key is None:
            self.broken["no_key"] += 1
            return
        if key in self._entries:
            self.broken["replaced"] += 1
        elif len(self._entries) >= self.OPEN_MAX:
            self._drop(next(iter(self._entries)))
            self.broken["given_up"] += 1
        self._put(key, kept)
        self._note(key)

    def end(self, key: str | None, path: str = "", time_s: object = None) -> Kept | None:
        """Close *key* and give what its start kept; None when no start is open. *time_s* is when it ended."""
        if self.timeout_s is not None:
            self.expire_by_log(path, time_s)
        if key is None:
            self.broken["no_key"] += 1
            return None
        found = self._entries.get(key)
        if found is None:
            self.broken["end_without_start"] += 1
            return None
        self._drop(key)
        return self._told(found[1])

    def _told(self, values: Iterable[Any]) -> Kept:
        return tuple(values)[: len(self.kept)]

    def _note(self, key: str) -> None:
        """Have the start *key* found when its time is over."""
        if self.timeout_s is None:
            return
        serial, (*_, path, time_s, _) = self._entries[key]
        if not is_number(time_s):
            return
        starts = self._by_log.setdefault(path, [])
        heapq.heappush(starts, (time_s, serial, key))
        if len(starts) > 2 * len(self._entries) + 16:  # most of it is closed
            self._by_log[path] = sorted(one for one in starts if self._is_open(one))

    def _is_open(self, start: tuple[float, int, str]) -> bool:
        _, serial, key = start
        return key in self._entries and self._entries[key][0] == serial

    def expire_by_log(self, path: str, time_s: object) -> None:
        """The log *path* has come to *time_s*: give up its own starts that are too old."""
        starts = self._by_log.get(path)
        if not starts or self.timeout_s is None or not isinstance(time_s, (int, float)):
            return
        while starts and starts[0][0] + self.timeout_s <= time_s:
            start = heapq.heappop(starts)
            if self._is_open(start):
                self._give_up(start[2])
        if not starts:
            del self._by_log[path]

    def expire_by_clock(self, now_s: float) -> int:
        """Everything is read, and it is *now_s*: give up starts that are too old and were read so long ago.

        Gives their number.
        """
        if self.timeout_s is None:
            return 0
        over = []
        for key, (_, (*_, time_s, read_s)) in self._entries.items():
            if read_s + self.timeout_s > now_s:
                break  # those behind it were read later
            if not is_number(time_s) or time_s + self.timeout_s <= now_s:
                over.append(key)
        for key in over:
            self._give_up(key)
        return len(over)

    def _give_up(self, key: str) -> None:
        values = self._entries[key][1]
        self._drop(key)
        self.broken["timeout"] += 1
        self.on_timeout(self._told(values))

    def adopt(self, row: KeyRow) -> None:
        """See KeyedState."""
        super().adopt(row)
        self._note(json.loads(row[0]))

    def restore(self, rows: Iterable[KeyRow]) -> None:
        """Take over the rows of an earlier run."""
        super().restore(rows)
        size = len(self.kept) + (3 if self.timeout_s is not None else 0)
        for key, (_, values) in list(self._entries.items()):
            if isinstance(values, list) and len(values) == size:
                self._note(key)
            else:
                self._drop(key)
