"""Paths, directories and globs -> the regular files that are there now."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from glob import has_magic, iglob

from logmetrics.config.specs import SourceSpec

FileId = tuple[int, int]
# Compressed files are not lines of text.
_COMPRESSED = (".gz", ".xz", ".bz2", ".zst", ".zip")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file; ``file_id`` is (device, inode)."""

    path: str
    file_id: FileId
    size_bytes: int


@dataclass(slots=True)
class Discovery:
    """What one look at the disk found: each file once, under the first of its names, and what stood in the way."""

    files: dict[FileId, FoundFile] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def discover(source: SourceSpec) -> Discovery:
    """The files of *source*, in the order of its paths and then by name. Never raises for what is on the disk."""
    found = Discovery()
    for path in source.paths:
        path = os.path.expanduser(path)
        if has_magic(path) and not os.path.lexists(path):
            for name in sorted(iglob(path, recursive=True)):
                if not os.path.isdir(name):
                    _add(name, source, found, explicit=False)
        elif os.path.isdir(path):
            for name in _walk(path, found):
                _add(name, source, found, explicit=False)
        else:
            _add(path, source, found, explicit=True)
    return found


def _walk(directory: str, found: Discovery) -> Iterator[str]:
    """Every regular file under *directory*. Symbolic links on the way are not followed: they lead anywhere."""
    try:
        with os.scandir(directory) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        found.problems[directory] = error.strerror or str(error)
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, found)
        elif entry.is_file(follow_symlinks=False):
            yield entry.path


def _add(path: str, source: SourceSpec, found: Discovery, *, explicit: bool) -> None:
    if path.endswith(_COMPRESSED):
        if explicit:
            found.problems[path] = "is compressed, and compressed files are not read"
        return
    if not explicit and _excluded(path, source.exclude):
        return
    try:
        status = os.stat(path)
    except OSError as error:
        if explicit or not isinstance(error, FileNotFoundError):
            found.problems[path] = error.strerror or str(error)
        return
    if not stat.S_ISREG(status.st_mode):
        if explicit:
            found.problems[path] = "is not a regular file"
        return
    file_id = (status.st_dev, status.st_ino)
    found.files.setdefault(file_id, FoundFile(path, file_id, status.st_size))


def _excluded(path: str, patterns: tuple[str, ...]) -> bool:
    name = os.path.basename(path)
    return any(fnmatch(name, pattern) or fnmatch(path, pattern) for pattern in patterns)
