"""One open file, read in blocks of whole lines as it grows."""

from __future__ import annotations

import os
import stat

from logmetrics.rules.program import Log
from logmetrics.sources.discovery import FileId

# Larger blocks do not stay in the processor's caches: 1 MiB costs 40 to 60 % more for each line.
BLOCK_BYTES = 32 * 1024
_BOM = b"\xef\xbb\xbf"
_OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class Tail:
    """A log file. Its descriptor stays open, so that it can be read to its end whatever becomes of its name."""

    __slots__ = (
        "_partial",
        "_read_bytes",
        "_skipping",
        "fd",
        "file_id",
        "grown_s",
        "log",
        "max_line_bytes",
        "oversize",
        "path",
        "size_bytes",
    )

    def __init__(self, path: str, source: str, max_line_bytes: int) -> None:
        """Open *path*. Raises OSError, also for anything that is not a regular file."""
        self.fd = os.open(path, _OPEN_FLAGS)
        status = os.fstat(self.fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(self.fd)
            raise OSError(0, "is not a regular file", path)
        self.file_id: FileId = (status.st_dev, status.st_ino)
        self.path = path
        # What rules see. It keeps the name under which the file was met, also after a rotation.
        self.log = Log(path, source)
        self.max_line_bytes = max_line_bytes
        self.size_bytes = status.st_size
        # Monotonic time at which the file was last seen to grow.
        self.grown_s = 0.0
        # Lines longer than the bound, each counted when it is given up.
        self.oversize = 0
        # Bytes read from the file so far; those of the partial line included.
        self._read_bytes = 0
        # What was read past the last newline. Never holds a newline.
        self._partial = b""
        # True while the rest of an oversize line is thrown away.
        self._skipping = False

    @property
    def offset(self) -> int:
        """Bytes before the first line that was not handed out; the start of a line, or inside one being skipped."""
        return self._read_bytes - len(self._partial)

    @property
    def lag_bytes(self) -> int:
        return max(self.size_bytes - self._read_bytes, 0)

    def close(self) -> None:
        os.close(self.fd)

    def start_at_end(self) -> None:
        """Begin behind the last newline that is there, so that a line being written counts when it is complete."""
        first = max(self.size_bytes - self.max_line_bytes, 0)
        last_part = os.pread(self.fd, self.size_bytes - first, first)
        self._read_bytes = first + last_part.rfind(b"\n") + 1 if b"\n" in last_part else first

    def look(self) -> bool:
        """Take note of the size; True when the file got shorter and is read anew from its start."""
        self.size_bytes = os.fstat(self.fd).st_size
        if self.size_bytes >= self._read_bytes:
            return False
        self._read_bytes = 0
        self._partial = b""
        self._skipping = False
        return True

    def read_lines(self) -> list[bytes] | None:
        """The lines of the next block, without newlines; may be empty. None when there is nothing more to read."""
        data = os.pread(self.fd, BLOCK_BYTES, self._read_bytes)
        if not data:
            return None
        if self._read_bytes == 0 and data.startswith(_BOM):
            self._read_bytes = len(_BOM)
            data = data[len(_BOM) :]
        self._read_bytes += len(data)
        if self._skipping:
            newline = data.find(b"\n")
            if newline < 0:
                return []
            self._skipping = False
            data = data[newline + 1 :]
        end = data.rfind(b"\n")
        if end < 0:
            self._keep(self._partial + data)
            return []
        lines = (self._partial + data[:end]).split(b"\n")
        self._keep(data[end + 1 :])
        return self._bounded(lines)

    def _keep(self, partial: bytes) -> None:
        """Remember the start of a line, or give the line up when it is too long already."""
        if len(partial) > self.max_line_bytes:
            self.oversize += 1
            self._skipping = True
            partial = b""
        self._partial = partial

    def _bounded(self, lines: list[bytes]) -> list[bytes]:
        if len(lines[0]) <= self.max_line_bytes and self.max_line_bytes >= BLOCK_BYTES:
            return lines
        short = [line for line in lines if len(line) <= self.max_line_bytes]
        self.oversize += len(lines) - len(short)
        return short
