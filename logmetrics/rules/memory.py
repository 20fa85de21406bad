"""What `once`, `rise`, `delta` and `remember` know of a log: the keys that they saw, with a value each.

One object stands behind one such call in one rule. Logs are told apart by the path under which they were met, which
a rotation does not change. Nothing of it depends on how lines are cut into blocks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from logmetrics.rules.functions import is_number
from logmetrics.rules.keyed import KeyedState, KeyRow

Number = int | float


class Memory(KeyedState):
    """Keys of many logs. Of one log the oldest key goes first, of all logs the log that was quiet the longest."""

    __slots__ = ("_logs", "forgotten")

    # Repeats of a key in real logs are at most some tens of lines apart; messages of one session are some hundreds.
    KEYS_PER_LOG_MAX = 512
    KEYS_MAX = 50_000

    def __init__(self) -> None:
        super().__init__()
        # For each log its keys, oldest first; the log that had a new key last is the last.
        self._logs: dict[str, dict[str, None]] = {}
        # Keys that were given up for want of room.
        self.forgotten = 0

    def _set(self, log: str, key: str, value: Any) -> None:
        keys = self._logs.pop(log, None)
        if keys is None:
            keys = {}
        self._logs[log] = keys
        keys.pop(key, None)
        keys[key] = None
        self._put((log, key), value)
        if len(keys) > self.KEYS_PER_LOG_MAX:
            self._forget(log, next(iter(keys)))
        while len(self) > self.KEYS_MAX:
            quiet = next(iter(self._logs))
            self._forget(quiet, next(iter(self._logs[quiet])))

    def _forget(self, log: str, key: str) -> None:
        self.forgotten += 1
        del self._logs[log][key]
        if not self._logs[log]:
            del self._logs[log]
        self._drop((log, key))

    def forget_all(self) -> None:
        """See KeyedState."""
        super().forget_all()
        self._logs.clear()
        self.forgotten = 0

    def once(self, log: str, key: str | None) -> bool:
        """True when *key* comes for the first time. A missing key is never the same as another."""
        if key is None:
            return True
        if (log, key) in self._entries:
            return False
        self._set(log, key, 1)
        return True

    def rise(self, log: str, value: Any, key: str | None) -> Any:
        """By how much *value* is above the greatest so far for *key*; what is no number stays what it is."""
        if key is None or not is_number(value):
            return value
        known = self._entries.get((log, key))
        if known is not None and value <= known[1]:
            return 0
        self._set(log, key, value)
        return value if known is None else value - known[1]

    def delta(self, log: str, value: Any, key: str | None, reset: Number | None = None) -> Any:
        """By how much *value*, which counts up, has grown since it was last seen for *key*.

        When it is less than before it began anew: then *reset* counts, and *value* itself when there is none.
        """
        if key is None or not is_number(value):
            return value
        known = self._entries.get((log, key))
        if known is not None and value == known[1]:
            return 0
        self._set(log, key, value)
        if known is None:
            return value
        if value > known[1]:
            return value - known[1]
        return value if reset is None else reset

    def remember(self, log: str, name: str, value: Any = None) -> Any:
        """*value*, or when it is missing the last one that was not."""
        known = self._entries.get((log, name))
        if value is None or value.__class__ in (dict, list):
            return None if known is None else known[1]
        if known is None or known[1] != value or known[1].__class__ is not value.__class__:
            self._set(log, name, value)
        return value

    def adopt(self, row: KeyRow) -> None:
        """See KeyedState."""
        log, key = json.loads(row[0])
        self._set(log, key, json.loads(row[2]))

    def restore(self, rows: Iterable[KeyRow]) -> None:
        super().restore(rows)
        for log, key in self._entries:
            keys = self._logs.pop(log, {})  # the log with the youngest key is the last
            keys[key] = None
            self._logs[log] = keys
