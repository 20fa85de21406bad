"""The records of logs as they lie there, each with its place: for whoever looks at single records, not at totals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from logmetrics.config.specs import SourceSpec
from logmetrics.sources.content import Content, NeverStops, open_content
from logmetrics.sources.discovery import discover
from logmetrics.sources.records import Records

_READ_BYTES = 256 * 1024


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
    content = open_content(path, NeverStops())
    try:
        yield from _samples(path, content, Records(source), bytes_max)
    finally:
        content.close()


def samples_in(data: bytes, source: SourceSpec) -> Iterator[Sample]:
    """The records of *data*, which is a log by itself."""
    records, done = Records(source), 0
    for line in _lines(data):
        taken = records.take(line)
        yield from (Sample("", done + 1, max(records.lines, done + 1), record) for record in taken)
        done = records.lines
    yield from (Sample("", done + 1, max(records.lines, done + 1), record) for record in records.rest())


def _samples(path: str, content: Content, records: Records, bytes_max: int | None) -> Iterator[Sample]:
    offset, done = 0, 0
    is_cut = False
    while not is_cut and (data := content.read(offset, _READ_BYTES)):
        if bytes_max is not None and offset + len(data) >= bytes_max:
            data, is_cut = data[: bytes_max - offset], True
        offset += len(data)
        for line in _lines(data):
            taken = records.take(line)
            yield from (Sample(path, done + 1, max(records.lines, done + 1), record) for record in taken)
            done = records.lines
    if not is_cut:
        yield from (Sample(path, done + 1, max(records.lines, done + 1), record) for record in records.rest())


def _lines(data: bytes) -> list[bytes]:
    """*data*, cut behind each newline."""
    *whole, rest = data.split(b"\n")
    return [*(line + b"\n" for line in whole), *([rest] if rest else [])]
