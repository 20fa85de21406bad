"""Bytes of a log -> records. Most logs have one in each line; others are wrapped by a collector, cut into pieces by it,
indented over many lines, or written as UTF-16.

A framing holds no state: what it gives depends on the bytes alone, so that a log may be given to it in any blocks. It
says how many bytes the records have that it gives; what is left over comes again, with more behind it. Which framing a
log has is decided by its first line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from logmetrics.formats.prefix import prefix_of

# So much of a log's first line is looked at to tell its framing.
FIRST_BYTES = 1024


@dataclass(slots=True)
class Framed:
    """``records`` are the first ``used`` bytes of what was given, which are ``lines`` lines."""

    records: list[bytes]
    used: int
    lines: int


@dataclass(frozen=True, slots=True)
class Unit:
    """What one line says. Lines of one ``key`` belong together; without ``ends`` the next one of the key goes on."""

    key: bytes
    text: bytes
    ends: bool = True


@dataclass(slots=True)
class Framing:
    """How the records of a log are told. ``unwrap`` gives what a line holds; None: itself."""

    name: str
    unwrap: Callable[[bytes], Unit] | None = None

    def line_end(self, data: bytes, place: int) -> int:  # noqa: ARG002
        """The index behind the first newline in *data*, which stands at *place* of the log; 0 when there is none."""
        return data.find(b"\n") + 1

    def take(self, data: bytes, before: bytes, *, all_of_it: bool = False) -> Framed:
        """The records in *data*, which begins with a line, or behind an element of an array; *before* is what stands
        before it. *all_of_it*: give also those that are not complete, because they are too long.
        """
        start = 0
        if before.endswith(b"}"):
            start = _separator_end(data)
            if start < 0:
                return Framed([], len(data) if all_of_it else 0, 0)
        end = data.rfind(b"\n") + 1
        if end <= start:
            return Framed([], start, 0)
        lines = data[start : end - 1].split(b"\n")
        if self.unwrap is None and not _needs_care(lines):
            return Framed(lines, end, len(lines))
        taken = assemble(lines, self.unwrap, all_of_it=all_of_it)
        used = start + sum(map(len, lines[: taken.lines])) + taken.lines - taken.given_back
        return Framed(taken.records, used, taken.lines)


class Wide(Framing):
    """UTF-16, as PowerShell redirects output: a newline is two bytes at an even place."""

    def __init__(self, encoding: str) -> None:
        super().__init__(encoding)
        self._newline = "\n".encode(encoding)

    def line_end(self, data: bytes, place: int) -> int:
        """See Framing."""
        at = data.find(self._newline)
        while at >= 0 and (place + at) % 2:
            at = data.find(self._newline, at + 1)
        return at + 2 if at >= 0 else 0

    def take(self, data: bytes, before: bytes, *, all_of_it: bool = False) -> Framed:  # noqa: ARG002
        """See Framing; *data* begins at an even place."""
        end = data.rfind(self._newline)
        while end >= 0 and end % 2:
            end = data.rfind(self._newline, 0, end + 1)
        if end < 0:
            return Framed([], 0, 0)
        texts = data[:end].decode(self.name, "replace").removeprefix("\ufeff").split("\n")
        lines = [text.encode("utf-8", "replace") for text in texts]
        if not _needs_care(lines):
            return Framed(lines, end + 2, len(lines))
        taken = assemble(lines, None, all_of_it=all_of_it)
        left = sum(len(text.encode(self.name, "replace")) + 2 for text in texts[taken.lines :])
        return Framed(taken.records, end + 2 - left, taken.lines)


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
    log = entry.get("log") if entry.__class__ is dict else None
    if log.__class__ is not str:
        return Unit(b"", line)
    text = log.encode("utf-8", "replace")
    return Unit(str(entry.get("stream")).encode("utf-8", "replace"), text.removesuffix(b"\n"), text.endswith(b"\n"))


_CRI = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,18}(?:Z|[+-][0-9]{2}:[0-9]{2}) (stdout|stderr) ([A-Z:]+) ")


def _unwrap_cri(line: bytes) -> Unit:
    """`2026-01-02T03:04:05.123456789Z stdout F text`; P in place of F: cut, and goes on."""
    found = _CRI.match(line)
    if found is None:
        return Unit(b"", line)
    return Unit(found[1], line[found.end() :], not found[2].startswith(b"P"))


def _unwrap_journal_json(line: bytes) -> Unit:
    """What `journalctl -o json` prints; a message that is no text comes as a list of bytes, a very long one as null."""
    try:
        entry = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Unit(b"", line)
    if entry.__class__ is not dict or "MESSAGE" not in entry:
        return Unit(b"", line)
    message = entry["MESSAGE"]
    key = f"{entry.get('_PID')} {entry.get('SYSLOG_IDENTIFIER')}".encode("utf-8", "replace")
    if message.__class__ is list and all(byte.__class__ is int and 0 <= byte < 256 for byte in message):
        return Unit(key, bytes(message))
    return Unit(key, message.encode("utf-8", "replace") if message.__class__ is str else line)


@dataclass(slots=True)
class JournalExport(Framing):
    """What `journalctl -o export` prints: fields in lines, an empty line behind each entry. A field with a newline in
    it is a line with its name, its length in 8 bytes, little end first, and its bytes.
    """

    name: str = "journal export"

    def take(self, data: bytes, before: bytes, *, all_of_it: bool = False) -> Framed:  # noqa: ARG002
        """See Framing."""
        lines: list[Unit] = []
        ends: list[int] = []
        place = 0
        while (entry := _export_entry(data, place)) is not None:
            unit, place = entry
            lines.append(unit)
            ends.append(place)
        if not lines and all_of_it:
            return Framed([data], len(data), data.count(b"\n"))
        units = iter(lines)
        taken = assemble([unit.text for unit in lines], lambda _: next(units), all_of_it=all_of_it)
        used = ends[taken.lines - 1] if taken.lines else 0
        records = [record for record in taken.records if record]
        return Framed(records, used, data.count(b"\n", 0, used))


def _export_entry(data: bytes, place: int) -> tuple[Unit, int] | None:
    """The entry at *place* and where it ends; None when it is not complete."""
    fields: dict[bytes, bytes] = {}
    while (end := data.find(b"\n", place)) >= 0:
        line = data[place:end]
        place = end + 1
        if not line:
            key = fields.get(b"_PID", b"") + b" " + fields.get(b"SYSLOG_IDENTIFIER", b"")
            return Unit(key, fields.get(b"MESSAGE", b"")), place
        name, has_value, value = line.partition(b"=")
        if not has_value:
            size = int.from_bytes(data[place : place + 8], "little")
            end = place + 8 + size
            if len(data) <= end:
                return None
            value, place = data[place + 8 : end], end + 1
        fields[name] = value
    return None


PLAIN = Framing("lines")
_BY_FIRST_LINE: Sequence[tuple[Framing, re.Pattern[bytes]]] = (
    (Framing("docker json-file", _unwrap_docker), re.compile(rb'\{"log":".*"stream":"std|\{"log":".{1000}', re.DOTALL)),
    (Framing("cri", _unwrap_cri), _CRI),
    (
        Framing("journal json", _unwrap_journal_json),
        re.compile(rb'\{(?=.*"_[A-Z_]+" ?:)[ ]?"[A-Z_0-9]+" ?:', re.DOTALL),
    ),
    (JournalExport("journal export"), re.compile(rb"__CURSOR=")),
    # With a byte order mark, or beginning with two characters of ASCII.
    (Wide("utf-16-le"), re.compile(rb"\xff\xfe(?!\0\0)|(?:[\x20-\x7e]\0){2}")),
    (Wide("utf-16-be"), re.compile(rb"\xfe\xff|(?:\0[\x20-\x7e]){2}")),
)


# -- records of several lines


@dataclass(slots=True)
class Assembled:
    """``records`` are those of the first ``lines`` lines; of the last one so many bytes at its end are given back."""

    records: list[bytes]
    lines: int
    given_back: int = 0


@dataclass(slots=True)
class _Open:
    """What has begun at line ``first`` and is not complete; ``indent`` is how far its brace stands from the margin."""

    first: int
    indent: int = 0
    pieces: list[bytes] = field(default_factory=list)


# Last bytes of a line of text behind which there may be more to see: JSON behind other text, the first line of an
# object, a carriage return, the end of a colour.
_SUSPECT_ENDS = frozenset((b"{", b"}", b"[", b"\r", b"m"))
_SUSPECT_STARTS = frozenset((b" ", b"\t", b"\0", b"\xef", b"\x1b"))
# A line as short as this may be a brace alone.
_SHORT = 4


def _needs_care(lines: list[bytes]) -> bool:
    """Whether a line is no record as it stands. Nearly always false, so this is what costs time."""
    if min(map(len, lines)) < _SHORT and any(line.strip() in (b"{", b"[{") for line in lines):
        return True
    texts = [line for line in lines if line[:1] != b"{"]
    return bool(texts) and any(line[-1:] in _SUSPECT_ENDS or line[:1] in _SUSPECT_STARTS for line in texts)


def assemble(lines: Sequence[bytes], unwrap: Callable[[bytes], Unit] | None, *, all_of_it: bool) -> Assembled:
    """The records in *lines*, up to the first that is not complete. Order is that of their first lines."""
    cut: dict[bytes, _Open] = {}
    objects: dict[bytes, _Open] = {}
    done: list[tuple[int, int, bytes]] = []
    given_back: dict[int, int] = {}
    for number, line in enumerate(lines):
        first = number
        if unwrap is None:
            if not objects and line[:1] != b"{" and line[-1:] not in _SUSPECT_ENDS and line[:1] not in _SUSPECT_STARTS:
                done.append((number, number, line))
                continue
            key, text = b"", line
        else:
            unit = unwrap(line)
            key, text = unit.key, unit.text
            if not unit.ends:
                cut.setdefault(key, _Open(number)).pieces.append(text)
                continue
            if key in cut:
                begun = cut.pop(key)
                text, first = b"".join((*begun.pieces, text)), begun.first
        _place(key, text, first, number, objects, done, given_back)
    begun_at = [begun.first for begun in (*cut.values(), *objects.values())]
    end = len(lines) if all_of_it else min(begun_at, default=len(lines))
    if all_of_it:
        done += [
            (begun.first, len(lines) - 1, b"\n".join(begun.pieces)) for begun in (*cut.values(), *objects.values())
        ]
    while straddling := [first for first, last, _ in done if first < end <= last]:
        end = min(straddling)
    element = max(given_back, default=-1)
    back = 0
    if element >= 0 and not all_of_it and all(line.strip() in (b"", b"]") for line in lines[element + 1 : end]):
        # What follows an array's last element may be written anew, with more elements.
        end, back = element + 1, given_back[element]
    done.sort(key=lambda entry: entry[0])
    return Assembled([record for _, last, record in done if last < end], end, back)


def _place(
    key: bytes,
    text: bytes,
    first: int,
    number: int,
    objects: dict[bytes, _Open],
    done: list[tuple[int, int, bytes]],
    given_back: dict[int, int],
) -> None:
    """Find out what the line *number* is: a record, or a part of an object that goes over several lines."""
    # A line that begins with a brace is a record wherever it stands, so it is taken as it is.
    source, bare = (b"", text) if text[:1] == b"{" else prefix_of(text)
    key += source
    body = bare.strip()
    begun = objects.get(key)
    if begun is not None:
        indent = len(bare) - len(bare.lstrip())
        if body.startswith(b"}") and indent == begun.indent:
            del objects[key]
            done.append((begun.first, number, b"\n".join((*begun.pieces, b"}"))))
            rest = body[1:].lstrip(b", ")
            if rest == b"{":
                objects[key] = _Open(number, indent, [rest])
            elif indent and body == b"}" and text is bare:
                given_back[number] = len(bare) - len(bare.rstrip()) + 1
            return
        if indent > begun.indent or not body:
            begun.pieces.append(body)
            return
        del objects[key]
        done.append((begun.first, number - 1, b"\n".join(begun.pieces)))
    if body in (b"{", b"[{"):
        objects[key] = _Open(first, len(bare) - len(bare.lstrip()) + len(body) - 1, [b"{"])
    elif body.startswith(b"{"):
        done.append((first, number, text if text[:1] == b"{" else body))
    elif body != b",":
        done.append((first, number, _embedded_object(body) or text))


def _embedded_object(text: bytes) -> bytes | None:
    """The JSON object at the end of *text*, behind words of a logger."""
    if not text.endswith(b"}"):
        return None
    start = text.find(b"{")
    if start < 0 or text[start + 1 : start + 2] not in (b'"', b"}", b" "):
        start = text.find(b'{"')
    try:
        return text[start:] if start >= 0 and msgspec.json.decode(text[start:]).__class__ is dict else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


_SEPARATOR = re.compile(rb"[ \t\r]*(?:\n?\s*[,\]])?[ \t\r]*\n?")


def _separator_end(data: bytes) -> int:
    """Behind an element of an array: where the next one's line begins; -1 when that cannot be said yet.

    A program that writes its array anew puts a comma where the last bracket was.
    """
    if data.strip() in (b"", b"]", b","):
        return -1
    found = _SEPARATOR.match(data)
    assert found is not None
    return found.end()
