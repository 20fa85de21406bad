"""Which logs there are to read, of which files each consists, and where these may be cut.

A directory means everything in it, rotated and compressed generations included; these belong to their log and are read
before it, the oldest first. A file or a glob means just what it names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from logmetrics.config.specs import SourceSpec
from logmetrics.replay.reader import PART_BYTES
from logmetrics.replay.remote_files import find_remote, is_remote, open_anywhere
from logmetrics.replay.span import PastLog, Segment, Span
from logmetrics.sources.discovery import FileId, FoundFile, discover, fits
from logmetrics.sources.names import COMPRESSED, log_path

# For each file up to where it is read; None: to its end.
Ends = Mapping[FileId, int | None]
_NUMBER = re.compile(r"\.([0-9]{1,4})$")


@dataclass(slots=True)
class FoundLogs:
    """The logs of all sources in the order in which they count, what could not be read, and what was left out."""

    logs: list[PastLog] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        return sum(log.size_bytes for log in self.logs)


def find_logs(sources: Iterable[SourceSpec], ends: Ends | None = None, part_bytes: int = PART_BYTES) -> FoundLogs:
    """All logs of *sources*. With *ends* only those files that it names are read, and up to there.

    Those are rotated generations, too, of logs that are named by themselves: the daemon knows them. What is no larger
    than *part_bytes* is not cut.
    """
    found = FoundLogs()
    seen: set[tuple[int, int]] = set()
    for number, source in enumerate(sources):
        discovery = discover(replace(source, paths=tuple(path for path in source.paths if not is_remote(path))))
        found.problems.update(discovery.problems)
        remote = [file for path in source.paths if is_remote(path) for file in find_remote(path, source.exclude)]
        files = []
        for file in (*discovery.files.values(), *remote):
            if file.file_id in seen or file.role == "excluded":
                continue
            if ends is not None and ends.get(file.file_id, 0) == 0:
                continue
            if file.role == "generation" and ends is None and not _is_named(file):
                found.left_out.append(file.path)
                continue
            seen.add(file.file_id)
            files.append(file)
        paths = {file.path for file in (*discovery.files.values(), *remote)}
        for path, generations in _by_log(files, paths, found, known=ends is not None).items():
            segments = _segments(generations, ends, found, part_bytes)
            if segments:
                found.logs.append(PastLog(len(found.logs), number, path, segments))
    return found


def _by_log(files: list[FoundFile], paths: set[str], found: FoundLogs, *, known: bool) -> dict[str, list[FoundFile]]:
    """The files of each log, the oldest first. A file is a generation of a log that is there, else a log of its own.

    *paths* are those of all files. Generations that are *known* to the daemon are so by whatever name their log is.
    """
    there = {file.path for file in files}
    logs: dict[str, list[FoundFile]] = {}
    for file in files:
        plain = _plain(file.path)
        if plain != file.path and plain in there:
            found.left_out.append(file.path)  # the same in both forms, as gzip --keep leaves it
            continue
        log = log_path(file.path)
        is_generation = log in paths and (known or _is_directory(file.root))
        logs.setdefault(log if is_generation else plain, []).append(file)
    return {log: _oldest_first(log, members) for log, members in logs.items()}


def _is_named(file: FoundFile) -> bool:
    """Whether the path that led to a rotated or compressed *file* means it, and not only its log."""
    return _is_directory(file.root) or fits(file.path, os.path.expanduser(file.root))


def _is_directory(root: str) -> bool:
    return root.endswith("/") if is_remote(root) else os.path.isdir(os.path.expanduser(root))


def _plain(path: str) -> str:
    for ending in COMPRESSED:
        path = path.removesuffix(ending)
    return path


def _oldest_first(log: str, files: list[FoundFile]) -> list[FoundFile]:
    """Numbered generations count down, dated ones up; where both are there, the time of the last change tells."""
    older = [file for file in files if file.path != log]
    numbers = {file.path: _NUMBER.search(_plain(file.path)) for file in older}
    if all(numbers.values()):
        older.sort(key=lambda file: -int(numbers[file.path][1]))  # type: ignore[index]
    elif any(numbers.values()):
        older.sort(key=lambda file: file.signature[1])
    else:
        older.sort(key=lambda file: _plain(file.path))
    return older + [file for file in files if file.path == log]


def _segments(files: list[FoundFile], ends: Ends | None, found: FoundLogs, part_bytes: int) -> tuple[Segment, ...]:
    segments = []
    for file in files:
        size_bytes, time_ns = file.signature
        end = None if ends is None else ends.get(file.file_id, 0)
        if not size_bytes:
            continue
        compressed = False
        if max(size_bytes, end or 0) > part_bytes:  # smaller ones are not cut
            try:
                content = open_anywhere(file.path)
            except OSError as error:
                found.problems[file.path] = error.strerror or str(error)
                continue
            compressed = content.compressed
            content.close()
        written_s = max(time_ns, 0) // 1_000_000_000
        segments.append(Segment(file.path, size_bytes, written_s, compressed, end, file.file_id))
    return tuple(segments)


def spans_of(log: PastLog, part_bytes: int = PART_BYTES) -> list[Span]:
    """*log* cut into spans that can be read by themselves, as long as nothing before them matters."""
    spans = []
    for number, segment in enumerate(log.segments):
        end = segment.size_bytes if segment.end is None else segment.end
        starts = [0] if segment.compressed else range(0, max(end, 1), part_bytes)
        for start in starts:
            last = segment.compressed or start + part_bytes >= end
            spans.append(Span(log, number, start, None if last else start + part_bytes))
    return spans
