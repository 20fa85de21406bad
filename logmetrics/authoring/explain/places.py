"""Which record is meant by a place such as app.log:17, and which source of a config it belongs to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from logmetrics.config.specs import Config, SourceSpec
from logmetrics.errors import LogmetricsError, UsageError
from logmetrics.formats.framing import FIRST_BYTES, LINES, Framing, framing_of
from logmetrics.present.amounts import number_of
from logmetrics.sources.content import NeverStops, open_content
from logmetrics.sources.discovery import discover
from logmetrics.sources.samples import Sample, lines_of, samples_in, samples_of

_READ_BYTES = 256 * 1024
_BLOCK = 1_000
# A record with its envelope is at most so many times as long as a line may be.
_RAW_LINES_MAX = 2


@dataclass(frozen=True, slots=True)
class Found:
    """A record, or a line that is none: then ``sample`` is None. ``raw`` is what lies there."""

    sample: Sample | None
    first_line: int
    raw: bytes


def source_of(config: Config, path: str, name: str | None) -> SourceSpec:
    """The source that reads *path* (empty: standard input), or is called *name*; else one of format auto.

    Raises UsageError.
    """
    if name is not None:
        named = next((source for source in config.sources if source.name == name), None)
        if named is None:
            there = ", ".join(source.name for source in config.sources) or "none"
            raise UsageError(f"no source is called {name!r}; there are: {there}")
        return named
    if not path:
        stdin = [source for source in config.sources if source.is_stdin]
        return (stdin or list(config.sources) if len(config.sources) == 1 else stdin or [_any("")])[0]
    real = os.path.realpath(path)
    for source in config.sources:
        files = discover(source).files.values() if source.paths else ()
        if any(os.path.realpath(file.path) == real for file in files):
            return source
    return _any(path)


def _any(path: str) -> SourceSpec:
    return SourceSpec("logs", (path,) if path else (), is_stdin=not path)


def place_of(text: str) -> tuple[str, int | None]:
    """``app.log:17`` -> the path and the line; a file whose name ends so is meant as it is. Raises UsageError."""
    if not os.path.exists(text):
        path, colon, line = text.rpartition(":")
        if colon and line.isdecimal() and path:
            if line.strip("0") == "":
                raise UsageError(f"{text}: lines count from 1")
            return path, int(line)
    return text, None


def samples(path: str, data: bytes | None, source: SourceSpec) -> Iterator[Sample]:
    """The records of the file at *path*, or in *data*. Raises LogmetricsError."""
    if data is not None:
        yield from samples_in(data, source)
        return
    try:
        yield from samples_of(path, source)
    except OSError as error:
        raise LogmetricsError(f"{path}: cannot be read: {error.strerror or error}") from error


def find(path: str, line: int, source: SourceSpec, read: Callable[[list[bytes]], None]) -> Found:
    """The record of which *line* is one line; all records before it are given to *read*. Raises LogmetricsError."""
    before: list[bytes] = []
    kept_bytes_max = _RAW_LINES_MAX * source.max_line_bytes
    # Records that lie within others come at their last lines, so the first that has the line is the one.
    for sample in samples(path, None, source):
        if sample.first_line <= line <= sample.last_line:
            read(before)
            return Found(
                sample, sample.first_line, raw_lines(path, sample.first_line, sample.last_line, kept_bytes_max)
            )
        if sample.first_line > line:
            break
        before.append(sample.record)
        if len(before) >= _BLOCK:
            read(before)
            before = []
    raw = raw_lines(path, line, line, kept_bytes_max)
    if not raw:
        raise UsageError(f"{path} has {number_of('line', _count(path))}, and no line {line:,}")
    return Found(None, line, raw)


def raw_lines(path: str, first: int, last: int, bytes_max: int) -> bytes:
    """The bytes of these lines, as they lie there; of a line without an end little more than *bytes_max*."""
    content = open_content(path, NeverStops())
    try:
        offset, number, kept = 0, 1, bytearray()
        while data := content.read(offset, _READ_BYTES):
            offset += len(data)
            newlines = data.count(b"\n")
            if number + newlines >= first:
                for piece in lines_of(data):
                    if first <= number <= last:
                        kept += piece
                    number += piece.endswith(b"\n")
                    if number > last or len(kept) > bytes_max:
                        return bytes(kept)
            else:
                number += newlines
        return bytes(kept)
    finally:
        content.close()


def _count(path: str) -> int:
    content = open_content(path, NeverStops())
    try:
        offset = lines = 0
        data = last = b""
        while data := content.read(offset, _READ_BYTES):
            offset += len(data)
            lines += data.count(b"\n")
            last = data[-1:]
        return lines + (last not in (b"", b"\n"))
    finally:
        content.close()


def framing(path: str, data: bytes | None, source: SourceSpec) -> Framing:
    """How the records of the log are told."""
    if not source.unwraps:
        return LINES
    if data is None:
        content = open_content(path, NeverStops())
        try:
            data = content.read(0, FIRST_BYTES)
        finally:
            content.close()
    return framing_of(data[:FIRST_BYTES])
