"""What is read of a log in one go, and what came out of it: the values that travel between processes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import tzinfo

from logmetrics.config.specs import Config
from logmetrics.sources.discovery import FileId
from logmetrics.store.series import Labels

StateRow = tuple[str, str, str, int, str]
# The tick of all times that are not wanted.
OUTSIDE = -1


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of a log. ``size_bytes`` are those on the disk, ``end`` is where its log is cut off, if anywhere.

    ``file_id`` tells it from one that has its name later.
    """

    path: str
    size_bytes: int
    written_s: int
    compressed: bool
    end: int | None = None
    file_id: FileId = (0, 0)


@dataclass(frozen=True, slots=True)
class PastLog:
    """A log: its files, the oldest first. ``path`` is the name that labels are made of."""

    number: int
    source: int
    path: str
    segments: tuple[Segment, ...]

    @property
    def size_bytes(self) -> int:
        return sum(segment.size_bytes for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Job:
    """What all spans have in common: config, zone of times without one, ticks, and which of them are wanted."""

    config: Config
    zones: tuple[tzinfo, ...]
    step_s: int
    window_ticks: int
    # What is later than this is a mistake.
    now_s: int
    # What happened from the one second on, and before the other, is wanted.
    since_s: int | None = None
    until_s: int | None = None
    # Whether samples go on up to that time, though nothing happens.
    fills: bool = False

    @property
    def wants_all(self) -> bool:
        return self.since_s is None and self.until_s is None

    def tick_of(self, second: int) -> int:
        """The tick of what happened in *second*, OUTSIDE of what is wanted or not.

        A sample at ``tick * step_s`` is the first that shows it.
        """
        if self.since_s is not None and second < self.since_s:
            return OUTSIDE
        if self.until_s is not None and second >= self.until_s:
            return OUTSIDE
        return second // self.step_s + 1


@dataclass(frozen=True, slots=True)
class Place:
    """How far a segment is read; see ``Position`` for its three parts."""

    offset: int = 0
    skipping: bool = False
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class Before:
    """All that matters of what came before a place in a log: the last time, the zone of times without one, what rules
    remember of this log, and which starts are open.
    """

    last_s: int | None = None
    zone: tzinfo | None = None
    rows: tuple[StateRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a segment: lines that begin in ``[start, stop)``, or from ``place`` on. Without ``before`` nothing is
    known of what comes before, and nothing is assumed to matter.
    """

    log: PastLog
    segment: int
    start: int
    stop: int | None
    place: Place | None = None
    before: Before | None = None


@dataclass(slots=True)
class Tally:
    """Counts that add up. Rules are known by their numbers."""

    lines: int = 0
    bytes: int = 0
    oversize: int = 0
    nul_bytes: int = 0
    unmatched: int = 0
    unparsable: int = 0
    continued: int = 0
    excluded: int = 0
    records: int = 0
    untimed: int = 0
    future: int = 0
    absurd: int = 0
    outside: int = 0
    matches: Counter[int] = field(default_factory=Counter)
    skipped: Counter[tuple[int, str]] = field(default_factory=Counter)
    broken: Counter[tuple[int, str]] = field(default_factory=Counter)
    forgotten: Counter[tuple[int, str]] = field(default_factory=Counter)
    packs: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Count what *other* has, too."""
        for name in self.__slots__:
            mine, more = getattr(self, name), getattr(other, name)
            if isinstance(mine, Counter):
                mine.update(more)
            else:
                setattr(self, name, mine + more)


@dataclass(slots=True)
class Examples:
    """Lines that nobody counted: a sample of those that no rule matched, by shape, and the first that are no record.

    Lines are told by their number in what was read, from 0.
    """

    judged: int = 0
    # Shape -> how many of those judged, the first of them, its text.
    shapes: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    unparsable: list[tuple[int, str]] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """What came out of a span, or of a part of one.

    ``cells`` are bytes by window, ``untimed`` the cells of which nobody knows the time; see ``cells.packed``. The
    ``labels`` of each metric are in the order in which they were met; ``last`` are the last values of gauges.
    """

    began: Place
    ended: Place
    tally: Tally
    cells: dict[int, bytes]
    untimed: bytes
    labels: dict[int, list[Labels]]
    last: dict[int, dict[Labels, tuple[int | None, int | float]]]
    # The same of the untimed cells, and their tick when it is known; they came before all others.
    untimed_labels: dict[int, list[Labels]]
    untimed_last: dict[int, dict[Labels, tuple[int | None, int | float]]]
    untimed_tick: int | None = None
    least_s: int | None = None
    greatest_s: int | None = None
    # The first second that a record told, and whether all of the log before would have been needed to know better.
    first_s: int | None = None
    last_s: int | None = None
    zone: tzinfo | None = None
    asked_zone: bool = False
    # The latest time without a year that was understood without one before it.
    asked_year_s: int | None = None
    asked_memory: bool = False
    # For each rule with pairs: its keys (None: too many), and how many were open at the most.
    pair_keys: dict[int, frozenset[str] | None] = field(default_factory=dict)
    most_open: dict[int, int] = field(default_factory=dict)
    # Of the last part of a span: what rules remember.
    rows: tuple[StateRow, ...] | None = None
    # The keys that records of JSON have, for what is told of a log; whether anything in it was looked at.
    keys: tuple[str, ...] = ()
    was_read: bool = False
    rest_bytes: int = 0
    # A record was given up at the border of the span, which it may not have been within the log.
    gave_up: bool = False
    # Why the file could not be read to its end.
    problem: str | None = None
    examples: Examples = field(default_factory=Examples)
    # Filled in by whoever brings it in order.
    segment: int = 0
