"""Every log that is known, with or without a file, and which of it state.db does not have yet."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from logmetrics.sources.content import Content, StopFlag, file_id_of, open_content
from logmetrics.sources.discovery import FileId, FoundFile, Signature, signature_of
from logmetrics.sources.heads import Heads
from logmetrics.sources.ledger import Orphans
from logmetrics.sources.names import is_successor, log_name, names_of_originals
from logmetrics.sources.position import (
    RESTARTS,
    FileRow,
    FingerprintRow,
    Position,
    file_row,
    fingerprint_row,
    is_telling,
    position_of,
)
from logmetrics.sources.reader import SourceReader
from logmetrics.sources.tail import Tail

# Decisions that a person wants to read about; the others come by the thousand.
_TOLD = (*RESTARTS, "shortened", "compressed", "outgrown_copy")
# A file is held against so many others at the most: ten thousand logs may begin with one and the same banner.
_CANDIDATES_MAX = 64
# The index of heads is made anew when so many of its entries are of logs that are gone.
_STALE_MAX = 1_000


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A file that is not read, such as a copy; looked at again when it, or what is known, has changed."""

    signature: Signature
    # The version of the orphans at that time; None to look again at the next opportunity.
    version: int | None
    # Monotonic time at which it was first passed over.
    since_s: float


