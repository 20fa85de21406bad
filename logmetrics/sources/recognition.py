"""Which known log a file is: one that lost its file, or a copy of one that still has it. Looks, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass

from logmetrics.sources.content import Content
from logmetrics.sources.discovery import FileId, FoundFile
from logmetrics.sources.ledger import Orphans
from logmetrics.sources.names import log_path, may_be_copy
from logmetrics.sources.position import HEAD_BYTES, WINDOW_BYTES, Position, compare, is_telling
from logmetrics.sources.tail import Tail


@dataclass(frozen=True, slots=True)
class Heir:
    """A file goes on with *position*, which had none, from *offset*; *end* is how much of the log the file has."""

    position: Position
    offset: int
    end: int


def find_heir(orphans: Orphans, file: FoundFile, content: Content) -> Heir | None:
    """The log without a file that *content*, found as *file*, goes on with, if any. Raises OSError."""
    for view in content.views():
        first = view.read(0, HEAD_BYTES)
        candidates = [p for p in orphans.heads.that_begin(first) if p in orphans and p.raw is view.raw]
        # The longest first: a shorter one that fits as well is only how it begins. Then the one that had this file.
        candidates.sort(key=lambda p: (p.offset, p.file_id == file.file_id, p.path == file.path), reverse=True)
        for position in candidates:
            seen = compare(position, view)
            if seen.window_same:
                return Heir(position, position.offset, seen.end)
    return None


def find_earlier(orphans: Orphans, file: FoundFile, content: Content, not_of: Container[FileId]) -> Heir | None:
    """The log without a file that *content* was copied from before all of it was written, as copytruncate does.

    What such a copy has is counted already. Logs that had a file *not_of* are left out. Raises OSError.
    """
    if log_path(file.path) == file.path and not content.compressed:
        return None  # it has the name of a log, not of a copy
    first = content.read(0, HEAD_BYTES)
    for position in (*orphans.heads.that_begin(first), *orphans.heads.that_go_on(first)):
        if position not in orphans or position.raw or position.file_id in not_of:
            continue
        if content.compressed or may_be_copy(file.path, position.path, position.met_path):
            seen = compare(position, content)
            if seen.head_same and seen.line_start > 0 and seen.end < position.offset:
                return Heir(position, seen.line_start, seen.end)
    return None


@dataclass(frozen=True, slots=True)
class Original:
    """A file has the same lines as *tail*, whose file is another one; *diverged* when both go on differently."""

    tail: Tail
    diverged: bool


def find_original(
    living: Callable[[bytes], Iterable[Tail]], content: Content, reopen: Callable[[Tail], Content | None]
) -> Original | None:
    """The log that *content* is a copy of, if any. Raises OSError."""
    found = [
        original
        for view in content.views()
        for tail in living(view.read(0, HEAD_BYTES))
        if tail.position.raw is view.raw and (original := _compare_files(view, tail, reopen)) is not None
    ]
    return max(found, key=lambda original: (not original.diverged, original.tail.position.offset), default=None)


def _compare_files(content: Content, tail: Tail, reopen: Callable[[Tail], Content | None]) -> Original | None:
    """Hold *content* against what is known of *tail*, and against its file as it is now."""
    position = tail.position
    counted_same = position.offset > 0 and compare(position, content).window_same
    other = tail.content or reopen(tail)
    if other is None:
        return Original(tail, diverged=False) if counted_same else None
    try:
        beyond = max(position.read_to, HEAD_BYTES)
        shared = min(content.end(beyond), other.end(beyond))
        first = content.read(0, min(shared, HEAD_BYTES))
        last = max(shared - WINDOW_BYTES, 0)
        same = other.read(0, len(first)) == first and (
            content.read(last, shared - last) == other.read(last, shared - last)
        )
    finally:
        if other is not tail.content:
            other.close()
    if counted_same:
        return Original(tail, diverged=not same)
    return Original(tail, diverged=False) if same and is_telling(first) else None
