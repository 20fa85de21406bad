"""Which known log a file is: one that lost its file, or a copy of one that still has it. Looks, and changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from logmetrics.sources.content import CompressedContent, Content
from logmetrics.sources.discovery import FileId, FoundFile
from logmetrics.sources.ledger import Orphans
from logmetrics.sources.names import is_successor, log_name, log_path, names_of_originals
from logmetrics.sources.position import HEAD_BYTES, WINDOW_BYTES, Action, Position, compare, decide, is_telling
from logmetrics.sources.tail import Tail


class Kind(IntEnum):
    """What a file is to a log; of two that share as much, the higher one is meant."""

    # The log lost its end.
    SHORTENED = 0
    # Both begin alike, and each goes on in its own way.
    FORK = 1
    # A copy from before all was written, as copytruncate makes them.
    EARLIER = 2
    # A copy of a log that has its file.
    COPY = 3
    # The file of a log that lost its own.
    HEIR = 4


@dataclass(frozen=True, slots=True)
class Match:
    """A file and a known log are the same for at least *shared* bytes.

    *offset* is up to where the lines of the file are counted, 0 where that cannot be said yet, *end* how many bytes the
    file has of the log. *tail* is the log's own, if it has a file.
    """

    kind: Kind
    shared: int
    position: Position
    offset: int
    end: int
    tail: Tail | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What there is to compare a file with."""

    orphans: Orphans
    # The logs with a file that the file could be a copy of, by how they begin.
    living: Callable[[bytes], Iterable[Tail]]
    # Opens the file of a log whose descriptor was given back.
    reopen: Callable[[Tail], Content | None]
    # Files that could not be looked at: they may be what others only look like.
    unmet: Container[FileId]
    # Whether the file may be a log that only lost its end.
    shortened: bool


def best_match(file: FoundFile, content: Content, around: Surroundings) -> Match | None:
    """The log that *content*, found as *file*, has most in common with; None for one never seen. Raises OSError."""
    matches = [*_heirs(around.orphans, content), *_earlier(file, content, around), *_originals(content, around)]
    if around.shortened:
        matches += _shortened(file, content, around)

    def weight(match: Match) -> tuple[int, Kind, bool, bool]:
        position = match.position
        return match.shared, match.kind, position.file_id == file.file_id, position.path == file.path

    return max(matches, key=weight, default=None)


def _heirs(orphans: Orphans, content: Content) -> Iterator[Match]:
    for view in content.views():
        for position in orphans.heads.that_begin(view.read(0, HEAD_BYTES)):
            if position in orphans and position.raw is view.raw:
                seen = compare(position, view)
                if seen.window_same:
                    yield Match(Kind.HEIR, position.offset, position, position.offset, seen.end)


def _earlier(file: FoundFile, content: Content, around: Surroundings) -> Iterator[Match]:
    if log_path(file.path) == file.path and not content.compressed:
        return  # it has the name of a log, not of a copy
    first = content.read(0, HEAD_BYTES)
    names = names_of_originals(file.path)
    for position in (*around.orphans.heads.that_begin(first), *around.orphans.heads.that_go_on(first)):
        if position not in around.orphans or position.raw:
            continue
        of_this_name = not is_successor(file.path, position.path) and any(
            log_name(os.path.basename(path)) in names for path in (position.path, position.met_path)
        )
        if content.compressed or of_this_name:
            seen = compare(position, content)
            if seen.head_same and seen.line_start > 0 and seen.end < position.offset:
                # Of one that is not complete nobody knows where it will end; and the log itself may be there.
                whole = not isinstance(content, CompressedContent) or content.complete
                known = whole and position.file_id not in around.unmet
                yield Match(Kind.EARLIER, seen.verified, position, seen.line_start if known else 0, seen.end)


def _shortened(file: FoundFile, content: Content, around: Surroundings) -> Iterator[Match]:
    for position in around.orphans.of_file(file.path, file.file_id):
        same_file = position.file_id == file.file_id
        if position.raw or not (same_file or (position.path == file.path and position.file_id not in around.unmet)):
            continue
        seen = compare(position, content)
        decision = decide(position.offset, seen)
        # A new file under the old name is the old one only if there is enough of it to tell.
        if decision.reason == "shortened" and (same_file or seen.end >= HEAD_BYTES):
            yield Match(Kind.SHORTENED, seen.verified, position, decision.offset, seen.end)
        elif decision.action is Action.WAIT and position.offset:
            yield Match(Kind.SHORTENED, 0, position, 0, seen.end)


def _originals(content: Content, around: Surroundings) -> Iterator[Match]:
    for view in content.views():
        for tail in around.living(view.read(0, HEAD_BYTES)):
            if tail.position.raw is view.raw and (match := _against_file(view, tail, around.reopen)) is not None:
                yield match


def _against_file(content: Content, tail: Tail, reopen: Callable[[Tail], Content | None]) -> Match | None:
    """Hold *content* against what is known of *tail*, and against its file as it is now."""
    position = tail.position
    counted = position.offset if position.offset and compare(position, content).window_same else 0
    other = tail.content or reopen(tail)
    if other is None:
        end = content.end(counted)
        return Match(Kind.COPY, counted, position, position.offset, end, tail) if counted else None
    try:
        beyond = max(position.read_to, HEAD_BYTES)
        end = content.end(beyond)
        shared = min(end, other.end(beyond))
        first = content.read(0, min(shared, HEAD_BYTES))
        last = max(shared - WINDOW_BYTES, 0)
        same = (
            shared > 0
            and other.read(0, len(first)) == first
            and other.read(last, shared - last) == content.read(last, shared - last)
        )
    finally:
        if other is not tail.content:
            other.close()
    if same and (counted or is_telling(first)):
        return Match(Kind.COPY, max(shared, counted), position, position.offset, end, tail)
    return Match(Kind.FORK, counted, position, position.offset, end, tail) if counted else None
