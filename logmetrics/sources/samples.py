"""The records of logs as they lie there, each with its place: for whoever looks at single records, not at totals."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass

from logmetrics.config.specs import SourceSpec
from logmetrics.sources.content import NeverStops, open_content
from logmetrics.sources.discovery import discover
from logmetrics.sources.records import Records

_READ_BYTES = 256 * 1024
_LINES_MAX = 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """One record; the lines that it takes up count from 1."""

    path: str
    first_line: int
    last_line: int
    record: bytes

    @property
    def place(self) -> str:
        """``path:line``, as editors and `logmetrics explain` take it."""
        return f"{self.path}:{self.first_line}"


def sample_paths(source: SourceSpec) -> tuple[list[str], dict[str, str]]:
    """The logs of *source*, by name, without compressed generations; and path -> why something cannot be read."""
    found = discover(source)
    return [file.path for file in found.files.values() if file.role == "log"], found.problems


def samples_of(path: str, source: SourceSpec, bytes_max: int | None = None) -> Iterator[Sample]:
    """The records of the log at *path*, told apart as a daemon with *source* would; a last line without an end is one.

    Of a long log the first *bytes_max* bytes are read. Raises OSError.
    """
    yield from _placed(path, _pieces(path, bytes_max), Records(source))


def samples_in(data: bytes, source: SourceSpec) -> Iterator[Sample]:
    """The records of *data*, which is a log by itself."""
    yield from _placed("", iter((data, _END)), Records(source))


def records_of(path: str, source: SourceSpec, bytes_max: int) -> Iterator[bytes]:
    """The same records without their places, which cost more than all else where records have many lines."""
    records = Records(source)
    for piece in _pieces(path, bytes_max):
        yield from records.take(piece) if piece else records.rest()


# The last piece of a log that was read to its end: nothing more comes.
_END = b""


def _pieces(path: str, bytes_max: int | None) -> Iterator[bytes]:
    content = open_content(path, NeverStops())
    try:
        offset = 0
        while bytes_max is None or offset < bytes_max:
            size_bytes = _READ_BYTES if bytes_max is None else min(_READ_BYTES, bytes_max - offset)
            piece = content.read(offset, size_bytes)
            offset += len(piece)
            yield piece or _END
            if not piece:
                return
    finally:
        content.close()


def _placed(path: str, pieces: Iterator[bytes], records: Records) -> Iterator[Sample]:
    """The records in *pieces*, each with its lines.

    Which lines a record takes up shows when it is complete; so lines are given one by one where records have several,
    and many at a time where each is one, or none is complete.
    """
    size = 1
    for piece in pieces:
        lines = lines_of(piece)
        at = 0
        while at < len(lines):
            batch = lines[at : at + size]
            tried = copy(records)
            taken = tried.take(b"".join(batch))
            done, first = tried.lines - records.lines, records.lines + 1
            if len(batch) > 1 and taken and not len(taken) == done == len(batch):
                size = len(batch) // 2
                continue
            if len(batch) > 1:
                yield from (Sample(path, number, number, record) for number, record in enumerate(taken, first))
            else:
                yield from (Sample(path, first, max(tried.lines, first), record) for record in taken)
            records, at = tried, at + len(batch)
            size = min(2 * size, _LINES_MAX)
        if not piece:
            first = records.lines + 1
            yield from (Sample(path, first, max(records.lines, first), record) for record in records.rest())


def lines_of(data: bytes) -> list[bytes]:
    """*data*, cut behind each newline."""
    *whole, rest = data.split(b"\n")
    return [*(line + b"\n" for line in whole), *([rest] if rest else [])]
