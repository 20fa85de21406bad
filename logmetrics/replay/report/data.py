"""What `logmetrics replay` tells people: the data, and the figures that follow from it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from logmetrics.config.specs import MetricSpec
from logmetrics.store.guard import MISSING, OVERFLOW
from logmetrics.store.store import FamilyView

# Values of a label `status` that tell of something that went wrong, beside the HTTP statuses from 400 on.
# The last five are those of tgi's pack, which names what went wrong.
FAILURES = frozenset(
    ("error", "failure", "failed", "timeout", "validation", "overloaded", "generation", "incomplete", "template")
)
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """Records that look alike and that no rule counts. ``text`` is what is the same in all of them."""

    text: str
    count: int
    # The first of them, as path:line.
    example: str


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no record of its format, as path:line, and how it begins."""

    place: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class SourceReading:
    """What was read of one source, and what became of its lines.

    lines = matched + unmatched + unparsable + continuations + excluded + oversize. The three counts of times are of
    records that are among these: without a time, with one that is still to come, with one that no log can have.
    """

    name: str
    paths: tuple[str, ...] = ()
    files: int = 0
    bytes: int = 0
    lines: int = 0
    matched: int = 0
    unmatched: int = 0
    unparsable: int = 0
    continuations: int = 0
    excluded: int = 0
    oversize: int = 0
    untimed: int = 0
    future: int = 0
    absurd: int = 0
    # Pack -> records that are of it.
    packs: Mapping[str, int] = field(default_factory=dict)
    # Unix times of the earliest and the latest record; None if no record has a time.
    first_s: float | None = None
    last_s: float | None = None
    # What the unmatched records look like, of the first ``shapes_of`` of them that were looked at.
    shapes: tuple[Shape, ...] = ()
    shapes_of: int = 0
    # The first lines that are no records.
    bad_lines: tuple[BadLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Timeline:
    """What was added to counters and to the counts of histograms over time, all series of a family together.

    The number at index i is of the time from ``start_s + i * bucket_s`` on. ``errors`` has those counters that have a
    label ``status``, and of these what ``is_error`` says.
    """

    start_s: float
    bucket_s: float
    counts: Mapping[str, Sequence[float]]
    errors: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the end of `logmetrics replay` shows."""

    sources: tuple[SourceReading, ...]
    families: Sequence[FamilyView]
    # None if nothing has a time.
    timeline: Timeline | None = None
    # How long the reading took.
    elapsed_s: float = 0.0
    # What else the reader should know, such as files that were passed over.
    notes: tuple[str, ...] = ()


class Quantile(NamedTuple):
    """A quantile of a histogram; *beyond* when all that is known is that it is above ``value``."""

    value: float
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """How often something happened, how often it went wrong, and how often nothing tells how it went."""

    count: float = 0
    errors: float = 0
    untold: float = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.count + other.count, self.errors + other.errors, self.untold + other.untold)

    @property
    def error_ratio(self) -> float | None:
        """The share of errors of all; None if nothing tells how any of it went."""
        return None if not self.count or self.untold >= self.count else self.errors / self.count


@dataclass(frozen=True, slots=True)
class Histogram:
    """A histogram, or the sum of several with the same bounds. ``cumulative`` has one count more: that of +Inf."""

    bounds: tuple[float, ...]
    cumulative: tuple[int, ...]
    sum: float
    count: int

    def __add__(self, other: Histogram) -> Histogram:
        both = tuple(map(int.__add__, self.cumulative, other.cumulative))
        return Histogram(self.bounds, both, self.sum + other.sum, self.count + other.count)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many are in each bucket and in none before it."""
        return tuple(after - before for before, after in zip((0, *self.cumulative), self.cumulative, strict=False))

    def quantile(self, q: float) -> Quantile | None:
        """See the function ``quantile``."""
        return quantile(q, self.bounds, self.cumulative)


def quantile(q: float, bounds: Sequence[float], cumulative: Sequence[int]) -> Quantile | None:
    """The *q*-quantile of a histogram, 0 <= q <= 1, as PromQL's histogram_quantile works it out; None if it is empty.

    That is ``bucketQuantile`` in promql/quantile.go of Prometheus: linear between the bounds of the bucket in which
    the rank falls, the first of which begins at 0 unless its own bound is below; in the last one, the bound before it.
    """
    total = cumulative[-1]
    if not total or not bounds:
        return None
    rank = q * total
    index = bisect_left(cumulative, rank, 0, len(cumulative) - 1)
    if index == len(bounds):
        return Quantile(bounds[-1], beyond=True)
    if index == 0 and bounds[0] <= 0:
        return Quantile(bounds[0])
    start, below = (bounds[index - 1], cumulative[index - 1]) if index else (0.0, 0)
    inside = cumulative[index] - below
    # With q = 0 nothing has to be in the first bucket; PromQL gives NaN there.
    return Quantile(start + (bounds[index] - start) * ((rank - below) / inside) if inside else start)


def is_error(status: str) -> bool:
    """Whether a value of a label ``status`` tells of something that went wrong."""
    return status in FAILURES or _HTTP_ERROR.fullmatch(status) is not None


def tallies(view: FamilyView, *labels: str) -> dict[Key, Tally]:
    """The series of a counter by the values of *labels*, most first; what is past a limit comes last."""
    spec, rows = view
    status = spec.labels.index("status") if "status" in spec.labels else None
    key_of = _key_of(spec, labels)
    found: dict[Key, Tally] = defaultdict(Tally)
    for series, value in rows:
        if isinstance(value, tuple):
            continue
        told = MISSING if status is None else series.labels[status]
        tally = Tally(value, value if is_error(told) else 0, value if told == MISSING else 0)
        found[key_of(series.labels)] += tally
    counted = [(key, tally) for key, tally in found.items() if tally.count]
    return dict(sorted(counted, key=lambda pair: _rank(pair[0], pair[1].count)))


def histograms(view: FamilyView, *labels: str) -> dict[Key, Histogram]:
    """The series of a histogram by the values of *labels*, in the order of ``tallies``."""
    spec, rows = view
    key_of = _key_of(spec, labels)
    found: dict[Key, Histogram] = {}
    for series, value in rows:
        if not isinstance(value, tuple) or not value[2]:
            continue
        key, one = key_of(series.labels), Histogram(spec.buckets, *value)
        found[key] = found[key] + one if key in found else one
    return dict(sorted(found.items(), key=lambda pair: _rank(pair[0], pair[1].count)))


def in_all(found: Iterable[Tally]) -> Tally:
    """The sum of them."""
    return sum(found, Tally())


def is_shown(view: FamilyView) -> bool:
    """Whether there is anything in a family that is worth a look; of the self-metrics only counts are."""
    spec, rows = view
    about_itself = spec.name.startswith("logmetrics_")
    return any(value or not about_itself for _, value in rows) and not (about_itself and spec.type != "counter")


def in_sum(sources: Sequence[SourceReading]) -> SourceReading:
    """All sources taken together."""
    packs: dict[str, int] = defaultdict(int)
    for source in sources:
        for pack, records in source.packs.items():
            packs[pack] += records
    firsts = [source.first_s for source in sources if source.first_s is not None]
    lasts = [source.last_s for source in sources if source.last_s is not None]
    shapes = [shape for source in sources for shape in source.shapes]
    return SourceReading(
        ", ".join(source.name for source in sources),
        tuple(path for source in sources for path in source.paths),
        packs=dict(sorted(packs.items(), key=lambda pair: (-pair[1], pair[0]))),
        first_s=min(firsts, default=None),
        last_s=max(lasts, default=None),
        shapes=tuple(sorted(shapes, key=lambda shape: -shape.count)),
        bad_lines=tuple(line for source in sources for line in source.bad_lines),
        **{name: sum(getattr(source, name) for source in sources) for name in _SUMMED},
    )


_HTTP_ERROR = re.compile(r"[45]([0-9]{2}|xx)")
_SUMMED = (
    *("files", "bytes", "lines", "matched", "unmatched", "unparsable", "continuations", "excluded", "oversize"),
    *("untimed", "future", "absurd", "shapes_of"),
)


def _key_of(spec: MetricSpec, labels: Sequence[str]) -> Callable[[Key], Key]:
    """From the values of a series' labels to those of some of them; a label that the family lacks has none."""
    places = [spec.labels.index(label) if label in spec.labels else None for label in labels]
    return lambda values: tuple("" if place is None else values[place] for place in places)


def _rank(key: Key, number: float) -> tuple[bool, float, Key]:
    return OVERFLOW in key, -number, key
