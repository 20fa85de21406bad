"""Logs that lost their file, and the account of bytes that are known to have gone unread.

A log without a file is kept: it may be found again by its content, moved, copied or compressed. When that does not
happen for a while, its unread rest is written off, in a counter by reason, which at zero is a statement.
"""

from __future__ import annotations

from collections.abc import Callable

from logmetrics.sources.discovery import FileId
from logmetrics.sources.heads import Heads
from logmetrics.sources.position import Position

# truncated: the file was cut before all of it was read. deleted: it went away while it was watched. gone_while_down: it
# was not there any more at a start. forgotten: too many logs without a file.
LOSSES = ("truncated", "deleted", "gone_while_down", "forgotten")
# Compressing a large file takes its time, and until then the rest is nowhere to be read.
WRITE_OFF_S = 60.0
# More than files in a large tree: all of them are without a file while their disk is not mounted.
ORPHANS_MAX = 20_000


class Orphans:
    """Positions without a file, oldest first, and the loss ledger."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.positions: dict[int, Position] = {}
        # The same by the path and by the inode that they had; may hold some that have a file again.
        self._by_file: dict[str | FileId, list[Position]] = {}
        self.lost_bytes = dict.fromkeys(LOSSES, 0)
        # What still may have to be written off: position -> since when (monotonic), and why.
        self._pending: dict[int, tuple[float, str]] = {}
        # Changes when a log lost its file: files that were passed over may be that log's.
        self.version = 0
        # By how their logs begin; may hold some that have a file again.
        self.heads: Heads[Position] = Heads()

    def __len__(self) -> int:
        return len(self.positions)

    def __contains__(self, position: Position) -> bool:
        return position.key in self.positions

    def add(self, position: Position, reason: str, now_s: float) -> None:
        """*position* lost its file."""
        self.version += 1
        self.positions[position.key] = position
        for key in (position.path, position.file_id):
            self._by_file.setdefault(key, []).append(position)
        self.heads.add(position.head, position)
        if position.unread_bytes and not position.told_lost:
            self._pending[position.key] = (now_s, reason)

    def trim(self) -> list[Position]:
        """Forget the oldest of too many, first those with nothing unread; returns them."""
        given_up = []
        while len(self.positions) > ORPHANS_MAX:
            oldest = next((p for p in self.positions.values() if p.key not in self._pending), None)
            oldest = oldest or next(iter(self.positions.values()))
            self._write_off(oldest, "forgotten")
            self.take(oldest)
            given_up.append(oldest)
        if given_up:
            self.heads = Heads()
            for position in self.positions.values():
                self.heads.add(position.head, position)
        return given_up

    def take(self, position: Position) -> None:
        """*position* has a file again, or is forgotten."""
        del self.positions[position.key]
        for key in (position.path, position.file_id):
            left = [other for other in self._by_file.get(key, ()) if other is not position]
            if left:
                self._by_file[key] = left
            else:
                self._by_file.pop(key, None)
        self._pending.pop(position.key, None)

    def found_shorter(self, position: Position, read_to: int, end: int) -> None:
        """*position*, which was read up to *read_to*, was found again, but its file ends at *end*."""
        missing = position.end - max(read_to, end)
        if missing > 0:
            position.end -= missing
            self._count(position, missing, "truncated")

    def of_file(self, path: str, file_id: FileId) -> list[Position]:
        """Those that had this path or this inode."""
        both = [*self._by_file.get(file_id, ()), *self._by_file.get(path, ())]
        return [position for position in {id(p): p for p in both}.values() if position in self]

    def cut_off(self, position: Position, end: int) -> None:
        """The file of *position*, which is counted up to a place before, ended at *end* and is shorter now."""
        missing = end - max(position.end, position.read_to)
        if missing > 0:
            self._count(position, missing, "truncated")

    def write_off_due(self, now_s: float) -> list[Position]:
        """Write off what waited long enough; returns the positions that changed."""
        due = [key for key, (since_s, _) in self._pending.items() if now_s - since_s >= WRITE_OFF_S]
        changed = []
        for key in due:
            self._write_off(self.positions[key], self._pending[key][1])
            changed.append(self.positions[key])
        return changed

    def _write_off(self, position: Position, reason: str) -> None:
        if self._pending.pop(position.key, None) is not None:
            self._count(position, position.unread_bytes, reason)
            position.told_lost = True

    def _count(self, position: Position, lost_bytes: int, reason: str) -> None:
        self.lost_bytes[reason] += lost_bytes
        self._say(f"{position.path}: {lost_bytes:,} bytes went unread ({reason.replace('_', ' ')})")
