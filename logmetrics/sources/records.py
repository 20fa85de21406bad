"""The records of a log that comes once, in any pieces."""

from __future__ import annotations

from logmetrics.config.specs import SourceSpec
from logmetrics.formats.framing import FIRST_BYTES, LINES, Framing, Wide, framing_of

_BOM = b"\xef\xbb\xbf"
# More than a framing looks at to find where a line ends.
_LINE_END_BYTES = 16


class Records:
    """What a framing makes of pieces; records that are too long are passed over. It counts as a file's reader does."""

    def __init__(self, spec: SourceSpec) -> None:
        self.spec = spec
        # Since they were last set to zero: lines and bytes done with, records that were too long.
        self.lines = self.bytes = self.oversize = 0
        # Known when the first line is.
        self._framing: Framing | None = None
        # What came and is no whole record yet, its place in the log, the byte before it, and how many of the records in
        # it were given nonetheless.
        self._partial = b""
        self._place = 0
        self._before = b""
        self._ahead = 0
        # True while the rest of a record that is too long is thrown away.
        self._skipping = False

    def take(self, data: bytes) -> list[bytes]:
        """The records that *data* completes."""
        self._partial += data
        if self._framing is None:
            if b"\n" not in self._partial and len(self._partial) < FIRST_BYTES:
                return []
            self._framing = framing_of(self._partial) if self.spec.unwraps else LINES
        if self._skipping and not self._skip(self._framing):
            return []
        at_start = self._place == 0
        records = self._framed(self._framing)
        if len(self._partial) > self.spec.max_line_bytes:
            records += self._framed(self._framing, all_of_it=True)
        if len(self._partial) > self.spec.max_line_bytes:
            self.oversize += 1
            self.lines += 1
            self._done(len(self._partial))
            self._ahead, self._skipping = 0, True
        if at_start and records and records[0].startswith(_BOM):
            records[0] = records[0].removeprefix(_BOM)
        return self._short(records)

    def rest(self) -> list[bytes]:
        """The records in what is left, when nothing will come any more: the last newline may be missing."""
        if self._skipping or not self._partial:
            return []
        framing = self._framing or (framing_of(self._partial) if self.spec.unwraps else LINES)
        added = b""
        if framing.last_line_end(self._partial) < len(self._partial):
            added = "\n".encode(framing.name) if isinstance(framing, Wide) else b"\n"
        self._framing = framing
        self._partial += added
        records = self._framed(framing, all_of_it=True)
        self.bytes -= len(added)
        return self._short([record.removeprefix(_BOM) if self._place == 0 else record for record in records])

    def _framed(self, framing: Framing, *, all_of_it: bool = False) -> list[bytes]:
        framed = framing.take(self._partial, self._before, self._ahead, all_of_it=all_of_it)
        self._ahead = framed.ahead
        self.lines += framed.lines
        self._done(framed.used)
        return framed.records

    def _skip(self, framing: Framing) -> bool:
        """Throw away what belongs to a record that is too long; True when that has ended."""
        end = framing.line_end(self._partial, self._place)
        self._done(end or max(len(self._partial) - _LINE_END_BYTES, 0) // 2 * 2)  # UTF-16 stays at even places
        self._skipping = not end
        return bool(end)

    def _done(self, used: int) -> None:
        self._before = self._partial[used - 1 : used] or self._before
        self._partial = self._partial[used:]
        self._place += used
        self.bytes += used

    def _short(self, records: list[bytes]) -> list[bytes]:
        short = [record for record in records if len(record) <= self.spec.max_line_bytes]
        self.oversize += len(records) - len(short)
        return short
