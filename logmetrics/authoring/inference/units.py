"""Numbers -> what they measure, and in which unit: by what the field is called, by its text, by what stands beside it,
and by how large it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from logmetrics.authoring.inference.decoding import Path, Record, at
from logmetrics.authoring.inference.fields import FieldStats, Kind
from logmetrics.authoring.inference.values import epoch_unit, words_of
from logmetrics.config.expression_text import path_text
from logmetrics.rules.functions import between, number

PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9, "min": 1 / 60, "h": 1 / 3600}
UNIT_WORDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("us", "usec", "usecs", "micros", "microsecond", "microseconds"), "us"),
    **dict.fromkeys(("ns", "nsec", "nsecs", "nanos", "nanosecond", "nanoseconds"), "ns"),
    **dict.fromkeys(("min", "mins", "minutes"), "min"),
    **dict.fromkeys(("hours", "hrs"), "h"),
}
UNIT_NAMES = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "min": "minutes",
    "h": "hours",
}
DURATION_WORDS = frozenset(
    ("duration", "latency", "elapsed", "took", "runtime", "ttft", "rtt", "delay", "waited", "lag")
)
# Before "time" they tell that it is one that something takes, and not one on the clock.
_TAKEN_WORDS_TEXT = """
    response request execution exec run processing process queue wait total inference validation load build
    connect upstream render query db cpu user eval first token taken spent turnaround service handling
"""
_TAKEN_WORDS = frozenset(_TAKEN_WORDS_TEXT.split())
_CLOCK_WORDS_TEXT = """
    time timestamp ts date at created updated modified started ended start end begin finished completed datetime
    expires expiry epoch
"""
_CLOCK_WORDS = frozenset(_CLOCK_WORDS_TEXT.split())
_SETTING_WORDS_TEXT = """
    timeout ttl interval deadline limit max min maximum minimum budget threshold capacity backoff
