"""Memories and pairs that tell whether what came before them would have mattered.

A piece of a log is read on the assumption that nothing was remembered before it. That is true when nothing was asked,
or when nothing was there to be known.
"""

from __future__ import annotations

from typing import Any

from logmetrics.rules.bindings import Keepers
from logmetrics.rules.memory import Memory, Number
from logmetrics.rules.pairs import Kept, OpenPairs


class AskedMemory(Memory):
    """A memory that notes that it was asked."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        super().__init__()
        self.asked = False

    def forget_all(self) -> None:
        """See Memory."""
        super().forget_all()
        self.asked = False

    def once(self, log: str, key: str | None) -> bool:
        """See Memory."""
        self.asked = True
        return super().once(log, key)

    def rise(self, log: str, value: Any, key: str | None) -> Any:
        """See Memory."""
        self.asked = True
        return super().rise(log, value, key)

    def delta(self, log: str, value: Any, key: str | None, reset: Number | None = None) -> Any:
        """See Memory."""
        self.asked = True
        return super().delta(log, value, key, reset)

    def remember(self, log: str, name: str, value: Any = None) -> Any:
        """See Memory."""
        self.asked = True
        return super().remember(log, name, value)


class AskedPairs(OpenPairs):
    """Open starts that note which keys were opened or closed, and how many were open at the most."""

    __slots__ = ("asked", "keys", "most")

    # More keys are not noted: then any start that was open before is taken to matter.
    KEYS_MAX = 200_000

    def __init__(self, kept: tuple[str, ...] = (), timeout_s: float | None = None) -> None:
        super().__init__(kept, timeout_s)
        self.keys: set[str] | None = set()
        self.most = 0
        # Whether any start or end came, also one without a key: its time ends those that are too old.
        self.asked = False

    def forget_all(self) -> None:
        """See OpenPairs."""
        super().forget_all()
        self.keys = set()
        self.most = 0
        self.asked = False

    def start(self, key: str | None, kept: Kept, path: str = "", time_s: object = None, read_s: float = 0.0) -> None:
        """See OpenPairs."""
        self._note_key(key)
        super().start(key, kept, path, time_s, read_s)
        self.most = max(self.most, len(self))

    def end(self, key: str | None, path: str = "", time_s: object = None) -> Kept | None:
        """See OpenPairs."""
        self._note_key(key)
        return super().end(key, path, time_s)

    def _note_key(self, key: str | None) -> None:
        self.asked = True
        if self.keys is not None and key is not None:
            self.keys.add(key)
            if len(self.keys) > self.KEYS_MAX:
                self.keys = None


KEEPERS = Keepers(AskedMemory, AskedPairs)
