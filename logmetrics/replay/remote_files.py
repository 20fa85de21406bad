"""Logs that are not on this machine's disks, such as s3://bucket/agents/*.log: found and read through fsspec.

What an fsspec file system raises is of its own making; here it becomes an OSError, as of any file.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import IO, TYPE_CHECKING, Any

from logmetrics.errors import ReplayError, UsageError
from logmetrics.sources.content import MAGIC, MAGIC_BYTES, Content, NeverStops, StopFlag, open_content, with_its_kind
from logmetrics.sources.discovery import FoundFile, is_left_out
from logmetrics.sources.names import COMPRESSED

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# So much is fetched at a time: what a block of records needs, some times over.
_BLOCK_BYTES = 1024 * 1024
_Info = dict[str, Any]


def is_remote(path: str) -> bool:
    """Whether *path* is a URL."""
    return "://" in path


def open_anywhere(path: str, stop: StopFlag = NeverStops) -> Content:
    """Open the log at *path*, a name or a URL. Raises OSError."""
    if not is_remote(path):
        return open_content(path, stop)
    system, name = _file_system(path)
    with _as_os_error():
        try:
            file: IO[bytes] = system.open(name, "rb", block_size=_BLOCK_BYTES)
            first = file.read(MAGIC_BYTES)
            size_bytes = file.seek(0, os.SEEK_END)
            if is_remote(name) and size_bytes > _BLOCK_BYTES:
                file.seek(-1, os.SEEK_END)
                file.read(1)  # only the web may refuse that, and only far behind the beginning
        except ValueError:  # a web server that gives only all of a file
            return _fetched(system.open(name, "rb", block_size=0), stop)
        if any(first.startswith(magic) for magic in MAGIC):
            file.seek(0)
            return _fetched(file, stop)
        return RemoteContent(file, size_bytes)


def _fetched(file: IO[bytes], stop: StopFlag) -> Content:
    """All of *file* in a temporary one: what is compressed can only be read from its start to its end."""
    with file, tempfile.TemporaryFile(prefix="logmetrics-") as copy:
        shutil.copyfileobj(file, copy, _BLOCK_BYTES)
        copy.flush()
        content = Content(os.dup(copy.fileno()))
    return with_its_kind(content, stop) or content


class RemoteContent(Content):
    """A plain file behind fsspec."""

    def __init__(self, file: IO[bytes], size_bytes: int) -> None:
        super().__init__(-1)
        self._file = file
        self._size_bytes = size_bytes

    def read(self, offset: int, size_bytes: int) -> bytes:
        """See Content. Raises OSError."""
        with _as_os_error():
            self._file.seek(offset)
            return self._file.read(size_bytes)

    def end(self, beyond: int) -> int:  # noqa: ARG002
        """See Content."""
        return self._size_bytes

    def next_data(self, offset: int) -> int:
        """See Content."""
        return offset

    def close(self) -> None:
        """See Content."""
        self._file.close()


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(0, str(error) or type(error).__name__) from error


def find_remote(url: str, exclude: tuple[str, ...] = ()) -> Iterator[FoundFile]:
    """The files that *url* names: itself, all below it, or what a glob fits; in the order of those on a disk.

    Raises UsageError when there are none, and ReplayError when nobody tells.
    """
    system, name = _file_system(url)
    why = ""
    try:
        with _as_os_error():
            is_directory, infos = _look_up(system, name)
            found = [(each, _complete(system, each, info)) for each, info in infos.items()]
    except FileNotFoundError as error:
        found, why = [], f" ({error.__cause__})" if error.__cause__ else ""
    except OSError as error:
        raise ReplayError(f"{url}: {error.strerror or error}") from error
    files = [(each, info) for each, info in found if info["type"] == "file" and not is_left_out(each, exclude)]
    if not files:
        raise UsageError(f"nothing is there: {url}{why}")
    root = url.rstrip("/") + "/" if is_directory else url
    for each, info in sorted(files, key=lambda file: _order(file[0], in_directory=is_directory)):
        whole = system.unstrip_protocol(each)
        # The web does not always tell a size; 1 is as good as any for a file that is not cut.
        size_bytes = 1 if info.get("size") is None else info["size"]
        yield FoundFile(whole, (-1, hash(whole)), (size_bytes, _changed_ns(info)), "log", root)


def _look_up(system: AbstractFileSystem, name: str) -> tuple[bool, dict[str, _Info]]:
    """Whether *name* is a directory, and the files that it stands for."""
    is_web = is_remote(name)
    if any(character in name for character in ("*" if is_web else "*?[")):
        return False, system.glob(name, detail=True)
    if is_web and name.endswith("/"):  # all pages are files
        return True, system.find(name, detail=True)
    info = system.info(name)
    if info["type"] == "directory":
        return True, system.find(name, detail=True)
    return False, {name: info}


def _complete(system: AbstractFileSystem, name: str, info: _Info) -> _Info:
    """*info*; asked for anew where a listing tells no size."""
    return system.info(name) if info["type"] == "file" and info.get("size") is None else info


def _order(name: str, *, in_directory: bool) -> tuple[bool, object]:
    """What discovery sorts by: compressed files come last; in a directory files come before directories."""
    *directories, last = name.split("/")
    key = [*((1, part) for part in directories), (0, last)] if in_directory else name
    return name.endswith(COMPRESSED), key


def _changed_ns(info: _Info) -> int:
    """When a file was written, under whichever name its file system has for that; now when it does not tell."""
    for key in ("mtime", "LastModified", "Last-Modified", "updated", "last_modified", "created"):
        told = info.get(key)
        if isinstance(told, str):
            told = _moment(told)
        if isinstance(told, datetime):
            told = told.timestamp()
        if isinstance(told, (int, float)):
            return int(told * 1e9)
    return time.time_ns()


def _moment(text: str) -> datetime | None:
    with suppress(ValueError):
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    with suppress(ValueError, TypeError):
        return parsedate_to_datetime(text)
    return None


def _file_system(url: str) -> tuple[AbstractFileSystem, str]:
    try:
        import fsspec
    except ImportError as error:
        raise UsageError(f"{url}: URLs need the extra: pip install 'logmetrics[dask]'") from error
    try:
        system, name = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UsageError(f"{url}: {error}") from error
    return system, name
