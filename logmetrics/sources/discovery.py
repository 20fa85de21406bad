"""Paths, directories and globs -> the regular files that are there now, rotated generations of logs included."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch, fnmatchcase
from glob import has_magic, iglob
from typing import Literal

from logmetrics.config.specs import SourceSpec
from logmetrics.sources.names import COMPRESSED, log_name, log_path

FileId = tuple[int, int]
# Size and time of last change in nanoseconds: what changes when a file does.
Signature = tuple[int, int]
# What state.db can hold: the years 1677 to 2262. Anybody can give a file another time.
_TIME_NS_MIN, _TIME_NS_MAX = -(2**63), 2**63 - 1
# log: the paths name it. generation: a rotated or compressed part of a log that they name. excluded: such a part that
# `exclude` names; it is only ever used to read on where a known log was left.
Role = Literal["log", "generation", "excluded"]
# Nothing that can be read as lines.
_UNREADABLE = (".zip",)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file; ``file_id`` is (device, inode), ``root`` the entry of the source's paths that led to it."""

    path: str
    file_id: FileId
    signature: Signature
    role: Role
    root: str


@dataclass(slots=True)
class Discovery:
    """What one look at the disk found: each file once, under the first of its names, and what stood in the way."""

    files: dict[FileId, FoundFile] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    # Other names of files that have several.
    aliases: dict[FileId, list[str]] = field(default_factory=dict)
    # The entries of the source's paths that could be looked through, as absolute paths.
    roots: list[str] = field(default_factory=list)
    # Directory -> log -> its generations there.
    _by_log: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    # Generations are added when all logs are known: a file that is both is a log.
    _generations: list[tuple[str, Role, str]] = field(default_factory=list)

    def generations_of(self, log: str) -> list[str]:
        """The files beside *log* that are generations of it; each directory is looked through once."""
        directory = os.path.dirname(log)
        by_log = self._by_log.get(directory)
        if by_log is None:
            by_log = self._by_log[directory] = {}
            for path in _files_in(directory):
                by_log.setdefault(log_path(path), []).append(path)
        return [path for path in by_log.get(log, ()) if path != log]


def discover(source: SourceSpec, is_ours: Callable[[str], bool] = lambda _: False) -> Discovery:
    """The files of *source*, in the order of its paths and then by name. Never raises for what is on the disk.

    Files that *is_ours* knows are left out: to read what logmetrics writes would make it grow.
    """
    found = Discovery()
    for root in source.paths:
        path = os.path.expanduser(root)
        if has_magic(path) and not os.path.lexists(path):
            _search_glob(path, root, source, found)
        elif os.path.isdir(path):
            found.roots.append(absolute(root))
            for name in _walk(path, found):
                _sort(name, root, source, found, log=not name.endswith(COMPRESSED))
        else:
            if _add(path, "log", root, found, explicit=True):
                found.roots.append(absolute(root))
            _search_generations_of(path, root, source, found)
    for path, role, root in found._generations:
        _add(path, role, root, found)
    found.files = {file_id: file for file_id, file in found.files.items() if not is_ours(file.path)}
    return found


def _search_glob(pattern: str, root: str, source: SourceSpec, found: Discovery) -> None:
    directories = set() if has_magic(os.path.dirname(pattern)) else {os.path.dirname(pattern)}
    matched: set[str] = set()
    try:
        paths = sorted(iglob(pattern, recursive=True))
    except RecursionError:
        found.problems[pattern] = "directories are nested too deeply for a glob with **"
        return
    found.roots.append(absolute(root))
    for path in paths:
        if not os.path.isdir(path):
            matched.add(path)
            directories.add(os.path.dirname(path))
            _sort(path, root, source, found, log=not path.endswith(COMPRESSED))
            if os.path.islink(path):
                _search_generations_of(path, root, source, found)
    parts = pattern.split("/")
    for directory in sorted(directories):
        for path in _files_in(directory):
            if path not in matched and (base := log_path(path)) != path and _fits(base.split("/"), parts):
                _sort(path, root, source, found, log=False)


