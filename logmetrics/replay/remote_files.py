"""Logs that are not on this machine's disks, such as s3://bucket/agents/*.log: found and read through fsspec."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from logmetrics.errors import UsageError
from logmetrics.sources.content import MAGIC, Content, StopFlag, open_content, with_its_kind
from logmetrics.sources.discovery import FoundFile

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# So much is fetched at a time: what a block of records needs, some times over.
_BLOCK_BYTES = 1024 * 1024


class _NeverStops:
    stopping = False


def is_remote(path: str) -> bool:
    """Whether *path* is a URL."""
    return "://" in path


def open_anywhere(path: str, stop: StopFlag = _NeverStops) -> Content:
    """Open the log at *path*, a name or a URL. Raises OSError."""
    if not is_remote(path):
        return open_content(path, stop)
    system, name = _file_system(path)
    file: IO[bytes] = system.open(name, "rb", block_size=_BLOCK_BYTES)
    if any(file.read(6).startswith(magic) for magic in MAGIC):
        return _fetched(file, stop)
    return RemoteContent(file)


def _fetched(file: IO[bytes], stop: StopFlag) -> Content:
    """A compressed file can only be read from its start to its end, so all of it is fetched."""
    file.seek(0)
    with file, tempfile.TemporaryFile(prefix="logmetrics-") as copy:
        shutil.copyfileobj(file, copy, _BLOCK_BYTES)
        copy.flush()
        content = Content(os.dup(copy.fileno()))
    return with_its_kind(content, stop) or content


class RemoteContent(Content):
    """A plain file behind fsspec."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(-1)
        self._file = file
        self._size = file.seek(0, os.SEEK_END)

    def read(self, offset: int, size_bytes: int) -> bytes:
        """See Content."""
        self._file.seek(offset)
        return self._file.read(size_bytes)

    def end(self, beyond: int) -> int:  # noqa: ARG002
        """See Content."""
        return self._size

    def next_data(self, offset: int) -> int:
        """See Content."""
        return offset

    def close(self) -> None:
        """See Content."""
        self._file.close()


def find_remote(url: str) -> Iterator[FoundFile]:
    """The files that *url* names: itself, all below it, or what a glob fits. Raises UsageError when there are none."""
    system, name = _file_system(url)
    if any(character in name for character in "*?["):
        names = sorted(system.glob(name))
    elif system.isdir(name):
        names = sorted(system.find(name))
    else:
        names = [name] if system.exists(name) else []
    if not names:
        raise UsageError(f"nothing is there: {url}")
    for each in names:
        info = system.info(each)
        if info["type"] == "file":
            whole = system.unstrip_protocol(each)
            yield FoundFile(whole, (-1, hash(whole)), (info["size"], _changed_ns(info)), "log", url)


def _changed_ns(info: dict[str, Any]) -> int:
    """When a file was written, under whichever name its file system has for that; 0 when it does not tell."""
    for key in ("mtime", "LastModified", "updated", "last_modified", "created"):
        told = info.get(key)
        if isinstance(told, (int, float)):
            return int(told * 1e9)
        if isinstance(told, str):
            told = datetime.fromisoformat(told.replace("Z", "+00:00"))
        if isinstance(told, datetime):
            return int(told.timestamp() * 1e9)
    return 0


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
