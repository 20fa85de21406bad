"""Bytes of a log -> records. Most logs have one in each line; others are wrapped by a collector, cut into pieces by it,
indented over many lines, or written as UTF-16.

A framing holds no state: what it gives depends on the bytes alone, so that a log may be given to it in any blocks. It
says how many bytes the records have that it gives; what is left over comes again, with more behind it. Which framing a
log has is decided by its first line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from logmetrics.formats.assembly import Unit, assemble, needs_care, separator_end
from logmetrics.formats.journal_export import Fields, entry_at

# So much of a log's first line is looked at to tell its framing.
FIRST_BYTES = 1024


class Stamped(bytes):
    """What a line says, with the time that its envelope gives: ISO 8601, or microseconds since 1970.

    A record that was put together from several lines has none.
    """

    time: str | int | None = None


def stamped(text: bytes, time: object) -> Stamped:
    """*text* with the *time* of its envelope."""
    made = Stamped(text)
    if isinstance(time, (str, int)):
        made.time = time
    return made


@dataclass(slots=True)
class Framed:
    """``records`` are the new ones; the first ``used`` bytes of what was given, ``lines`` lines, are done with.

    Behind these stand ``ahead`` records that were given already, between lines of one that is not complete.
    """

    records: list[bytes]
    used: int
    lines: int
    ahead: int = 0


@dataclass(slots=True)
class Framing:
    """How the records of a log are told. ``unwrap`` gives what a line holds; None: itself."""

    # Whether NULs mean something; else those at the start of a line are a hole that a truncation left.
    is_binary: ClassVar[bool] = False

    name: str
    unwrap: Callable[[bytes], Unit] | None = None

    def line_end(self, data: bytes, place: int) -> int:  # noqa: ARG002
        """The index behind the first newline in *data*, which stands at *place* of the log; 0 when there is none."""
        return data.find(b"\n") + 1

    def last_line_end(self, data: bytes) -> int:
        """The index behind the last newline in *data*, which stands at an even place; 0 when there is none."""
        return data.rfind(b"\n") + 1

    def take(self, data: bytes, before: bytes, ahead: int = 0, *, all_of_it: bool = False) -> Framed:
        """The records in *data*, which begins with a line, or behind an element of an array; *before* is what stands
        before it, *ahead* says how many were given already. *all_of_it*: give also those that are not complete.
        """
        start = 0
        if before.endswith(b"}"):
            start = separator_end(data)
            if start < 0:
                return Framed([], len(data) if all_of_it else 0, 0)
        end = data.rfind(b"\n") + 1
        if end <= start:
            return Framed([], 0, 0, ahead)
        lines = data[start : end - 1].split(b"\n")
        if self.unwrap is None and not needs_care(lines):
            return Framed(lines, end, len(lines))
        taken = assemble(lines, self.unwrap, all_of_it=all_of_it)
        # What separates an element from the next one is read with that, so that it makes no difference when it came.
        begin = start if taken.lines else 0
        used = begin + sum(map(len, lines[: taken.lines])) + taken.lines - taken.given_back
        if self.unwrap is None and taken.lines < len(lines) and data[end:].rstrip() == b"}" and not all_of_it:
            # An object is complete with its brace, also when its program writes no newline behind it.
            whole = assemble([*lines, data[end:].rstrip()], None, all_of_it=False)
            if whole.lines > len(lines) and whole.records[-1].startswith(b"{"):
                return Framed(whole.records[ahead:], start + len(data[start:].rstrip()), whole.lines)
        return Framed(taken.records[ahead:], used, taken.lines, taken.ahead)


class Wide(Framing):
    """UTF-16, as PowerShell redirects output: a newline is two bytes at an even place."""

    is_binary: ClassVar[bool] = True

    def __init__(self, encoding: str) -> None:
        super().__init__(encoding)
        self._newline = "\n".encode(encoding)

    def line_end(self, data: bytes, place: int) -> int:
        """See Framing."""
        at = data.find(self._newline)
        while at >= 0 and (place + at) % 2:
            at = data.find(self._newline, at + 1)
        return at + 2 if at >= 0 else 0

    def last_line_end(self, data: bytes) -> int:
        """See Framing."""
        at = data.rfind(self._newline)
        while at >= 0 and at % 2:
            at = data.rfind(self._newline, 0, at + 1)
        return at + 2 if at >= 0 else 0

    def take(self, data: bytes, before: bytes, ahead: int = 0, *, all_of_it: bool = False) -> Framed:  # noqa: ARG002
        """See Framing; *data* begins at an even place."""
        end = self.last_line_end(data) - 2
        if end < 0:
            return Framed([], 0, 0, ahead)
        texts = data[:end].decode(self.name, "replace").removeprefix("\ufeff").split("\n")
        lines = [text.encode("utf-8", "replace") for text in texts]
        if not needs_care(lines):
            return Framed(lines, end + 2, len(lines))
        taken = assemble(lines, None, all_of_it=all_of_it)
        if not taken.lines:
            return Framed(taken.records[ahead:], 0, 0, taken.ahead)
        left = sum(len(text.encode(self.name, "replace")) + 2 for text in texts[taken.lines :])
        return Framed(taken.records[ahead:], end + 2 - left, taken.lines, taken.ahead)


# -- which framing a log has


def framing_of(first: bytes) -> Framing:
    """The framing of a log that begins with *first*: its first line, or so much of it as is looked at."""
    line = first[:FIRST_BYTES].partition(b"\n")[0]
    for framing, pattern in _BY_FIRST_LINE:
        if pattern.match(line):
            return framing
    return PLAIN


def _unwrap_docker(line: bytes) -> Unit:
    """`{"log":"...\\n","stream":"stdout","time":"..."}`; a log without a newline is cut and goes on."""
    try:
        entry = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Unit(b"", line)
    if entry.__class__ is not dict or not entry.keys() <= _DOCKER_KEYS or entry.get("time").__class__ is not str:
        return Unit(b"", line)
    log, stream = entry.get("log"), entry.get("stream")
    if log.__class__ is not str or stream not in ("stdout", "stderr"):
        return Unit(b"", line)
    text = log.encode("utf-8", "replace")
    return Unit(stream.encode(), stamped(text.removesuffix(b"\n"), entry["time"]), text.endswith(b"\n"))


_DOCKER_KEYS = frozenset(("log", "stream", "time", "attrs"))
_CRI = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,18}(?:Z|[+-][0-9]{2}:[0-9]{2}) (stdout|stderr) ([A-Z:]+) ")


def _unwrap_cri(line: bytes) -> Unit:
    """`2026-01-02T03:04:05.123456789Z stdout F text`; P in place of F: cut, and goes on."""
    found = _CRI.match(line)
    if found is None:
        return Unit(b"", line)
    time = line[: line.index(b" ")].decode()
    return Unit(found[1], stamped(line[found.end() :], time), not found[2].startswith(b"P"))


def _unwrap_journal_json(line: bytes) -> Unit:
    """What `journalctl -o json` prints; a message that is no text comes as a list of bytes, a very long one as null."""
    try:
        entry = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Unit(b"", line)
    if entry.__class__ is not dict or "MESSAGE" not in entry or not any(key.startswith("_") for key in entry):
        return Unit(b"", line)
    message, time = entry["MESSAGE"], _microseconds(entry.get("__REALTIME_TIMESTAMP"))
    key = f"{entry.get('_PID')} {entry.get('SYSLOG_IDENTIFIER')}".encode("utf-8", "replace")
    ends = entry.get("_LINE_BREAK") != _CUT
    if message.__class__ is list and all(byte.__class__ is int and 0 <= byte < 256 for byte in message):
        return Unit(key, stamped(bytes(message), time), ends)
    return Unit(key, stamped(message.encode("utf-8", "replace") if message.__class__ is str else line, time), ends)


# What journald says in _LINE_BREAK of an entry whose line was longer than it takes (LineMax, 48 KiB) and goes on.
_CUT = "line-max"
_CUT_BYTES = _CUT.encode()
# As many as 64 bits have.
_MICROSECONDS_DIGITS_MAX = 20


def _microseconds(text: object) -> int | None:
    if isinstance(text, str) and text.isdecimal() and len(text) <= _MICROSECONDS_DIGITS_MAX:
        return int(text)
    return text if text.__class__ is int else None


@dataclass(slots=True)
class JournalExport(Framing):
    """What `journalctl -o export` prints; see ``journal_export``."""

    is_binary: ClassVar[bool] = True

    name: str = "journal export"

    def line_end(self, data: bytes, place: int) -> int:  # noqa: ARG002
        """See Framing; within an entry there is no telling fields from what they hold."""
        return data.find(b"\n\n__CURSOR=") + 2 if b"\n\n__CURSOR=" in data else 0

    def take(self, data: bytes, before: bytes, ahead: int = 0, *, all_of_it: bool = False) -> Framed:  # noqa: ARG002
        """See Framing; of an entry that is too long nothing can be given."""
        lines: list[Unit] = []
        ends: list[int] = []
        place = 0
        while (entry := entry_at(data, place)) is not None:
            fields, place = entry
            lines.append(journal_unit(fields))
            ends.append(place)
        units = iter(lines)
        taken = assemble([unit.text for unit in lines], lambda _: next(units), all_of_it=all_of_it)
        used = ends[taken.lines - 1] if taken.lines else 0
        records = [record for record in taken.records[ahead:] if record]
        return Framed(records, used, taken.lines, taken.ahead)


def journal_unit(fields: Fields) -> Unit:
    """What an entry of the journal says. One that journald cut, because a line was too long, goes on in the next."""
    key = fields.get(b"_PID", b"") + b" " + fields.get(b"SYSLOG_IDENTIFIER", b"")
    text, time = Stamped(fields.get(b"MESSAGE", b"")), fields.get(b"__REALTIME_TIMESTAMP", b"")
    if time.isdigit() and len(time) <= _MICROSECONDS_DIGITS_MAX:
        text.time = int(time)
    return Unit(key, text, fields.get(b"_LINE_BREAK") != _CUT_BYTES)


class Lines(Framing):
    """Each line is a record, whatever it looks like."""

    def take(self, data: bytes, before: bytes, ahead: int = 0, *, all_of_it: bool = False) -> Framed:  # noqa: ARG002
        """See Framing."""
        end = data.rfind(b"\n") + 1
        lines = data[: end - 1].split(b"\n") if end else []
        return Framed(lines, end, len(lines))


LINES = Lines("lines")
PLAIN = Framing("plain")
_BY_FIRST_LINE: Sequence[tuple[Framing, re.Pattern[bytes]]] = (
    (
        Framing("docker json-file", _unwrap_docker),
        re.compile(rb'\{"log": ?"(?:.*"stream": ?"std|.{1000})', re.DOTALL),
    ),
    (Framing("cri", _unwrap_cri), _CRI),
    (
        Framing("journal json", _unwrap_journal_json),
        re.compile(rb'\{ ?(?:(?=.*"_[A-Z_]+" ?:)"[A-Z_0-9]+" ?:|"MESSAGE" ?: ?".{1000})', re.DOTALL),
    ),
    (JournalExport("journal export"), re.compile(rb"__CURSOR=")),
    # With a byte order mark, or beginning with two characters of ASCII.
    (Wide("utf-16-le"), re.compile(rb"\xff\xfe(?!\0\0)|(?:[\t\r\x20-\x7e]\0){2}|[\x20-\x7e]\0\Z")),
    (Wide("utf-16-be"), re.compile(rb"\xfe\xff|(?:\0[\t\r\x20-\x7e]){2}|\0[\x20-\x7e]\0\Z")),
)
