"""How a daemon is at one moment, frozen. ``/api/status`` is this very tree as JSON; docs/status.md lists its fields.

Names carry units: ``_s`` seconds, ``_unix_s`` seconds since 1970, ``_bytes`` bytes, ``_per_s`` an average over the last
minute. Counts are those of the self-metrics, earlier runs included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from logmetrics.store.report import FamilyReport

# reading: what was there at the start is not read yet. failing: what is counted cannot be saved.
State = Literal["reading", "ready", "failing"]


@dataclass(frozen=True, slots=True)
class ReadingStatus:
    """How far the reading of what was there at the start has come."""

    read_bytes: int
    total_bytes: int
    lines: int


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """Commits of this run, and why the last one could not be saved; ``last_unix_s`` is None before the first."""

    count: int
    failures: int
    last_unix_s: float | None
    last_duration_s: float
    problem: str | None


@dataclass(frozen=True, slots=True)
class ConfigStatus:
    """What it runs with. ``file`` is None when all rules are those of built-in packs."""

    file: str | None
    packs: Sequence[str]
    listen: Sequence[str]
    state_dir: str | None


@dataclass(frozen=True, slots=True)
class ReloadStatus:
    """How the last reload ended."""

    ok: bool
    unix_s: float
    message: str


@dataclass(frozen=True, slots=True)
class TotalStatus:
    """All sources and metrics together. ``lag_s`` is that of the source that is furthest behind."""

    lines: int
    bytes: int
    matched_lines: int
    unmatched_lines: int
    unparsable_lines: int
    continuation_lines: int
    excluded_lines: int
    oversize_lines: int
    lines_per_s: float
    bytes_per_s: float
    lag_bytes: int
    lag_s: float
    series: int
    series_max: int
    overflow_measurements: int
    lost_bytes: int


@dataclass(frozen=True, slots=True)
class FileStatus:
    """One log: its file's size, what of it is unread, when it was last written to, the packs that know its lines."""

    path: str
    size_bytes: int
    lag_bytes: int
    written_unix_s: float
    packs: Sequence[str]


@dataclass(frozen=True, slots=True)
class PathProblem:
    """Why a path cannot be read."""

    path: str
    what: str


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source. ``files`` is None where it is no set of files; then ``reads`` says what it is.

    ``lag_s`` is for how long there has been something unread. Of files and problems the first few are listed, those
    that are most behind; ``problem_count`` counts all. ``lines_by_minute`` is the last hour, oldest first.
    """

    name: str
    kind: str
    reads: Sequence[str]
    files: int | None
    lines: int
    bytes: int
    unmatched_lines: int
    unparsable_lines: int
    continuation_lines: int
    excluded_lines: int
    oversize_lines: int
    lines_per_s: float
    bytes_per_s: float
    lag_bytes: int
    lag_s: float
    last_line_unix_s: float | None
    last_written_unix_s: float | None
    rotations: int
    truncations: int
    problems: Sequence[PathProblem]
    problem_count: int
    listed_files: Sequence[FileStatus]
    lines_by_minute: Sequence[float]

    @property
    def matched_lines(self) -> int:
        """Lines that some rule counted, as far as lines are records."""
        others = self.continuation_lines + self.excluded_lines + self.oversize_lines
        return max(self.lines - self.unmatched_lines - self.unparsable_lines - others, 0)


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """One rule. ``last_match_unix_s`` is None when it matched nothing in this run.

    ``updates`` is how many updates of its matches had a value to find, those that were skipped included.
    """

    name: str
    matches: int
    matches_per_s: float
    last_match_unix_s: float | None
    updates: int
    skipped_updates: Mapping[str, int]
    open_pairs: int
    matches_by_minute: Sequence[float]

    @property
    def skipped(self) -> int:
        """Of all reasons together."""
        return sum(self.skipped_updates.values())

    @property
    def skipped_why(self) -> str:
        """The reasons, each with its count."""
        reasons = sorted(self.skipped_updates.items(), key=lambda item: -item[1])
        return ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in reasons if count)


@dataclass(frozen=True, slots=True)
class Example:
    """The last line of a shape that was not counted. ``seen`` counts those that were looked at, not all there were."""

    source: str
    path: str
    kind: Literal["unparsable", "unmatched"]
    shape: str
    text: str
    seen: int
    last_unix_s: float


@dataclass(frozen=True, slots=True)
class UncountedRecord:
    """A record that was not counted, to be explained. ``is_whole`` is false when only its beginning is there."""

    source: str
    path: str
    kind: Literal["unparsable", "unmatched"]
    text: str
    is_whole: bool
    last_unix_s: float


@dataclass(frozen=True, slots=True)
class Uncounted:
    """What ``/api/uncounted`` gives: the last record of each shape that was not counted, the newest first."""

    version: str
    config_file: str | None
    packs: Sequence[str]
    records: Sequence[UncountedRecord]


@dataclass(frozen=True, slots=True)
class Message:
    """What the daemon said."""

    unix_s: float
    text: str


@dataclass(frozen=True, slots=True)
class HistoryStatus:
    """The last hour in steps of ``step_s``, oldest first; the last step, which is not over, ends at ``end_unix_s``.

    ``lag_bytes`` and ``series`` are the highest of each step, all others what came in it.
    """

    step_s: float
    end_unix_s: float
    lines: Sequence[float]
    unmatched_lines: Sequence[float]
    unparsable_lines: Sequence[float]
    oversize_lines: Sequence[float]
    lag_bytes: Sequence[float]
    series: Sequence[float]
    commits: Sequence[float]


@dataclass(frozen=True, slots=True)
class Status:
    """The whole. ``late`` says that the daemon was too busy to answer, and that this is how it was at ``unix_s``."""

    version: str
    unix_s: float
    start_unix_s: float
    uptime_s: float
    state: State
    late: bool
    reading: ReadingStatus | None
    commits: CommitStatus
    config: ConfigStatus
    reload: ReloadStatus | None
    totals: TotalStatus
    sources: Sequence[SourceStatus]
    rules: Sequence[RuleStatus]
    metrics: Sequence[FamilyReport]
    examples: Sequence[Example]
    # False: the examples are left out, since whoever asks is not known and comes from elsewhere.
    shows_examples: bool
    lost_bytes: Mapping[str, int]
    messages: Sequence[Message]
    history: HistoryStatus

    def without_examples(self) -> Status:
        """The same for those who may not see what logs hold."""
        return replace(self, examples=(), shows_examples=False)


def uncounted_lines(of: SourceStatus | TotalStatus) -> int:
    """Lines that should have been counted, and were not: by no rule, no records of their format, too long."""
    return of.unmatched_lines + of.unparsable_lines + of.oversize_lines


def countable_lines(of: SourceStatus | TotalStatus) -> int:
    """All lines but those that only go on with another and those that ``exclude_lines`` passes over."""
    return max(of.lines - of.continuation_lines - of.excluded_lines, 0)


def uncounted_share(of: SourceStatus | TotalStatus) -> float | None:
    """What of the countable lines was not counted, 0 to 1; None while there are none."""
    lines = countable_lines(of)
    return min(uncounted_lines(of) / lines, 1.0) if lines else None
