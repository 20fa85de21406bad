"""Logs by how they begin, so that a file meets only those that it could be."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator
from typing import Generic, TypeVar

_Log = TypeVar("_Log")


class Heads(Generic[_Log]):
    """A multimap from the first bytes of logs; two logs may be the same when one head begins with the other."""

    def __init__(self) -> None:
        self._logs: dict[bytes, list[_Log]] = {}
        self._sorted: list[bytes] = []
        self._lengths: Counter[int] = Counter()

    def add(self, head: bytes, log: _Log) -> None:
        if not head:
            return  # nothing is known of it, so it is like nothing
        logs = self._logs.get(head)
        if logs is not None:
            logs.append(log)
            return
        self._logs[head] = [log]
        self._lengths[len(head)] += 1
        insort(self._sorted, head)

    def that_begin(self, first: bytes) -> Iterator[_Log]:
        """The logs whose head is the beginning of *first*, longest head first."""
        for length in sorted((n for n in self._lengths if n <= len(first)), reverse=True):
            yield from self._logs.get(first[:length], ())

    def that_go_on(self, first: bytes) -> Iterator[_Log]:
        """The logs whose head begins with *first* and goes on behind it."""
        for index in range(bisect_left(self._sorted, first), len(self._sorted)):
            head = self._sorted[index]
            if not head.startswith(first):
                return
            if len(head) > len(first):
                yield from self._logs[head]
