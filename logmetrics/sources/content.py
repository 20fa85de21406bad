"""The bytes of a file, plain or compressed, by their place in the log."""

from __future__ import annotations

import errno
import os
import stat
from typing import IO, Any, Protocol, cast

from logmetrics.sources.discovery import FileId, Signature, signature_of

_OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
# How compressed files begin.
MAGIC = {b"\x1f\x8b": "gz", b"\xfd7zXZ\0": "xz", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zst"}
# A frame's header has no more (RFC 8878, 3.1.1.1).
_ZSTD_HEADER_BYTES = 18
MAGIC_BYTES = max(map(len, MAGIC))
# Decompressed so much at a time while skipping to a place: bounds memory, whatever the file holds.
_SKIP_BYTES = 1024 * 1024


class StoppedError(Exception):
    """The daemon is to stop in the middle of skipping through a large compressed file."""


class StopFlag(Protocol):
    """Tells long work to end, and is told that it goes on."""

    stopping: bool

    def beat(self) -> None:
        """Called again and again."""


class NeverStops:
    """For work that is always done to its end."""

    stopping = False

    @staticmethod
    def beat() -> None:
        """Nobody listens."""


def go_on(stop: StopFlag) -> None:
    """Called in the middle of long work. Raises StoppedError when it is to end here."""
    stop.beat()
    if stop.stopping:
        raise StoppedError


class Content:
    """An open regular file. Offsets are those of the log, in bytes."""

    compressed = False

    def __init__(self, fd: int, *, raw: bool = False) -> None:
        self.fd = fd
        # True when this shows a compressed file as it is.
        self.raw = raw

    def views(self) -> tuple[Content, ...]:
        """What the file can be known by: its lines, and for a compressed file also itself."""
        return (self,)

    def status(self) -> os.stat_result:
        return os.fstat(self.fd)

    def read(self, offset: int, size_bytes: int) -> bytes:
        """At most *size_bytes* from *offset* on; fewer only at the end."""
        return os.pread(self.fd, size_bytes, offset)

    def end(self, beyond: int) -> int:  # noqa: ARG002
        """How many bytes the log has; when that is not known, a number larger than *beyond* if it has more."""
        return os.fstat(self.fd).st_size

    def next_data(self, offset: int) -> int:
        """Where after a hole at *offset* the file goes on; *offset* itself when there is none."""
        try:
            return os.lseek(self.fd, offset, os.SEEK_DATA)
        except OSError as error:
            # Nothing but a hole up to the end, or a file system that does not tell.
            return max(os.fstat(self.fd).st_size, offset) if error.errno == errno.ENXIO else offset

    def rest(self) -> None:
        """Nothing is read for a while: give back what can be had again."""

    def close(self) -> None:
        os.close(self.fd)


class CompressedContent(Content):
    """A compressed file, decompressed as it is read. Reading backwards starts from the beginning."""

    compressed = True

    def __init__(self, fd: int, kind: str, stop: StopFlag) -> None:
        super().__init__(fd)
        self.kind = kind
        self.stop = stop
        self._stream: IO[bytes] | None = None
        # How many bytes of the log the decoder has given.
        self._place = 0
        # The last bytes before that place, and where they begin: comparing looks at a place more than once.
        self._kept = b""
        self._kept_at = 0
        # The length, once the end was reached, and whether that is the end or only what is there so far.
        self.length: int | None = None
        self.complete = False
        self._seen: Signature | None = None

    def read(self, offset: int, size_bytes: int) -> bytes:
        self._begin_anew_if_changed()
        if self._stream is None or offset < self._kept_at:
            self._begin()
        while self._place < offset:
            go_on(self.stop)
            if not self._next(min(_SKIP_BYTES, offset - self._place)):
                return b""
            self._kept, self._kept_at = b"", self._place
        data = self._kept[offset - self._kept_at :]
        while len(data) < size_bytes and (more := self._next(size_bytes - len(data))):
            data += more
        self._kept, self._kept_at = data, offset
        return data[:size_bytes]

    def views(self) -> tuple[Content, ...]:
        return self, Content(self.fd, raw=True)

    def end(self, beyond: int) -> int:
        self._begin_anew_if_changed()
        if self.length is not None:
            return self.length
        self.read(beyond, 1)
        return self.length if self.length is not None else beyond + 1

    def next_data(self, offset: int) -> int:
        return offset

    def rest(self) -> None:
        if self._stream is not None:  # a decoder holds megabytes
            self._stream.close()
            self._stream = None
            self._kept = b""

    def close(self) -> None:
        self.rest()
        super().close()

    def _begin_anew_if_changed(self) -> None:
        """A file that is still being compressed grows; a decoder that met its end cannot go on."""
        seen = signature_of(self.status())
        if seen != self._seen:
            self._seen = seen
            self.complete = False
            self._begin()

    def _begin(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = _open_stream(os.fdopen(os.dup(self.fd), "rb"), self.kind)
        self._place = 0
        self._kept, self._kept_at = b"", 0
        self.length = None

    def _is_whole(self, length: int) -> bool:
        """Whether a stream that gave *length* bytes is all of it; zstd's reader ends without a word where it is cut."""
        if self.kind != "zst":
            return True
        import zstandard

        size = zstandard.frame_content_size(os.pread(self.fd, _ZSTD_HEADER_BYTES, 0))
        return size <= length  # -1 where the frame does not tell

    def _next(self, size_bytes: int) -> bytes:
        assert self._stream is not None
        if self.length is not None:
            return b""
        try:
            data = self._stream.read(size_bytes)
            if not data:
                self.complete = self._is_whole(self._place)
        except EOFError:  # cut off, or not yet complete
            data, self.complete = b"", False
        except OSError:
            raise
        except Exception as error:
            # zlib.error, lzma.LZMAError and ZstdError have no common base but this.
            raise OSError(0, f"is damaged: {error}") from error
        self._place += len(data)
        if not data:
            self.length = self._place
        return data


def _open_stream(file: IO[bytes], kind: str) -> IO[bytes]:
    file.seek(0)
    if kind == "gz":
        import gzip

        return _closing(gzip.GzipFile(fileobj=file), file)
    if kind == "xz":
        import lzma

        return _closing(lzma.LZMAFile(file), file)
    if kind == "bz2":
        import bz2

        return _closing(bz2.BZ2File(file), file)
    import zstandard

    decompressor = zstandard.ZstdDecompressor()
    return cast("IO[bytes]", decompressor.stream_reader(file, read_across_frames=True, closefd=True))


def _closing(stream: Any, file: IO[bytes]) -> IO[bytes]:
    """The standard library's readers leave a file open that was given to them."""
    close = stream.close

    def close_both() -> None:
        close()
        file.close()

    stream.close = close_both
    return cast("IO[bytes]", stream)


def open_content(path: str, stop: StopFlag) -> Content:
    """Open *path*, never waiting for anything. Raises OSError, also for anything that is not a regular file."""
    fd = os.open(path, _OPEN_FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(0, "is not a regular file", path)
        return with_its_kind(Content(fd), stop) or Content(fd)
    except OSError:
        os.close(fd)
        raise


def with_its_kind(content: Content, stop: StopFlag) -> Content | None:
    """*content* as what its first bytes say that it is, by the same descriptor; None while there are too few of them.

    Names do not tell: a file with any name may be compressed, and one that was empty when it was opened, too.
    """
    first = content.read(0, MAGIC_BYTES)
    for magic, kind in MAGIC.items():
        if first.startswith(magic):
            return CompressedContent(content.fd, kind, stop)
    return None if any(magic.startswith(first) for magic in MAGIC) else content


def file_id_of(status: os.stat_result) -> FileId:
    return status.st_dev, status.st_ino
