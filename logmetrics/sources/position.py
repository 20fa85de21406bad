"""How far one log was counted, and how its content is known again: the whole of file identity.

A file is known by its content, not by its name or inode: ext4 gives the inode of a deleted file to the next one, and
rotation gives names away. ``compare`` looks at a file, ``decide`` says what it means; ``decide`` does no I/O, so that
its test is a table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from enum import Enum
from hashlib import blake2b
from typing import Any

from logmetrics.formats.framing import FIRST_BYTES, framing_of
from logmetrics.sources.content import Content
from logmetrics.sources.discovery import FileId, Signature

# So much of a log's beginning is kept to know it by. More helps only against logs with one and the same banner.
HEAD_BYTES = 1024
# So many bytes before a place are hashed, to know later that they are still there.
WINDOW_BYTES = 256
# Places whose windows are kept, each at least twice as far as the one before: evidence for a log that got shorter.
FIRST_MARK = 2 * HEAD_BYTES
_SEARCH_BYTES = 64 * 1024


def hash_of(window: bytes) -> bytes:
    return blake2b(window, digest_size=16).digest()


@dataclass(slots=True)
class Position:
    """A log and the place up to which its lines are counted; the fields are the columns of ``files`` in state.db.

    ``offset`` is always the start of a line, or inside an oversize line that is being skipped.
    """

    key: int
    source: str
    path: str
    # The name under which the log was met; labels are made of this one, whatever rotation does.
    met_path: str
    file_id: FileId
    offset: int = 0
    window_bytes: int = 0
    window_hash: bytes = hash_of(b"")
    skipping: bool = False
    # How many records behind ``offset`` are counted too: they lie between lines of one that is not complete.
    ahead: int = 0
    # What the file looked like when it was last seen, how many bytes the log then had, and up to where they were read:
    # from `offset` to there is the beginning of a line.
    signature: Signature = (0, 0)
    end: int = 0
    read_to: int = 0
    # True for a compressed file from before the first start: known as it is, its lines are not counted.
    raw: bool = False
    # True when its unread rest stands in the loss ledger, or is not wanted.
    told_lost: bool = False
    # Where counting began: what stands before was there before the first start, and is for `logmetrics replay`.
    begun: int = 0
    head: bytes = b""
    marks: list[tuple[int, bytes]] = field(default_factory=list)
    # True when head or marks are not yet in state.db as they are here.
    fingerprint_changed: bool = True

    @property
    def unread_bytes(self) -> int:
        return max(self.end - self.read_to, 0)

    @property
    def is_telling(self) -> bool:
        """Whether more than NULs is known of the log; every hole looks the same."""
        return bool(self.head.strip(b"\0")) or self.window_hash != hash_of(bytes(self.window_bytes))

    def advance(self, offset: int, window: bytes) -> None:
        """Everything before *offset* is counted; *window* is the last of it."""
        self.offset = offset
        self.read_to = max(self.read_to, offset)
        self.window_bytes = len(window)
        self.window_hash = hash_of(window)
        if offset >= (2 * self.marks[-1][0] if self.marks else FIRST_MARK):
            self.marks.append((offset, self.window_hash))
            self.fingerprint_changed = True

    def grow_head(self, counted: bytes) -> None:
        """*counted* are the bytes right behind the head."""
        self.head += counted[: HEAD_BYTES - len(self.head)]
        self.fingerprint_changed = True

    def twin(self, key: int) -> Position:
        """A second position that knows the same of the log, and nothing of its file."""
        twin = replace(self, key=key, marks=list(self.marks), fingerprint_changed=True)
        twin.forget_file()
        return twin

    def forget_file(self) -> None:
        """The file that the log had holds another one now."""
        self.file_id = self.signature = (0, 0)

    def go_on_from(self, other: Position) -> None:
        """Know everything that *other* knows of its log."""
        self.head, self.marks = other.head, list(other.marks)
        self.offset, self.window_bytes, self.window_hash = other.offset, other.window_bytes, other.window_hash
        self.skipping, self.ahead = other.skipping, other.ahead
        self.fingerprint_changed = True

    def cut(self, offset: int, window: bytes) -> None:
        """The log lost its end, and its lines are counted up to *offset*, which is before the old one."""
        self.head = self.head[:offset]
        self.marks = [mark for mark in self.marks if mark[0] <= offset]
        self.fingerprint_changed = True
        self.advance(offset, window)
        self.read_to = self.end = offset
        self.skipping = False
        self.ahead = 0


def is_telling(first: bytes) -> bool:
    """Whether *first*, how a file begins, is enough to know a log by: all logs of one kind begin alike."""
    return b"\n" in first or len(first) >= HEAD_BYTES


@dataclass(frozen=True, slots=True)
class Seen:
    """A file held against a position. For one that is shorter, ``line_start`` is behind its last newline, and it is
    found to be the same for the first ``verified`` bytes.
    """

    end: int
    head_same: bool
    window_same: bool
    line_start: int = 0
    verified: int = 0


# The reasons for which a file is read from its start although it was known.
RESTARTS = ("truncated", "other_content", "rewritten")


class Action(Enum):
    """What to do with a file."""

    CONTINUE = "continue"
    RESTART = "restart"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Decision:
    """``offset`` is where reading goes on, ``reason`` goes into the log and into a self-metric as it is."""

    action: Action
    offset: int
    reason: str


def compare(position: Position, content: Content) -> Seen:
    """Hold *content* against what is known of *position*. Raises OSError."""
    end = content.end(position.offset)
    if position.offset and not position.is_telling:
        return Seen(end, head_same=False, window_same=False)
    head_size = min(len(position.head), end)
    head_same = content.read(0, head_size) == position.head[:head_size]
    if not head_same or end == 0:
        return Seen(end, head_same, window_same=False)
    if end >= position.offset:
        window = content.read(position.offset - position.window_bytes, position.window_bytes)
        return Seen(end, head_same, hash_of(window) == position.window_hash)
    place, expected = next((mark for mark in reversed(position.marks) if mark[0] <= end), (0, b""))
    mark_same = not place or hash_of(content.read(place - WINDOW_BYTES, WINDOW_BYTES)) == expected
    # Only whole lines tell: the first bytes of all lines are alike.
    verified = max(place, position.head.rfind(b"\n", 0, head_size) + 1)
    return Seen(end, mark_same, window_same=False, line_start=line_start(content, end), verified=verified)


def line_start(content: Content, end: int) -> int:
    """The place behind the last newline before *end*; 0 when there is none. Raises OSError."""
    framing = framing_of(content.read(0, FIRST_BYTES))
    while end > 0:
        first = max(end - _SEARCH_BYTES, 0)
        first += first % 2  # in UTF-16 a newline stands at an even place
        behind = framing.last_line_end(content.read(first, end - first))
        if behind:
            return first + behind
        end = first if first < end else 0
    return 0


def decide(offset: int, seen: Seen) -> Decision:
    """What becomes of a log that was counted up to *offset*, now that its file looks like *seen*."""
    if seen.end >= offset and seen.head_same and seen.window_same:
        return Decision(Action.CONTINUE, offset, "same_content")
    if seen.end == 0:
        return Decision(Action.RESTART, 0, "truncated")
    if not seen.head_same:
        return Decision(Action.RESTART, 0, "other_content")
    if seen.end >= offset:
        return Decision(Action.RESTART, 0, "rewritten")
    if seen.line_start == 0:
        return Decision(Action.WAIT, 0, "first_line_incomplete")
    # Not truncated: after a power cut a log is shorter than what was counted of it, and going back to 0 would count
    # the whole file twice.
    return Decision(Action.CONTINUE, seen.line_start, "shortened")


# -- rows in state.db

FileRow = tuple[Any, ...]
FingerprintRow = tuple[int, bytes, str]


def file_row(position: Position) -> FileRow:
    """The row of *position* in the table ``files``."""
    return (
        position.key,
        position.source,
        position.path.encode("utf-8", "surrogateescape"),
        position.met_path.encode("utf-8", "surrogateescape"),
        *map(str, position.file_id),  # up to 64 bits without a sign, which is more than SQLite's integers hold
        position.offset,
        position.window_bytes,
        position.window_hash,
        position.skipping,
        position.ahead,
        *position.signature,
        position.end,
        position.read_to,
        position.raw,
        position.told_lost,
        position.begun,
    )


def fingerprint_row(position: Position) -> FingerprintRow:
    """The row of *position* in the table ``fingerprints``."""
    marks = [(offset, digest.hex()) for offset, digest in position.marks]
    return position.key, position.head, json.dumps(marks)


def position_of(row: FileRow, fingerprint: FingerprintRow | None) -> Position:
    """What the rows of one file tell. Raises ValueError or TypeError for rows that are not of this shape."""
    key, source, path, met_path, device, inode, offset, window_bytes, window_hash, skipping, ahead, *rest = row
    size_bytes, mtime_ns, end, read_to, raw, told_lost, begun = rest
    _, head, marks = fingerprint or (key, b"", "[]")
    return Position(
        key,
        source,
        path.decode("utf-8", "surrogateescape"),
        met_path.decode("utf-8", "surrogateescape"),
        (int(device), int(inode)),
        offset,
        window_bytes,
        window_hash,
        bool(skipping),
        ahead,
        (size_bytes, mtime_ns),
        end,
        read_to,
        bool(raw),
        bool(told_lost),
        begun,
        head,
        [(place, bytes.fromhex(digest)) for place, digest in json.loads(marks)],
        fingerprint_changed=False,
    )
