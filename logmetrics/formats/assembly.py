"""Records that take several lines, put together: pieces of a line that was cut, and objects that are indented.

An indented object begins with a line that is a brace and nothing else, and ends with a brace that stands as far from
the margin; what is between stands further in. So no line needs to be parsed, and one that never ends is told by the
next line that stands too far out. The elements of an indented array are such objects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import msgspec

from logmetrics.formats.prefix import ESC, prefix_of

# Last and first bytes of a line of text in which there may be more to see: JSON behind other text, the first line of an
# object, a carriage return; and the last bytes of a colour.
_SUSPECT_ENDS = frozenset((b"{", b"}", b"[", b"\r", b" ", b"\t"))
_SUSPECT_STARTS = frozenset((b" ", b"\t", b"\0", b"\xef", b"\x1b"))
_COLOUR_ENDS = frozenset((b"m", b"K"))
_UNUSUAL_ENDS = _SUSPECT_ENDS | _COLOUR_ENDS
# A line as short as this may be a brace alone.
_SHORT = 4
_OPENERS = (b"{", b"[{")
_BLANKS = frozenset((b" ", b"\t", b"\r"))


@dataclass(frozen=True, slots=True)
class Unit:
    """What one line says. Lines of one ``key`` belong together; without ``ends`` the next one of the key goes on."""

    key: bytes
    text: bytes
    ends: bool = True


@dataclass(slots=True)
class Assembled:
    """``records`` are those of the first ``lines`` lines, and ``ahead`` more that lie between lines of one that is not
    complete. Of the last line so many bytes at its end are given back.
    """

    records: list[bytes]
    lines: int
    ahead: int = 0
    given_back: int = 0


# Slices by operator run in C.
start_of = itemgetter(slice(6))
_end_of = itemgetter(slice(-1, None))
# How an object begins that has its first key on the same line.
OBJECT = b'{"'


def needs_care(lines: list[bytes]) -> bool:
    """Whether a line is no record as it stands. Nearly always false, so this is what costs time."""
    starts = set(map(start_of, lines))
    if all(start[:2] == OBJECT for start in starts):
        return False
    if min(map(len, starts)) < _SHORT and any(line.strip() in _OPENERS for line in lines):
        return True
    ends = set(map(_end_of, lines))
    if not _BLANKS.isdisjoint(ends) and any(line.rstrip() in _OPENERS for line in lines):
        return True
    if not ends & _UNUSUAL_ENDS and _SUSPECT_STARTS.isdisjoint({start[:1] for start in starts}):
        return False
    return any(map(_is_suspect, [line for line in lines if line[:1] != b"{"]))


def _is_suspect(text: bytes) -> bool:
    end = text[-1:]
    return end in _SUSPECT_ENDS or text[:1] in _SUSPECT_STARTS or (end in _COLOUR_ENDS and ESC in text)


def assemble(lines: Sequence[bytes], unwrap: Callable[[bytes], Unit] | None, *, all_of_it: bool) -> Assembled:
    """The complete records in *lines*; with *all_of_it* also those that are not."""
    assembly = _Assembly(lines, is_plain=unwrap is None)
    for number, line in enumerate(lines):
        assembly.add(number, Unit(b"", line) if unwrap is None else unwrap(line))
    return assembly.result(all_of_it=all_of_it)


@dataclass(slots=True)
class _Begun:
    """What began at line ``first`` and is not complete; ``indent`` is how far its brace stands from the margin."""

    first: int
    indent: int = 0
    pieces: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class _Assembly:
    lines: Sequence[bytes]
    is_plain: bool
    # By whose lines they are.
    cut: dict[bytes, _Begun] = field(default_factory=dict)
    objects: dict[bytes, _Begun] = field(default_factory=dict)
    # First and last line of each complete record.
    done: list[tuple[int, int, bytes]] = field(default_factory=list)
    # Lines that end an element of an array with nothing behind it -> the bytes behind its brace.
    elements: dict[int, int] = field(default_factory=dict)
    passed_over: int = -1

    def add(self, number: int, unit: Unit) -> None:
        """Take the line *number*, which says *unit*."""
        if number - 1 in self.elements:
            self.passed_over = _separator(self.lines, number)
        if number <= self.passed_over:
            return
        if self.is_plain and not self.objects and unit.text[:1] != b"{" and not _is_suspect(unit.text):
            self.done.append((number, number, unit.text))
            return
        if not unit.ends:
            self.cut.setdefault(unit.key, _Begun(number)).pieces.append(unit.text)
            return
        text, first = unit.text, number
        if unit.key in self.cut:
            begun = self.cut.pop(unit.key)
            text, first = b"".join((*begun.pieces, text)), begun.first
        # A line that begins with a brace is a record wherever it stands, so it is taken as it is.
        source, bare = (b"", text) if text[:1] == b"{" else prefix_of(text)
        key = unit.key + source
        if key not in self.objects or not self._goes_on(key, number, text, bare):
            self._begin(key, first, number, text, bare)

    def _begin(self, key: bytes, first: int, number: int, text: bytes, bare: bytes) -> None:
        body = bare.strip()
        if body in _OPENERS:
            self.objects[key] = _Begun(first, len(bare) - len(bare.lstrip()) + len(body) - 1, [b"{"])
        elif body.startswith(b"{"):
            self.done.append((first, number, text if text[:1] == b"{" else body))
        else:
            self.done.append((first, number, _embedded_object(body) or text))

    def _goes_on(self, key: bytes, number: int, text: bytes, bare: bytes) -> bool:
        """Whether the line belongs to the object that *key* has begun; if not, that one will never be complete."""
        begun, body = self.objects[key], bare.strip()
        indent = len(bare) - len(bare.lstrip())
        if indent > begun.indent or not body:
            begun.pieces.append(body)
            return True
        del self.objects[key]
        if indent < begun.indent or not body.startswith(b"}"):
            self.done.append((begun.first, number, b"\n".join(begun.pieces)))  # only this line tells
            return False
        self.done.append((begun.first, number, b"\n".join((*begun.pieces, b"}"))))
        rest = body[1:].strip(b", \t\r")
        if rest == b"{":
            self.objects[key] = _Begun(number, indent, [rest])
        elif rest not in (b"", b"]"):
            self.done.append((number, number, body[1:].lstrip(b" \t\r")))
        elif body == b"}" and self.is_plain and text.rstrip() == bare.rstrip():
            self.elements[number] = len(text) - len(text.rstrip()) + 1
        return True

    def result(self, *, all_of_it: bool) -> Assembled:
        """Records in the order of their last lines, so that one that never ends holds up no other."""
        begun = [*self.cut.values(), *self.objects.values()]
        end = len(self.lines)
        if all_of_it:
            self.done += [(one.first, end - 1, b"\n".join(one.pieces)) for one in begun]
        else:
            end = min((one.first for one in begun), default=end)
        self.done.sort(key=lambda entry: (entry[1], entry[0]))
        for first, last, _ in reversed(self.done):
            if last < end:
                break
            end = min(first, end)  # a record is not cut in two
        element = max(self.elements, default=-1)
        behind = self.lines[element + 1 : end]
        if 0 <= element < end and not all_of_it and all(line.strip() in (b"", b"]") for line in behind):
            # What follows an array's last element may be written anew, with more elements.
            records = [record for _, last, record in self.done if last <= element]
            return Assembled(records, element + 1, given_back=self.elements[element])
        ahead = sum(last >= end for _, last, _ in self.done)
        return Assembled([record for _, _, record in self.done], end, ahead)


# What loggers put in front of a message that is JSON: times and punctuation, a name with a colon, or a level somewhere.
_LOGGER_WORDS = re.compile(
    rb"(?:[\s\[\]()|:,.;/+TZ0-9-]*|[\w.\[\]-]+:\s*|.*\b(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)\b.*)\Z",
    re.DOTALL | re.IGNORECASE,
)


def _embedded_object(text: bytes) -> bytes | None:
    """The JSON object at the end of *text*, behind words of a logger."""
    if not text.endswith(b"}"):
        return None
    start = text.find(b"{")
    if text[start + 1 : start + 2] not in (b'"', b"}", b" "):
        start = text.find(b'{"')
    if start < 0 or not _LOGGER_WORDS.match(text[:start]):
        return None
    try:
        return text[start:] if msgspec.json.decode(text[start:]).__class__ is dict else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _separator(lines: Sequence[bytes], number: int) -> int:
    """The number of the line that holds the comma or bracket behind an element of an array; -1 when there is none."""
    while number < len(lines) and not lines[number].strip():
        number += 1
    return number if number < len(lines) and lines[number].strip() in (b",", b"]") else -1


_SEPARATOR = re.compile(rb"(?:\s*[,\]][ \t\r]*(?=[\n{]))?[ \t\r]*\n?")


def separator_end(data: bytes) -> int:
    """Behind an element of an array: where the next one's line begins; -1 when that cannot be said yet.

    A program that writes its array anew puts a comma where the last bracket was.
    """
    if data.strip() in (b"", b"]", b","):
        return -1
    found = _SEPARATOR.match(data)
    assert found is not None
    return found.end()