class Known:
    """The owner of all positions. Only the engine's thread touches it."""

    def __init__(self, say: Callable[[str], None], stop: StopFlag, open_max: int) -> None:
        self.say = say
        self.stop = stop
        # Files that may be open at the same time.
        self.open_max = open_max
        self.tails: dict[FileId, Tail] = {}
        # The tails in the order of their turns.
        self.turns: deque[Tail] = deque()
        # Those that have a turn in every pass: new ones, and those that grew lately.
        self.busy: dict[Tail, None] = {}
        self.orphans = Orphans(say)
        self.passed_over: dict[FileId, PassedOver] = {}
        # Tails whose name is gone, since when (monotonic).
        self.nameless: dict[FileId, float] = {}
        # Absolute paths and globs of sources that were looked through at least once, in this run or before.
        self.roots: set[str] = set()
        # Other names of files that have several, as of the last scan.
        self.aliases: dict[FileId, list[str]] = {}
        # True when there may be a file that goes on with a log that lost its own, or files wait to be opened.
        self.look_again = False
        # Tails by how their files begin; all of them, and by the name of their log.
        self._heads: Heads[Tail] = Heads()
        self._heads_by_name: dict[str, Heads[Tail]] = {}
        self._stale_heads = 0
        self.open_count = 0
        self._next_key = 1
        # What state.db does not have yet.
        self._changed: dict[int, Position] = {}
        self._forgotten: set[int] = set()
        self._new_roots: set[str] = set()

    # -- logs with a file

    def new_key(self) -> int:
        self._next_key += 1
        return self._next_key - 1

    def new_position(self, reader: SourceReader, file: FoundFile, met_path: str) -> Position:
        return Position(self.new_key(), reader.spec.name, file.path, met_path, file.file_id)

    def add(self, tail: Tail) -> None:
        """*tail* has its turns from now on."""
        tail.position.file_id = tail.found.file_id
        self.tails[tail.position.file_id] = tail
        self.turns.append(tail)
        self.busy[tail] = None
        tail.reader.files += 1

    def remove(self, tail: Tail) -> None:
        """The opposite of ``add``; the file stays open."""
        file_id = tail.position.file_id
        del self.tails[file_id]
        self.turns.remove(tail)
        self.busy.pop(tail, None)
        tail.reader.files -= 1
        tail.reader.troubles.pop(tail.position.path, None)
        self.nameless.pop(file_id, None)
        self._head_went_stale()

    def identified(self, tail: Tail, reason: str) -> None:
        """*tail* is known to be the log of its position."""
        position, file = tail.position, tail.found
        tail.identified = True
        position.told_lost = False
        self.passed_over.pop(position.file_id, None)
        self.begins(tail, tail.first or position.head)
        position.path, position.source = file.path, tail.reader.spec.name
        if position in self.orphans:
            self.orphans.take(position)
        self.note(position)
        self.decided(tail, reason)

    def begins(self, tail: Tail, first: bytes) -> None:
        """The file of *tail* begins with *first*, by which its copies are found."""
        tail.first = first
        self._heads.add(first, tail)
        position = tail.position
        for path in {position.path, position.met_path, *self.aliases.get(position.file_id, ())}:
            self._heads_by_name.setdefault(log_name(os.path.basename(path)), Heads()).add(first, tail)

    def decided(self, tail: Tail, reason: str) -> None:
        tail.reader.decisions[reason] += 1
        if reason in _TOLD:
            place = "from its start" if reason in RESTARTS else f"on from byte {tail.position.offset:,}"
            self.say(f"{tail.position.path}: {reason.replace('_', ' ')}; reading {place}")

    def lose(self, tail: Tail, reason: str, now_s: float) -> None:
        """The file of *tail* is gone, or holds another log: its position waits for the content to be found again."""
        self.remove(tail)
        self.close(tail)
        self.orphan(tail, reason, now_s)

    def leave(self, tail: Tail, now_s: float) -> None:
        """No source names the file of *tail* any more; when one does again it goes on there. Nothing of it is lost."""
        self.remove(tail)
        self.close(tail)
        tail.position.told_lost = True
        self.orphan(tail, "unwatched", now_s)

    def orphan(self, tail: Tail, reason: str, now_s: float) -> None:
        position = tail.position
        if not position.offset and is_telling(tail.first):
            position.head = tail.first  # all there is to know it by
        if position.is_telling:
            self.orphans.add(position, reason, now_s)
            self.note(position)
            self.look_again = True
        else:
            self.forget(position)
            self.orphans.version += 1  # what was passed over as its copy may be the log itself
        self._head_went_stale()

    def living(self, first: bytes, path: str, *, any_name: bool) -> Iterator[Tail]:
        """The logs with a file that *path*, which begins with *first*, could be a copy of."""
        if any_name:
            heads = [self._heads]
        else:
            heads = [h for name in names_of_originals(path) if (h := self._heads_by_name.get(name)) is not None]
        alike = [tail for head in heads for tail in (*head.that_begin(first), *head.that_go_on(first))]
        # Only a file that was deleted can have been replaced by another under any name.
        replaced = [tail for file_id in self.nameless if (tail := self.tails[file_id]).is_deleted]
        for tail in dict.fromkeys((*islice(alike, _CANDIDATES_MAX), *replaced)):
            if not tail.identified or self.tails.get(tail.position.file_id) is not tail:
                continue
            if any_name or tail in replaced or not is_successor(path, tail.position.path):
                yield tail

    def _head_went_stale(self) -> None:
        self._stale_heads += 1
        if self._stale_heads > _STALE_MAX + len(self.tails):
            self._stale_heads = 0
            self._heads, self._heads_by_name = Heads(), {}
            for tail in self.tails.values():
                self.begins(tail, tail.first)

    def pass_over(self, file: FoundFile, now_s: float, *, again: bool = False) -> None:
        """Do not read *file*, until it or the orphans change; with *again* only until the next scan."""
        entry = self.passed_over.get(file.file_id)
        version = None if again else self.orphans.version
        since_s = now_s if entry is None else entry.since_s
        self.passed_over[file.file_id] = PassedOver(file.signature, version, since_s)

    # -- descriptors

    def open(self, file: FoundFile) -> Content | None:
        """Open *file*; None when it was replaced or went away since it was found. Raises OSError."""
        try:
            content = open_content(file.path, self.stop)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self.open_max = max(self.open_count // 2, 1)
            raise
        self.open_count += 1
        try:
            if file_id_of(content.status()) == file.file_id:
                return content
        except OSError:
            self.close_content(content)
            raise
        self.close_content(content)
        return None

    def close(self, tail: Tail) -> None:
        if tail.content is not None:
            self.close_content(tail.content)
            tail.content = None

    def close_content(self, content: Content) -> None:
        content.close()
        self.open_count -= 1

    @property
    def is_full(self) -> bool:
        """Whether as many files are open as may be."""
        return self.open_count >= self.open_max

    def give_back(self) -> None:
        """Close the files that have been still for longest, when too many are open; they reopen when they change."""
        if not self.is_full:
            return
        surplus = self.open_count - self.open_max // 2
        still = [tail for tail in self.tails.values() if tail.content is not None and not tail.lag_bytes]
        still = [tail for tail in still if tail.position.file_id not in self.nameless]
        for tail in sorted(still, key=lambda tail: tail.grown_s):
            # One that was written to since the last look may be deleted before the next.
            if tail.content is not None and signature_of(tail.content.status()) == tail.position.signature:
                self.close(tail)
                surplus -= 1
            if surplus <= 0:
                return

    # -- commits

    def note(self, position: Position) -> None:
        """*position* is not in state.db as it is here. One of which nothing is known need not be there."""
        if position.offset or position.head:
            self._changed[position.key] = position

    def forget(self, position: Position) -> None:
        self._changed.pop(position.key, None)
        self._forgotten.add(position.key)

    def looked_through(self, roots: Iterable[str]) -> None:
        new = set(roots) - self.roots
        self.roots |= new
        self._new_roots |= new

    @property
    def has_changes(self) -> bool:
        return bool(self._changed or self._forgotten or self._new_roots)

    def changes(self) -> dict[str, list[tuple[object, ...]]]:
        """The rows that the next commit must write, by table."""
        changed = self._changed.values()
        gone: list[tuple[object, ...]] = [(key,) for key in self._forgotten]
        return {
            "files": [file_row(position) for position in changed],
            "fingerprints": [fingerprint_row(position) for position in changed if position.fingerprint_changed],
            "files_gone": gone,
            "fingerprints_gone": gone,
            "roots": [(os.fsencode(root),) for root in self._new_roots],
        }

    def committed(self) -> None:
        """What ``changes`` gave is durable."""
        for position in self._changed.values():
            position.fingerprint_changed = False
        self._changed.clear()
        self._forgotten.clear()
        self._new_roots.clear()

    def restore(
        self,
        files: Iterable[FileRow],
        fingerprints: Iterable[FingerprintRow],
        roots: Iterable[tuple[bytes]],
        now_s: float,
    ) -> None:
        """Take over what an earlier run knew; its files are looked for in the next scan."""
        self.roots.update(os.fsdecode(root) for (root,) in roots)
        known = {row[0]: row for row in fingerprints}
        for row in files:
            position = position_of(row, known.get(row[0]))
            self._next_key = max(self._next_key, position.key + 1)
            self.orphans.add(position, "gone_while_down", now_s)
