"""What the fields of records are like: how often they are there, of which kinds, how many values, how large."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from logmetrics.authoring.inference.decoding import Path, Record, is_duration_object, leaves
from logmetrics.authoring.inference.values import look_of
from logmetrics.formats.go_duration import parse_go_duration
from logmetrics.formats.json_lines import can_be_known
from logmetrics.rules.functions import VALUE_MAX, duration, number

# Different values are counted exactly up to here.
DISTINCT_MAX = 1_000
VALUE_CHARACTERS_MAX = 200
# So many numbers of a field are kept; of more every second one, every fourth, ...
NUMBERS_MAX = 8_192
# More fields of one kind of record are keys made of data.
FIELDS_MAX = 250
# So many whole records of each kind are at hand for comparisons.
KEPT_MAX = 200


@dataclass(slots=True)
class Numbers:
    """The numbers of a field: all of them, or an even choice."""

    count: int = 0
    least: float = float("inf")
    most: float = float("-inf")
    are_whole: bool = True
    _kept: array[float] = field(default_factory=lambda: array("d"))
    _stride: int = 1
    _sorted: list[float] | None = None

    def add(self, value: float) -> None:
        self.least, self.most = min(self.least, value), max(self.most, value)
        self.are_whole = self.are_whole and value == int(value)
        if self.count % self._stride == 0:
            if len(self._kept) >= NUMBERS_MAX:
                self._kept, self._stride = self._kept[::2], 2 * self._stride
            self._kept.append(value)
            self._sorted = None
        self.count += 1

    @property
    def ordered(self) -> list[float]:
        """Those that are kept, in rising order."""
        if self._sorted is None:
            self._sorted = sorted(self._kept)
        return self._sorted

    def quantile(self, share: float) -> float:
        """The number below which *share* of them are."""
        kept = self.ordered
        return kept[min(int(share * len(kept)), len(kept) - 1)]


@dataclass(slots=True)
class FieldStats:
    """One field of one kind of record."""

    path: Path
    # Records in which it is there and not null.
    present: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    looks: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    has_more_values: bool = False
    numbers: Numbers = field(default_factory=Numbers)
    # Whether its numbers never fell within a log, and how often they rose.
    never_fell: bool = True
    rises: int = 0
    _last: float | None = None
    _last_log: str = ""

    @property
    def name(self) -> str:
        return ".".join(self.path)

    @property
    def distinct(self) -> int:
        return len(self.values)

    def is_mostly(self, *kinds: str) -> bool:
        """Whether nearly all its values are of *kinds*."""
        return sum(self.kinds[kind] for kind in kinds) >= 0.9 * max(self.present, 1)

    def looks_mostly(self, *looks: str) -> bool:
        """Whether nearly all its texts look like one of *looks*."""
        total = self.looks.total()
        return total > 0 and sum(self.looks[look] for look in looks) >= 0.95 * total

    def add(self, value: Any, log: str) -> None:
        """Take note of its value in a record."""
        self.present += 1
        if value.__class__ is bool:
            self.kinds["boolean"] += 1
            self._note("true" if value else "false")
        elif value.__class__ is int or value.__class__ is float:
            self.kinds["number"] += 1
            if abs(value) < VALUE_MAX:
                self._note(f"{value:.15g}")
                self._note_number(float(value), log)
            else:
                self._note("another")
        elif value.__class__ is str:
            self.kinds["text"] += 1
            look = look_of(value)
            self.looks[look] += 1
            self._note(value[:VALUE_CHARACTERS_MAX])
            read = number(value) if look == "number" else parse_go_duration(value) if look == "duration" else None
            if read is not None and abs(read) < VALUE_MAX:
                self._note_number(float(read), log)
        elif value.__class__ is list:
            self.kinds["list"] += 1
        else:
            self.kinds["object"] += 1
            if is_duration_object(value) and (seconds := duration(value)) is not None:
                self.looks["duration"] += 1
                self._note_number(float(seconds), log)

    def _note(self, value: str) -> None:
        if value in self.values or len(self.values) < DISTINCT_MAX:
            self.values[value] += 1
        else:
            self.has_more_values = True

    def _note_number(self, value: float, log: str) -> None:
        self.numbers.add(value)
        if log != self._last_log:
            self._last, self._last_log = None, log
        if self._last is not None:
            self.never_fell = self.never_fell and value >= self._last
            self.rises += value > self._last
        self._last = value


@dataclass(slots=True)
class Kind:
    """Records that have something in common, such as their event, and what their fields are like."""

    count: int = 0
    fields: dict[Path, FieldStats] = field(default_factory=dict)
    kept: list[Record] = field(default_factory=list)

    def add(self, record: Record, log: str) -> None:
        """Take note of a record."""
        self.count += 1
        if len(self.kept) < KEPT_MAX:
            self.kept.append(record)
        for path, value in leaves(record):
            if value is None:
                continue
            stats = self.fields.get(path)
            if stats is None:
                if len(self.fields) >= FIELDS_MAX or not can_be_known(path[:1]):
                    continue  # too many, or a name that a rule cannot write
                stats = self.fields[path] = FieldStats(path)
            stats.add(value, log)

    def share(self, stats: FieldStats) -> float:
        """The share of records that have it."""
        return stats.present / max(self.count, 1)


def merged(parts: Sequence[FieldStats]) -> FieldStats:
    """One field of several kinds of records; of its numbers those of the first kind stand for all."""
    if len(parts) == 1:
        return parts[0]
    whole = FieldStats(parts[0].path, numbers=parts[0].numbers)
    for part in parts:
        whole.present += part.present
        whole.kinds += part.kinds
        whole.looks += part.looks
        whole.values += part.values
        whole.has_more_values = whole.has_more_values or part.has_more_values
    return whole


def distinct_words(stats: FieldStats) -> str:
    """How many values, in words."""
    if stats.has_more_values:
        return f"more than {DISTINCT_MAX:,} values"
    return f"{stats.distinct:,} value{'' if stats.distinct == 1 else 's'}"


def as_data(kind: Kind) -> Mapping[str, Any]:
    """What `--json` tells of the fields."""
    return {
        stats.name: {
            "present": stats.present,
            "kinds": dict(sorted(stats.kinds.items())),
            "distinct": stats.distinct,
            "distinct_is_least": stats.has_more_values,
            **({"looks": dict(sorted(stats.looks.items()))} if stats.looks else {}),
            **(
                {
                    "least": stats.numbers.least,
                    "p50": stats.numbers.quantile(0.5),
                    "p95": stats.numbers.quantile(0.95),
                    "most": stats.numbers.most,
                }
                if stats.numbers.count
                else {}
            ),
        }
        for stats in kind.fields.values()
    }
