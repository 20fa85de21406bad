"""What rotation programs call the generations of a log."""

from __future__ import annotations

import re

# Compression that can be read, by the ending that programs give it.
COMPRESSED = (".gz", ".xz", ".bz2", ".zst")

_DATE = r"\d{4}-?\d\d-?\d\d(?:[T_.-]?\d\d[-:.]?\d\d(?:[-:.]?\d\d(?:\.\d{3})?)?)?"
# logrotate's .1 and -20260101, log4j's .2026-01-01, dateext with hours or a Unix time, plain .old.
_BEHIND = re.compile(rf"(.+?)(?:[._-](?:\d{{1,4}}|\d{{10}}|{_DATE})|\.old)+")
# lumberjack's agent-2026-01-01T00-00-00.000.log.
_BEFORE_ENDING = re.compile(rf"(.+?)[._-]{_DATE}(\.[A-Za-z]+)")


def log_name(name: str) -> str:
    """The name of the log that the file *name* is a generation of; *name* itself when it does not look like one."""
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    if match := _BEFORE_ENDING.fullmatch(name):
        return match[1] + match[2]
    if match := _BEHIND.fullmatch(name):
        return match[1]
    return name


def may_be_copy(path: str, original: str, met: str) -> bool:
    """Whether by their names *path* can be a copy of the file *original*: a.log.1, a.log.bak or backup/a.log of a.log.

    A file under the log's own name is not the copy of a rotated generation, but a new log that begins like the old one.
    *met* is the name that *original* had first: one that took its place may be its copy.
    """
    if path == log_path(original):
        return False
    name = _log_of(path)
    return path == met or name.startswith((_log_of(original), _log_of(met)))


def _log_of(path: str) -> str:
    return log_name(path.rpartition("/")[2])


def log_path(path: str) -> str:
    """``log_name`` for a whole path."""
    directory, slash, name = path.rpartition("/")
    return f"{directory}{slash}{log_name(name)}"
