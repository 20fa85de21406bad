"""One log, read in blocks of whole lines as it grows."""

from __future__ import annotations

import os
import re

from logmetrics.formats.framing import FIRST_BYTES, LINES, PLAIN, Framed, Framing, Wide, framing_of
from logmetrics.rules.log import Log
from logmetrics.sources.content import Content
from logmetrics.sources.discovery import FoundFile, signature_of
from logmetrics.sources.position import HEAD_BYTES, WINDOW_BYTES, Position, hash_of, line_start
from logmetrics.sources.reader import SourceReader

# Larger blocks do not stay in the processor's caches: 1 MiB costs 40 to 60 % more for each line.
BLOCK_BYTES = 64 * 1024
# Time stamps are not finer than this: a file that changed is verified again when it has been still for so long.
SETTLE_S = 0.03
_BEYOND_ANY_END = 1 << 62
# UTF-16, big end first.
_MAY_BE_WIDE = re.compile(rb"\0(?:[\x20-\x7e]|\Z)")
_BOM = b"\xef\xbb\xbf"


class ContentChangedError(Exception):
    """What was counted is no longer what stands before the place to read from. Internal: the file is looked at anew."""


class Tail:
    """A log that is followed. While ``content`` is open it can be read to its end whatever becomes of its name."""

    __slots__ = (
        "_ahead",
        "_counted_to",
        "_counted_window",
        "_framing",
        "_nuls_to",
        "_partial",
        "_sample",
        "_settled_s",
        "_skipping",
        "_unsettled",
        "_window",
        "content",
        "first",
        "found",
        "given_up",
        "grown_s",
        "identified",
        "lines",
        "log",
        "nul_bytes",
        "oversize",
        "position",
        "reader",
    )

    def __init__(self, position: Position, reader: SourceReader, found: FoundFile, content: Content | None) -> None:
        self.position = position
        self.reader = reader
        self.found = found
        # None while the descriptor is given back.
        self.content = content
        # What rules see. It keeps the name under which the log was met, also after a rotation.
        self.log = Log(position.met_path, reader.spec.name)
        # False until its content was held against all that is known; nothing is read before.
        self.identified = False
        # The first bytes of the file when that was done, and the last ones that were there then with their place.
        self.first = b""
        self._sample = (0, b"")
        # Monotonic time at which the file was last seen to grow.
        self.grown_s = 0.0
        # Lines taken, records that were too long, those of them given up at a block's end, NULs skipped before lines.
        self.lines = self.oversize = self.given_up = self.nul_bytes = 0
        self._unsettled = False
        self._settled_s = 0.0
        self._prepare(b"")

    def move_to(self, reader: SourceReader, found: FoundFile) -> None:
        """The file, which has its turns, has the name *found* now, which belongs to the source of *reader*."""
        self.found = found
        if reader is not self.reader:
            self.reader.files -= 1
            reader.files += 1
            self.reader = reader
            self.log = Log(self.position.met_path, reader.spec.name, self.log.told)

    def restart(self, position: Position) -> None:
        """The file is *position*'s log from now on, and that has to be found true."""
        self.position = position
        self.log = Log(position.met_path, self.reader.spec.name)
        self.identified = False
        self.first = b""
        self._sample = (0, b"")
        position.read_to = position.offset
        self._prepare(b"")

    def _prepare(self, window: bytes) -> None:
        # The bytes right before the place to read from, which is `position.read_to`.
        self._window = window
        # The bytes before `offset`.
        self._counted_window = window
        # What was read and is no whole record yet, and how many records in it were handed out nonetheless.
        self._partial = b""
        self._ahead = self.position.ahead
        # Up to here the log is counted.
        self._counted_to = self.position.offset
        # Known when the first line is.
        self._framing: Framing | None = None
        # True while the rest of an oversize line is thrown away.
        self._skipping = self.position.skipping
        # Up to here there is nothing but NULs, which may be a hole that the writer fills later.
        self._nuls_to = 0

    @property
    def offset(self) -> int:
        """Bytes before the first line that was not handed out; the start of a line, or inside one being skipped."""
        return self.position.read_to - len(self._partial)

    @property
    def lag_bytes(self) -> int:
        return max(self.position.end - self.looked_to, 0)

    @property
    def looked_to(self) -> int:
        """Up to here the log was looked at; behind what was read there may be NULs that wait for what follows them."""
        return max(self.position.read_to, self._nuls_to)

    @property
    def is_deleted(self) -> bool:
        """Whether the file has no name left anywhere. Raises OSError."""
        return self.content is not None and self.content.status().st_nlink == 0

    def resume(self) -> None:
        """Go on at the position. Raises ContentChangedError when the file is no longer what it was a moment ago."""
        assert self.content is not None
        position = self.position
        window = self.content.read(position.offset - position.window_bytes, position.window_bytes)
        if hash_of(window) != position.window_hash:
            raise ContentChangedError
        position.read_to = position.offset
        self._prepare(window)

    def start_at_end(self) -> None:
        """Begin behind the last newline that is there, so that a line being written counts when it is complete."""
        assert self.content is not None
        self.start_at(line_start(self.content, self.content.end(_BEYOND_ANY_END)))

    def start_at(self, offset: int, *, skipping: bool = False, ahead: int = 0) -> None:
        """Begin at *offset*; see Position. What stands before it is not read."""
        assert self.content is not None
        position = self.position
        position.begun, position.skipping, position.ahead = offset, skipping, ahead
        first = self.content.read(0, HEAD_BYTES)
        position.head, position.marks = b"", []
        position.grow_head(first[:offset] if offset or not ahead else first[: first.rfind(b"\n") + 1])
        position.advance(offset, self.content.read(max(offset - WINDOW_BYTES, 0), min(WINDOW_BYTES, offset)))
        position.end = self.content.end(_BEYOND_ANY_END)
        self.resume()

    def cut(self, offset: int) -> None:
        """The log ends before the place up to which it was counted: go on at *offset*."""
        assert self.content is not None
        size = min(WINDOW_BYTES, offset)
        self.position.cut(offset, self.content.read(offset - size, size))

    def close(self) -> None:
        if self.content is not None:
            self.content.close()
            self.content = None

    def has_changed(self) -> bool:
        """Whether the file, which is not open, is other than when it was closed. Raises OSError."""
        if self.position.raw:
            return False
        return signature_of(os.stat(self.position.path)) != self.position.signature

    def is_still(self, now_s: float) -> bool:
        """Whether there is surely nothing to do: a file that looks as it did, with nothing to read, or to verify at
        *now_s*.

        Not more than one system call: it is asked of each of ten thousand files.
        """
        content, position = self.content, self.position
        try:
            if content is None:
                return not self.has_changed()
            if position.end > position.read_to or (self._unsettled and now_s >= self._settled_s):
                return False
            status = content.status()
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == position.signature

    def look(self, now_s: float) -> bool:
        """Take note of size and time of change; True when there is something to read or to verify."""
        assert self.content is not None
        signature = signature_of(self.content.status())
        if signature != self.position.signature:
            self.position.signature = signature
            self.unsettle(now_s)
            self._nuls_to = 0
            return True
        if self._unsettled:
            self._unsettled = now_s < self._settled_s
            return True
        return self.lag_bytes > 0

    def unsettle(self, now_s: float) -> None:
        """Verify once more when it has been still for long enough, whatever the file looks like."""
        self._unsettled = True
        self._settled_s = now_s + SETTLE_S

    def holds(self) -> bool:
        """Whether what was read last still stands right before the place to read from; then the end is noted too."""
        assert self.content is not None
        place, size = self.position.read_to, len(self._window)
        if self.content.read(place - size, size) != self._window:
            return False
        if place == 0 and not self._is_as_seen():
            return False
        end = self.content.end(place)
        if end < place:
            return False
        self.position.end = end
        return True

    def remember(self) -> None:
        """Keep what the file looks like, of which nothing is read yet: it may be rewritten before it is."""
        assert self.content is not None
        end = self.content.end(HEAD_BYTES)
        start = max(end - WINDOW_BYTES, 0)
        self._sample = (start, self.content.read(start, end - start))

    def _is_as_seen(self) -> bool:
        assert self.content is not None
        start, sample = self._sample
        read = self.content.read
        return read(0, len(self.first)) == self.first and read(start, len(sample)) == sample

    def read_records(self) -> list[bytes] | None:
        """The records of the next block; may be empty. None when there is nothing more to read.

        Raises ContentChangedError, and then nothing was taken, when the file was rewritten before or during the read.
        """
        assert self.content is not None
        place = self.position.read_to
        data = self.content.read(place, BLOCK_BYTES - place % BLOCK_BYTES)  # at whose end too long records are given up
        if not data:
            return None
        # After the read: what was read belongs to the same content as what was counted. (A decoder reads on in what it
        # began with; `holds` looks at it when the file has changed.)
        size = len(self._window)
        if not self.content.compressed and self.content.read(place - size, size) != self._window:
            raise ContentChangedError
        if self.content.compressed:
            self.position.end = self.content.end(place + len(data))
        framing = self._told_framing(data)
        if data[0] == 0 and self._partial.endswith(b"\n") and not framing.is_binary:
            return self._give_up_pending(framing)
        is_hole = data[0] == 0 and not self._partial and not self._skipping and not framing.is_binary
        if is_hole and not (self._framing is None and _MAY_BE_WIDE.match(data)):
            data = self._skip_nuls(data)
            if not data:
                return [] if self.lag_bytes else None
        return self._take(data, framing)

    def _give_up_pending(self, framing: Framing) -> list[bytes]:
        """A hole follows, so what was begun is over."""
        framed = framing.take(self._partial, self._counted_window, self._ahead, all_of_it=True)
        self._partial = self._counted(self._partial, framed)
        if not framed.used:
            self._count(self._partial, len(self._partial))
            self._partial = b""
            self._ahead = 0
        return self._bounded(framed.records)

    def _told_framing(self, data: bytes) -> Framing:
        """How the log's records are told, by its first line; *data* is what follows what was read."""
        if not self.reader.spec.unwraps:
            return LINES
        if self._framing is None:
            first = self.position.head if self.offset else self._partial + data
            if not self.offset and b"\n" not in first and len(first) < FIRST_BYTES:
                return PLAIN  # for now: there is no whole line to take
            self._framing = framing_of(first)
        return self._framing

    def _take(self, data: bytes, framing: Framing) -> list[bytes]:
        # The search for one byte is twenty times as fast as that for two, and there are hardly ever NULs.
        if b"\0" in data and not framing.is_binary and (hole := data.find(b"\n\0")) >= 0:
            data = data[: hole + 1]  # NULs at the start of a line are for the next read
        place = self.position.read_to
        if self._skipping and isinstance(framing, Wide) and (place + len(data)) % 2:
            data = data[:-1]  # the half of a newline tells nothing
            if not data:
                return []
        self._window = _last(self._window, data, len(data))
        self._sample = (0, b"")  # the window tells from now on
        self.position.read_to += len(data)
        if self._skipping:
            end = framing.line_end(data, place)
            self._count(data, end or len(data))
            if not end:
                return []
            self._skipping = False
            data = data[end:]
        pending = self._partial + data
        at_start = place == len(self._partial)
        framed = framing.take(pending, self._counted_window, self._ahead)
        records = framed.records
        rest = self._counted(pending, framed)
        if len(rest) > self.reader.spec.max_line_bytes:
            self.given_up += 1
            framed = framing.take(rest, self._counted_window, self._ahead, all_of_it=True)
            records = records + framed.records
            rest = self._counted(rest, framed)
        self._keep(rest)
        if at_start and records and records[0].startswith(_BOM):  # any other stays what it is, its time included
            records[0] = records[0].removeprefix(_BOM)
        return self._bounded(records)

    def _counted(self, pending: bytes, framed: Framed) -> bytes:
        """What is left of *pending* behind what was taken."""
        self._ahead = framed.ahead
        if not framed.used:
            return pending
        self._count(pending, framed.used)
        self.lines += framed.lines
        return pending[framed.used :]

    def _count(self, data: bytes, end: int) -> None:
        """Everything before *end* in *data*, which stands behind what was counted, counts."""
        known = len(self.position.head)
        if known < HEAD_BYTES:
            # Of what lies ahead the head may know something already.
            self.position.grow_head(data[max(known - self._counted_to, 0) : end])
        self._counted_to += end
        self._counted_window = _last(self._counted_window, data, end)

    def _keep(self, partial: bytes) -> None:
        """Remember the start of a record, or give it up when it is too long already."""
        if len(partial) > self.reader.spec.max_line_bytes:
            self._count(partial, len(partial))
            self.oversize += 1
            self.lines += 1
            self._skipping = True
            self._ahead = 0
            partial = b""
        self._partial = partial

    def _bounded(self, records: list[bytes]) -> list[bytes]:
        max_line_bytes = self.reader.spec.max_line_bytes
        if not records or (len(records[0]) <= max_line_bytes and max_line_bytes >= BLOCK_BYTES):
            return records
        short = [record for record in records if len(record) <= max_line_bytes]
        self.oversize += len(records) - len(short)
        return short

    def _skip_nuls(self, data: bytes) -> bytes:
        """Drop the NULs at the start of a line, once something follows them: a writer may yet fill the hole.

        A writer that does not append leaves such a hole when its log is truncated under it.
        """
        assert self.content is not None
        start = self.position.read_to
        place = max(start, self._nuls_to)
        if place > start:
            data = self.content.read(place, BLOCK_BYTES)
        rest = data.lstrip(b"\0")
        nuls = len(data) - len(rest)
        if not rest:
            self._nuls_to = max(place + nuls, min(self.content.next_data(place + nuls), self.position.end))
            return b""
        skipped = place + nuls - start
        if len(self.position.head) < HEAD_BYTES:
            self.position.grow_head(bytes(min(skipped, HEAD_BYTES)))
        self.nul_bytes += skipped
        self._window = self._counted_window = (self._window + bytes(min(skipped, WINDOW_BYTES)))[-WINDOW_BYTES:]
        self.position.read_to += skipped
        self._counted_to += skipped
        self._nuls_to = 0
        return rest

    def note(self) -> None:
        """Bring the position up to date."""
        offset = self.offset
        position = self.position
        if (offset, self._skipping, self._ahead) != (position.offset, position.skipping, position.ahead):
            position.skipping, position.ahead = self._skipping, self._ahead
            if self._ahead and not position.head:
                # Only what is known of a log's beginning tells after a restart that these records are counted.
                position.grow_head(self._partial[: self._partial.rfind(b"\n") + 1])
            self.position.advance(offset, self._counted_window)


def _last(before: bytes, data: bytes, end: int) -> bytes:
    """The last bytes of *before* and *data* up to *end*."""
    start = end - WINDOW_BYTES
    return data[start:end] if start >= 0 else (before + data[:end])[-WINDOW_BYTES:]