def plain_directory(pattern: str) -> str:
    """The part of a glob before its first wildcard."""
    while has_magic(pattern):
        pattern = os.path.dirname(pattern)
    return pattern or "."


def _search_generations_of(path: str, root: str, source: SourceSpec, found: Discovery) -> None:
    """A log that is named by itself, and behind a symbolic link the log that it leads to."""
    for log in dict.fromkeys((path, os.path.realpath(path))):
        for other in found.generations_of(log):
            _sort(other, root, source, found, log=False)


def _files_in(directory: str) -> list[str]:
    """The regular files of one directory, by name; what stands in the way is told by whoever named the directory."""
    try:
        with os.scandir(directory or ".") as scan:
            names = sorted(entry.name for entry in scan if entry.is_file(follow_symlinks=False))
    except OSError:
        return []
    return [os.path.join(directory, name) for name in names]


def fits(path: str, pattern: str) -> bool:
    """Whether *path* fits a glob."""
    return _fits(path.split("/"), pattern.split("/"))


def _fits(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path fits a glob, both cut at the slashes."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(_fits(path[skip:], pattern[1:]) for skip in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _fits(path[1:], pattern[1:])


def _walk(directory: str, found: Discovery) -> Iterator[str]:
    """Every regular file under *directory*. Symbolic links on the way are not followed: they lead anywhere."""
    # Not by recursion: anybody who can write logs can nest directories deeper than Python's stack.
    waiting = [directory]
    while waiting:
        directory = waiting.pop()
        try:
            with os.scandir(directory) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            found.problems[directory] = error.strerror or str(error)
            continue
        yield from (entry.path for entry in entries if entry.is_file(follow_symlinks=False))
        waiting += [entry.path for entry in reversed(entries) if entry.is_dir(follow_symlinks=False)]


def _sort(path: str, root: str, source: SourceSpec, found: Discovery, *, log: bool) -> None:
    """Put *path* where it belongs."""
    if path.endswith(_UNREADABLE):
        return
    excluded = _excluded(path, source.exclude)
    if not log:
        found._generations.append((path, "excluded" if excluded else "generation", root))
    elif not excluded:
        _add(path, "log", root, found)
    elif log_name(os.path.basename(path)) != os.path.basename(path):
        found._generations.append((path, "excluded", root))


def absolute(root: str) -> str:
    """An entry of a source's paths in one spelling."""
    return os.path.abspath(os.path.expanduser(root))


def signature_of(status: os.stat_result) -> Signature:
    return status.st_size, max(_TIME_NS_MIN, min(status.st_mtime_ns, _TIME_NS_MAX))


def _add(path: str, role: Role, root: str, found: Discovery, *, explicit: bool = False) -> bool:
    """Take note of a regular file; False when it could not be seen whether there is one."""
    try:
        status = os.stat(path)
    except OSError as error:
        if explicit or not isinstance(error, FileNotFoundError):
            found.problems[path] = error.strerror or str(error)
        return isinstance(error, FileNotFoundError)
    if not stat.S_ISREG(status.st_mode):
        if explicit:
            found.problems[path] = "is not a regular file"
        return False
    file_id = (status.st_dev, status.st_ino)
    if file_id in found.files:
        found.aliases.setdefault(file_id, []).append(path)
    else:
        found.files[file_id] = FoundFile(path, file_id, signature_of(status), role, root)
    return True


def is_left_out(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether the file at *path* is not read whatever names it: *patterns* exclude it, or it holds no lines."""
    return path.endswith(_UNREADABLE) or _excluded(path, patterns)


def _excluded(path: str, patterns: tuple[str, ...]) -> bool:
    name = os.path.basename(path)
    return any(fnmatch(name, pattern) or fnmatch(path, pattern) for pattern in patterns)
