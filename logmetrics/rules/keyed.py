"""What a rule remembers by key, bounded, and written to state.db as it changes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

# A key's row in state.db: key, serial, value.
KeyRow = tuple[str, int, str]
# A text, or a pair of texts: the log and a key in it.
Key = str | tuple[str, str]


class KeyedState:
    """Keys with values, oldest first. It knows which differ from the last commit, so that a commit writes those."""

    __slots__ = ("_changed", "_entries", "_saved", "_serial", "_unknown")

    def __init__(self) -> None:
        # The number beside the value tells the order to state.db.
        self._entries: dict[Any, tuple[int, Any]] = {}
        self._serial = 0
        # Keys that state.db has, and keys whose row there is out of date.
        self._saved: set[Any] = set()
        # True when nobody knows what state.db has: after a commit that failed, or that only seemed to.
        self._unknown = False
        self._changed: set[Any] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def _put(self, key: Key, value: Any) -> None:
        """Set *key*, which becomes the youngest."""
        self._entries.pop(key, None)
        self._serial += 1
        self._entries[key] = (self._serial, value)
        self._changed.add(key)

    def _drop(self, key: Key) -> None:
        """Forget *key*.

        Only what state.db has must be removed there; so the set of changes is bounded by what is and was here.
        """
        self._entries.pop(key, None)
        if key in self._saved:
            self._changed.add(key)
        else:
            self._changed.discard(key)

    def forget_all(self) -> None:
        """Know nothing, as at the first start. What state.db has is nobody's concern then."""
        self._entries.clear()
        self._changed.clear()
        self._saved.clear()
        self._serial = 0
        self._unknown = False

    def rows(self) -> list[KeyRow]:
        """Everything that is known, oldest first, as ``restore`` takes it."""
        return [(json.dumps(key), serial, json.dumps(value)) for key, (serial, value) in self._entries.items()]

    def adopt(self, row: KeyRow) -> None:
        """Know one row more, the youngest."""
        key, _, value = row
        self._put(json.loads(key), json.loads(value))

    # -- commits

    @property
    def has_news(self) -> bool:
        """Whether the next commit must write anything."""
        return self._unknown or bool(self._changed)

    @property
    def must_clear(self) -> bool:
        """Whether the next commit must first remove all rows."""
        return self._unknown

    def changes(self) -> tuple[list[KeyRow], list[str]]:
        """The rows that the next commit must write, and the keys that it must remove."""
        rows = []
        for key in self._entries.keys() if self._unknown else self._changed & self._entries.keys():
            serial, value = self._entries[key]
            rows.append((json.dumps(key), serial, json.dumps(value)))
        return rows, [json.dumps(key) for key in self._changed - self._entries.keys()]

    def committed(self) -> None:
        """What ``changes`` gave is durable."""
        self._saved = set(self._entries) if self._unknown else self._saved | (self._changed & self._entries.keys())
        self._saved -= self._changed - self._entries.keys()
        self._changed.clear()
        self._unknown = False

    def commit_failed(self) -> None:
        """Some or all of what ``changes`` gave may be durable nonetheless."""
        self._unknown = True
        self._changed.clear()
        self._saved.clear()

    def restore(self, rows: Iterable[KeyRow]) -> None:
        """Take over the rows of an earlier run, oldest first."""
        for key_text, serial, value in rows:
            key = json.loads(key_text)
            if isinstance(key, list):
                key = tuple(key)
            self._entries[key] = (serial, json.loads(value))
            self._saved.add(key)
            self._serial = max(self._serial, serial)
