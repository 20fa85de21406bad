"""What rotation programs call the generations of a log."""

from __future__ import annotations

import re
from functools import lru_cache

# Compression that can be read, by the ending that programs give it.
COMPRESSED = (".gz", ".xz", ".bz2", ".zst")

_DATE = r"\d{4}-?\d\d-?\d\d(?:[T_.-]?\d\d[-:.]?\d\d(?:[-:.]?\d\d(?:\.\d{3})?)?)?"
# logrotate's .1 and -20260101, log4j's .2026-01-01, dateext with hours or a Unix time, plain .old.
_BEHIND = re.compile(rf"(.+?)(?:[._-](?:\d{{1,4}}|\d{{10}}|{_DATE})|\.old)+")
# lumberjack's agent-2026-01-01T00-00-00.000.log.
_BEFORE_ENDING = re.compile(rf"(.+?)[._-]{_DATE}(\.[A-Za-z]+)")


@lru_cache(maxsize=50_000)
def log_name(name: str) -> str:
    """The name of the log that the file *name* is a generation of; *name* itself when it does not look like one."""
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    if match := _BEFORE_ENDING.fullmatch(name):
        return match[1] + match[2]
    if match := _BEHIND.fullmatch(name):
        return match[1]
    return name


def names_of_originals(path: str) -> list[str]:
    """The log names of which *path* can be a copy by its name: a.log for a.log.1, a.log.bak, backup/a.log."""
    name = log_name(path.rpartition("/")[2])
    return [name, *(name[:end] for end in range(len(name) - 1, 0, -1) if name[end] in "._-~ ")]


def is_successor(path: str, original: str) -> bool:
    """Whether *path* has the own name of the log that *original* is a rotated generation of.

    Then it is not its copy, but a new log that begins like the old one.
    """
    return path == log_path(original)


def log_path(path: str) -> str:
    """``log_name`` for a whole path."""
    directory, slash, name = path.rpartition("/")
    return f"{directory}{slash}{log_name(name)}"
