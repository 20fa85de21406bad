"""Which known log a file is: one that lost its file, or a copy of one that still has it. Looks, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from logmetrics.sources.content import Content
from logmetrics.sources.ledger import Orphans
from logmetrics.sources.names import log_path
from logmetrics.sources.position import HEAD_BYTES, WINDOW_BYTES, Position, compare
from logmetrics.sources.tail import Tail


@dataclass(frozen=True, slots=True)
class Heir:
    """A file goes on with *position*, which had none, from *offset*; *end* is how much of the log the file has."""

    position: Position
    offset: int
    end: int


def find_heir(orphans: Orphans, path: str, content: Content) -> Heir | None:
    """The log without a file that *content* is, if any. Raises OSError."""
    for view in content.views():
        first = view.read(0, HEAD_BYTES)
        candidates = [p for p in orphans.heads.that_begin(first) if p in orphans and p.raw is view.raw]
        # The longest first: a shorter one that fits as well is an earlier copy of it.
        for position in sorted(candidates, key=lambda p: p.offset, reverse=True):
            seen = compare(position, view)
            if seen.window_same:
                return Heir(position, position.offset, seen.end)
    if log_path(path) != path:
        return _earlier_copy(orphans.related(path), content)
    return None


def _earlier_copy(related: Iterable[Position], content: Content) -> Heir | None:
    """A generation made before all was written, as copytruncate does: what it has is counted already."""
    for position in related:
        seen = compare(position, content)
        if seen.head_same and seen.line_start > 0 and seen.end < position.offset:
            return Heir(position, seen.line_start, seen.end)
    return None


def find_original(
    living: Callable[[bytes, str], Iterable[Tail]],
    path: str,
    content: Content,
    reopen: Callable[[Tail], Content | None],
) -> Tail | None:
    """The log that *content*, the file *path*, is a copy of, if any. Raises OSError."""
    for view in content.views():
        for tail in living(view.read(0, HEAD_BYTES), path):
            if tail.position.raw is view.raw and is_copy(view, tail, reopen):
                return tail
    return None


def is_copy(content: Content, tail: Tail, reopen: Callable[[Tail], Content | None]) -> bool:
    """Whether *content* and the log of *tail* are the same as far as both go."""
    position = tail.position
    if position.offset and compare(position, content).window_same:
        return True
    other = tail.content or reopen(tail)
    if other is None:
        return position.offset > 0 and compare(position, content).head_same
    try:
        beyond = max(position.read_to, HEAD_BYTES)
        shared = min(content.end(beyond), other.end(beyond))
        head = min(shared, HEAD_BYTES)
        last = max(shared - WINDOW_BYTES, 0)
        return shared > 0 and all(
            content.read(start, end - start) == other.read(start, end - start)
            for start, end in ((0, head), (last, shared))
        )
    finally:
        if other is not tail.content:
            other.close()
