"""Entries in journald's export format, as `journalctl -o export` prints them.

Fields are lines, `NAME=value`, and an empty line stands behind each entry. A field with a newline in it is a line with
its name, its length in 8 bytes, little end first, its bytes, and a newline:
https://systemd.io/JOURNAL_EXPORT_FORMATS/#journal-export-format
"""

from __future__ import annotations

_SIZE_BYTES = 8
# Of a line of an entry that is too long so much is kept: more than any of the journal's own fields has.
_KEPT_BYTES = 1024

Fields = dict[bytes, bytes]


def entry_at(data: bytes, place: int) -> tuple[Fields, int] | None:
    """The fields of the entry at *place* and the place behind it; None when it is not complete.

    The journal's own fields, whose names begin with two underscores, come first, and once.
    """
    end = data.find(b"\n\n", place)
    if end < 0:
        return None
    lines = data[place:end].split(b"\n")
    try:
        # A field that has a newline in it begins with a line without "=", which this refuses.
        fields = dict([line.split(b"=", 1) for line in lines])
    except ValueError:
        return _entry_with_binary(data, place)
    return (fields, end + 2) if len(fields) == len(lines) else _entry_with_binary(data, place)


def _entry_with_binary(data: bytes, place: int) -> tuple[Fields, int] | None:
    """The same for an entry with any fields."""
    fields: Fields = {}
    while (end := data.find(b"\n", place)) >= 0:
        line = data[place:end]
        place = end + 1
        if not line:
            return fields, place
        name, has_value, value = line.partition(b"=")
        if not has_value:
            start = place + _SIZE_BYTES
            end = start + int.from_bytes(data[place:start], "little")
            if len(data) <= end:
                return None
            value, place = data[start:end], end + 1
        if name[:2] != b"__" or name not in fields:
            fields[name] = value
    return None


class LongEntry:
    """An entry that is too long to be kept: the journal's own fields of it, and where it ends."""

    def __init__(self) -> None:
        self.fields: Fields = {}
        self._line = b""
        # Whether all of the line is in `_line`, and whether there was a "=" in it.
        self._is_text = False
        # The bytes of a length that are there; None: no length is being read.
        self._size: bytes | None = None
        # So many bytes of a field, and the newline behind it, are still to come.
        self._left = 0

    def feed(self, data: bytes) -> int:
        """Take the entry's next bytes; the place in *data* behind it, or -1 when it goes on."""
        place = 0
        while place < len(data):
            if self._left:
                step = min(self._left, len(data) - place)
                self._left -= step
                place += step
            elif self._size is not None:
                taken = data[place : place + _SIZE_BYTES - len(self._size)]
                self._size += taken
                place += len(taken)
                if len(self._size) == _SIZE_BYTES:
                    self._left = int.from_bytes(self._size, "little") + 1
                    self._size = None
            else:
                end = data.find(b"\n", place)
                part = data[place : end if end >= 0 else len(data)]
                self._is_text = self._is_text or b"=" in part
                self._line += part[: _KEPT_BYTES - len(self._line)]
                if end < 0:
                    return -1
                place = end + 1
                if not self._line:
                    return place
                self._end_line()
        return -1

    def _end_line(self) -> None:
        name, _, value = self._line.partition(b"=")
        if not self._is_text:
            self._size = b""
        elif name[:2] == b"__":
            self.fields.setdefault(name, value)
        self._line, self._is_text = b"", False
