"""How far the journal was read: entries by their cursors, and what is saved of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from logmetrics.formats.journal_export import Fields

# `seen_us` alone is saved with what else is saved when it is so much newer.
_SEEN_US = 60_000_000
_PARTS = frozenset("sibmtx")

JournalRow = tuple[str, str, str, int, int, str, int, int]


class Place(NamedTuple):
    """An entry: its cursor and when it was written (microseconds since 1970). No cursor: before all entries."""

    cursor: str = ""
    time_us: int = 0

    def is_same(self, other: Place) -> bool:
        """Whether both are the same entry, be it in copies of a journal."""
        mine, others = _parts(self.cursor), _parts(other.cursor)
        if self.cursor == other.cursor or not mine or not others:
            return self.cursor == other.cursor
        return all(mine[part] == others[part] for part in "si") or all(mine[part] == others[part] for part in "bmtx")

    def is_behind(self, other: Place) -> bool:
        """Whether this entry comes later in the journal's own order: sd_journal's compare_locations()."""
        mine, others = _parts(self.cursor), _parts(other.cursor)
        if mine and others and mine["s"] == others["s"]:
            return int(mine["i"], 16) > int(others["i"], 16)
        if mine and others and mine["b"] == others["b"]:
            return int(mine["m"], 16) > int(others["m"], 16)
        return self.time_us > other.time_us


NOWHERE = Place()


def place_of(fields: Fields) -> Place:
    """The place of the entry with these fields."""
    time = fields.get(b"__REALTIME_TIMESTAMP", b"")
    return Place(fields.get(b"__CURSOR", b"").decode("ascii", "replace"), int(time) if time.isdigit() else 0)


def _parts(cursor: str) -> dict[str, str]:
    """A cursor's parts as sd_journal_get_cursor(3) makes them; nothing when it is made otherwise.

    s: whose numbers, i: the number, b: the boot, m: microseconds since then, t: since 1970, x: a hash of the entry.
    """
    parts = dict(part.split("=", 1) for part in cursor.split(";") if "=" in part)
    try:
        for name in "imt":
            int(parts[name], 16)
    except (KeyError, ValueError):
        return {}
    return parts if parts.keys() >= _PARTS else {}


@dataclass(slots=True)
class JournalPosition:
    """How far one log of a journal is counted.

    All up to the entry ``counted`` is, and the first ``ahead`` records behind it; ``read`` is the last entry that these
    are made of, or the beginning of one that is not complete.
    """

    key: str
    source: str
    counted: Place = NOWHERE
    ahead: int = 0
    read: Place = NOWHERE
    # Nothing that was in the journal at this time (microseconds since 1970) is unread.
    seen_us: int = 0
    # True when state.db does not have it as it is here.
    changed: bool = False
    _saved_seen_us: int = field(default=0, compare=False)

    def saw(self, time_us: float) -> None:
        """Nothing was unread at that time."""
        self.seen_us = max(self.seen_us, int(time_us))

    @property
    def is_worth_saving(self) -> bool:
        """Whether the next commit, whatever it is made for, takes this along."""
        return self.changed or 0 < self._saved_seen_us <= self.seen_us - _SEEN_US

    def row(self) -> JournalRow:
        return (self.key, self.source, *self.counted, self.ahead, *self.read, self.seen_us)

    def saved(self) -> None:
        """What ``row`` gave is durable."""
        self.changed = False
        self._saved_seen_us = self.seen_us


def position_of(row: JournalRow) -> JournalPosition:
    """The opposite of ``JournalPosition.row``."""
    key, source, cursor, time_us, ahead, read_cursor, read_us, seen_us = row
    position = JournalPosition(key, source, Place(cursor, time_us), ahead, Place(read_cursor, read_us), seen_us)
    return replace(position, _saved_seen_us=seen_us)