"""
_SETTING_WORDS = frozenset(_SETTING_WORDS_TEXT.split())
# Ollama's API tells all its durations in nanoseconds.
_OLLAMA_NAMES = frozenset(("total_duration", "load_duration", "prompt_eval_duration", "eval_duration"))
_OLLAMA_NS_LEAST = 1e5
# slog writes nanoseconds; less than a microsecond is none.
_SLOG_NS_LEAST = 1_000


@dataclass(frozen=True, slots=True)
class Seconds:
    """A field of durations: how to read it, how large they are in seconds, how that is known, and what is in doubt."""

    expression: str
    scale: float
    why: str
    doubt: str = ""


def clock_time(stats: FieldStats) -> str:
    """What kind of time on the clock a field tells, in words; empty when it tells none."""
    if stats.looks_mostly("time") and stats.is_mostly("text"):
        return "time as text"
    numbers = stats.numbers
    if numbers.count < 0.9 * stats.present or not numbers.count:
        return ""
    unit = epoch_unit(numbers.least, numbers.most)
    named = bool(_CLOCK_WORDS.intersection(words_of(stats.path[-1])))
    # Sizes in bytes can be as large as seconds since 1970, but nothing stays so near to one value as a clock.
    is_clock = unit and (named or (unit != "s" and numbers.most < 1.2 * numbers.least))
    return f"{UNIT_NAMES[unit]} since 1970" if is_clock else ""


def is_setting(stats: FieldStats) -> bool:
    """Whether its name tells of a limit that somebody set, and not of a measurement."""
    return bool(_SETTING_WORDS.intersection(words_of(stats.path[-1])))


def is_rate(stats: FieldStats) -> bool:
    """Whether it is so much of something in a second: neither its sum nor its distribution tells much."""
    words = words_of(stats.path[-1])
    is_per_second = UNIT_WORDS.get(words[-1] if words else "") == "s" and bool({"per", "tokens"} & set(words))
    return is_per_second or words[-1:] in (("rate",), ("throughput",), ("tps",), ("qps",), ("rps",))


def seconds_of(stats: FieldStats, kind: Kind) -> Seconds | None:
    """How to read *stats*, a field of records of *kind*, as durations; None when it is no duration."""
    field = path_text(stats.path)
    if stats.looks_mostly("duration") and not stats.kinds["number"]:
        return Seconds(f"duration({field})", 1, "durations with their units")
    if stats.looks_mostly("iso_duration"):
        return Seconds(f's(capture({field}, "^PT([0-9.]+)S$"))', 1, "ISO 8601 durations")
    if stats.looks_mostly("clock_duration") and _is_duration_name(stats.path):
        parts = [f'number(capture({field}, "{pattern}"))' for pattern in ("^(\\\\d+):", ":(\\\\d+):", ":([0-9.]+)$")]
        return Seconds(f"{parts[0]} * 3600 + {parts[1]} * 60 + {parts[2]}", 1, "hours, minutes and seconds")
    if not stats.numbers.count or not stats.is_mostly("number", "text") or stats.numbers.most <= 0:
        return None
    if stats.kinds["text"] and not stats.looks_mostly("number"):
        return None
    unit = _named_unit(stats.path)
    if unit:
        return _read_in(unit, field, "its name tells the unit")
    if not _is_duration_name(stats.path):
        return None
    for judge in (_of_ollama, _from_start_to_end, _beside_another, _of_logger):
        if found := judge(stats, kind):
            return _read_in(found[0], field, found[1])
    unit, why = _by_size(stats)
    doubt = f"the name tells no unit: {UNIT_NAMES[unit]} is a guess, {why}; if it is wrong, change {unit}() below"
    return _read_in(unit, field, why, doubt)


def _read_in(unit: str, field: str, why: str, doubt: str = "") -> Seconds:
    if unit in ("min", "h"):
        factor = 60 if unit == "min" else 3600
        return Seconds(f"s({field}) * {factor}", 1 / PER_SECOND[unit], why, doubt)
    return Seconds(f"{unit}({field})", 1 / PER_SECOND[unit], why, doubt)


def _named_unit(path: Path) -> str:
    words = words_of(path[-1])
    if not words or "per" in words:
        return ""
    unit = UNIT_WORDS.get(words[-1], "") or (UNIT_WORDS.get(words[0], "") if len(words[0]) > 1 else "")
    if unit in ("min", "h") and not (DURATION_WORDS | _TAKEN_WORDS).intersection(words):
        return ""  # more often a minimum, or a plan
    if len(words) == 1 and len(words[0]) <= 3:
        return unit if len(path) > 1 and _is_duration_name(path[:-1]) else ""
    return unit


def _is_duration_name(path: Path) -> bool:
    words = words_of(path[-1])
    if DURATION_WORDS.intersection(words):
        return True
    return "time" in words and bool(_TAKEN_WORDS.intersection(words))


def _of_ollama(stats: FieldStats, _kind: Kind) -> tuple[str, str] | None:
    is_it = stats.path[-1] in _OLLAMA_NAMES and stats.numbers.are_whole
    return ("ns", "as Ollama's API names its nanoseconds") if is_it and stats.numbers.most >= _OLLAMA_NS_LEAST else None


def _from_start_to_end(stats: FieldStats, kind: Kind) -> tuple[str, str] | None:
    """By the times of the same record between which it lies."""
    times = [path for path, other in kind.fields.items() if clock_time(other)]
    starts = [path for path in times if {"start", "started", "begin"} & set(words_of(path[-1]))]
    ends = [path for path in times if {"end", "ended", "finished", "completed"} & set(words_of(path[-1]))]
    for start in starts:
        for end in ends:
            if unit := _unit_of_ratio(kind, stats.path, partial(_between, start=start, end=end)):
                return unit, f"it is what lies between {'.'.join(start)} and {'.'.join(end)}"
    return None


def _beside_another(stats: FieldStats, kind: Kind) -> tuple[str, str] | None:
    """By another duration of the same record that tells its unit and is always as long."""
    for path, other in kind.fields.items():
        unit = _named_unit(path) if path != stats.path and other.numbers.count else ""
        if unit:
            seconds = partial(_seconds_at, path=path, per_second=PER_SECOND[unit])
            if found := _unit_of_ratio(kind, stats.path, seconds):
                return found, f"it is as long as {'.'.join(path)}"
    return None


def _between(record: Record, start: Path, end: Path) -> float | None:
    return between(at(record, start), at(record, end))


def _seconds_at(record: Record, path: Path, per_second: float) -> float | None:
    read = number(at(record, path))
    return None if read is None else read / per_second


def _unit_of_ratio(kind: Kind, path: Path, seconds: Callable[[Record], float | None]) -> str:
    """The unit in which the field at *path* is what *seconds* gives, in nearly all records that are at hand."""
    ratios = []
    for record in kind.kept:
        value, true_s = number(at(record, path)), seconds(record)
        if value and true_s is not None and true_s > 0:
            ratios.append(value / true_s)
    if len(ratios) < 2:
        return ""
    middle = median(ratios)
    near = sum(abs(ratio / middle - 1) < 0.1 for ratio in ratios)
    units = ("s", "ms", "us", "ns")
    unit = next((unit for unit in units if abs(middle / PER_SECOND[unit] - 1) < 0.1), "")
    return unit if near >= 0.8 * len(ratios) else ""


def _of_logger(stats: FieldStats, kind: Kind) -> tuple[str, str] | None:
    """By the way in which a known logger names time, message and level, and so writes durations."""
    names = {path[0] for path in kind.fields}
    levels = kind.fields.get(("level",))
    values = set(levels.values) if levels else set()
    time = kind.fields.get(("time",)) or kind.fields.get(("ts",))
    if "ts" in names and time and time.is_mostly("number") and "msg" in names and "caller" in names:
        return "s", "as zap writes durations"
    if (
        {"message", "time"} <= names
        and values
        and values <= {"trace", "debug", "info", "warn", "error", "fatal", "panic"}
    ):
        return "ms", "as zerolog writes durations"
    is_slog = {"msg", "time"} <= names and "hostname" not in names and time and time.is_mostly("text")
    is_slog = is_slog and bool(values) and all(value.split("+")[0].split("-")[0].isupper() for value in values)
    if is_slog and stats.numbers.are_whole and stats.numbers.quantile(0.5) >= _SLOG_NS_LEAST:
        return "ns", "as Go's slog writes durations"
    return None


def _by_size(stats: FieldStats) -> tuple[str, str]:
    middle, most = stats.numbers.quantile(0.5), stats.numbers.most
    if stats.numbers.are_whole and middle >= 1e6:
        return "ns", "for whole numbers of this size"
    if not stats.numbers.are_whole and most < 1_000:
        return "s", "for fractions of this size"
    if middle >= 10 or most >= 1_000:
        return "ms", "for numbers of this size"
    return "s", "for numbers of this size"


def words_without_unit(words: Sequence[str]) -> list[str]:
    """*words* of a name without those that tell a unit."""
    return [word for word in words if word not in UNIT_WORDS]
