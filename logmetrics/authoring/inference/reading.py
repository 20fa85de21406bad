"""Samples of logs: the beginning of each, so many that all are told fairly and none takes long."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from itertools import islice

from logmetrics.config.specs import SourceSpec
from logmetrics.errors import UsageError
from logmetrics.sources.samples import records_of, sample_paths

# Of one log, and of all together.
LOG_BYTES_MAX, LOG_RECORDS_MAX = 8 * 1024 * 1024, 20_000
ALL_BYTES_MAX, ALL_RECORDS_MAX = 16 * 1024 * 1024, 20_000
# Of more logs some are read, from the whole range of names.
LOGS_MAX = 200
LOG_BYTES_LEAST, LOG_RECORDS_LEAST = 64 * 1024, 300
# What lies beside logs and is none.
DOCUMENTS = (
    *("*.md", "*.rst", "*.html", "*.pdf", "*.py", "*.pyc", "*.sh", "*.js", "*.css", "*.yaml", "*.yml", "*.toml"),
    *("*.ini", "*.cfg", "*.conf", "*.lock", "*.pid", "*.db", "*.sqlite", "*.sqlite3", "*.png", "*.jpg", "*.svg"),
)
# A log of text has next to none of these; this share of them tells of a binary file.
_NO_TEXT_SHARE = 0.1
_JUDGED_CHARACTERS = 4_096


@dataclass(frozen=True, slots=True)
class ReadLog:
    """The first records of a log, of ``bytes_read`` bytes; ``is_cut``: there is more of it."""

    path: str
    records: list[bytes]
    bytes_read: int
    is_cut: bool


@dataclass(slots=True)
class Reading:
    """What was read of ``paths``, which are as given, but absolute."""

    paths: tuple[str, ...]
    logs: list[ReadLog] = field(default_factory=list)
    # Path -> why it is not among the logs: cannot be read, empty, binary.
    passed_over: dict[str, str] = field(default_factory=dict)
    # Globs of files that are no logs, as `exclude` takes them.
    exclude: tuple[str, ...] = ()
    # How many logs there are, read or not.
    logs_found: int = 0

    @property
    def records(self) -> int:
        return sum(len(log.records) for log in self.logs)

    @property
    def bytes_read(self) -> int:
        return sum(log.bytes_read for log in self.logs)


def read_samples(paths: Sequence[str]) -> Reading:
    """The first records of the logs at *paths*. Raises UsageError when there is nothing to learn from."""
    absolute = tuple(os.path.abspath(os.path.expanduser(path)) for path in paths)
    _check_spelling(absolute)
    source = SourceSpec("logs", absolute)
    found, problems = sample_paths(source)
    reading = Reading(absolute, passed_over=dict(problems))
    documents = {path: glob for path in found if path not in absolute and (glob := _document(path))}
    reading.exclude = tuple(glob for glob in DOCUMENTS if glob in documents.values())
    logs = [path for path in found if path not in documents]
    reading.logs_found = len(logs)
    chosen = logs if len(logs) <= LOGS_MAX else logs[:: -(-len(logs) // LOGS_MAX)]
    share = max(len(chosen), 1)
    bytes_max = min(LOG_BYTES_MAX, max(ALL_BYTES_MAX // share, LOG_BYTES_LEAST))
    records_max = min(LOG_RECORDS_MAX, max(ALL_RECORDS_MAX // share, LOG_RECORDS_LEAST))
    for path in chosen:
        if not path.isprintable():
            reading.passed_over[path] = "has a name that no config can hold"
            continue
        _read(path, source, bytes_max, records_max, reading)
    if not reading.logs:
        raise UsageError(_nothing(paths, reading))
    return reading


def _read(path: str, source: SourceSpec, bytes_max: int, records_max: int, reading: Reading) -> None:
    try:
        size = os.stat(path).st_size
        taken = list(islice(records_of(path, source, bytes_max), records_max + 1))
    except OSError as error:
        reading.passed_over[path] = error.strerror or str(error)
        return
    records = [record for record in taken[:records_max] if record.strip()]
    if not records:
        reading.passed_over[path] = "is empty" if not size else "has no whole record in what was read of it"
    elif _is_binary(records):
        reading.passed_over[path] = "is no text"
    else:
        bytes_read = sum(len(record) + 1 for record in records)
        is_cut = len(taken) > records_max or size > bytes_max
        reading.logs.append(ReadLog(path, records, bytes_read, is_cut))


def _document(path: str) -> str:
    name = os.path.basename(path)
    return next((glob for glob in DOCUMENTS if fnmatch(name, glob)), "")


def _is_binary(records: Sequence[bytes]) -> bool:
    # Terminal colours are text; NULs in front of a line are the hole that truncation left.
    text = b" ".join(record.lstrip(b"\0") for record in records[:50])[:_JUDGED_CHARACTERS].decode("utf-8", "replace")
    odd = sum(not (character.isprintable() or character in "\t\r\n\x1b") or character == "�" for character in text)
    return odd > _NO_TEXT_SHARE * max(len(text), 1)


def _check_spelling(paths: Sequence[str]) -> None:
    for path in paths:
        if not path.isprintable():
            what = "has characters that a config cannot name; give the directory above it"
            raise UsageError(f"{path.encode('unicode_escape', 'backslashreplace').decode()}: {what}")


def _nothing(paths: Sequence[str], reading: Reading) -> str:
    reasons = [f"{path}: {why}" for path, why in sorted(reading.passed_over.items())]
    told = "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3:,} more" if len(reasons) > 3 else "")
    where = told or f"no log is in {', '.join(paths)}"
    return f"nothing to learn from: {where}. Give files, directories or globs with some lines of log in them"
