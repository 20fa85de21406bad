"""Which fields measure something, and as what: a histogram of durations, a counter of tokens, bytes, money or things, a
gauge of a level.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from logmetrics.authoring.inference.decoding import Path, at
from logmetrics.authoring.inference.fields import FieldStats, Kind
from logmetrics.authoring.inference.units import clock_time, is_rate, is_setting, seconds_of, words_without_unit
from logmetrics.authoring.inference.values import words_of
from logmetrics.config.expression_text import path_text
from logmetrics.present.amounts import count, seconds, short, size
from logmetrics.rules.functions import number

_USAGE_OBJECTS_TEXT = """
    usage tokens token token_usage usagemetadata usage_metadata
"""
_USAGE_OBJECTS = frozenset(_USAGE_OBJECTS_TEXT.split())
_USAGE_PARTS_TEXT = """
    input output prompt completion cached cache cacheread cachewrite read write creation reasoning thoughts
    thinking tool candidates
"""
_USAGE_PARTS = frozenset(_USAGE_PARTS_TEXT.split())
_OLLAMA_COUNTS = {"prompt_eval_count": "prompt_tokens", "eval_count": "completion_tokens"}
_COST_WORDS_TEXT = """
    cost usd dollars price spend spent eur euros gbp cents amount revenue fee fees subtotal
"""
# What it is counted in.
_CURRENCIES = ("usd", "dollars", "eur", "euros", "gbp", "cents")
# Names that are told as they are; others get a word that tells that it is money.
_MONEY_STEMS = frozenset(("cost", "price", "spend", "amount", "revenue", "fee", "fees", "subtotal"))
_COST_WORDS = frozenset(_COST_WORDS_TEXT.split())
_BYTE_UNITS = {
    **dict.fromkeys(("bytes", "byte"), 1),
    **dict.fromkeys(("kb", "kilobytes"), 1_000),
    **dict.fromkeys(("mb", "megabytes"), 1_000_000),
    **dict.fromkeys(("gb", "gigabytes"), 1_000_000_000),
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}
# The size of something that was sent or stored, where no unit tells it.
_SIZED_WORDS_TEXT = """
    body content file payload response request upload download transfer object
"""
_SIZED_WORDS = frozenset(_SIZED_WORDS_TEXT.split())
_LEVEL_WORDS_TEXT = """
    depth pending running waiting inflight backlog utilization utilisation memory mem rss heap temperature free
    queued connections available load occupancy lag
"""
_LEVEL_WORDS = frozenset(_LEVEL_WORDS_TEXT.split())
_THINGS_TEXT = """
    items rows records documents docs files chunks messages retries requests hits misses pages calls characters
    chars lines orders events hits results matches failures entries packets objects images batches deleted
    inserted updated processed skipped dropped sent received
"""
_THINGS = frozenset(_THINGS_TEXT.split())
_TOTAL_WORDS_TEXT = """
    total cumulative accumulated totals sum
"""
_TOTAL_WORDS = frozenset(_TOTAL_WORDS_TEXT.split())
MEANING_UNTOLD = "numbers of which the name does not tell what they measure"
_RISES_LEAST = 4
# What so many records cost is not always the same.
_PRICE_RECORDS = 4


@dataclass(frozen=True, slots=True)
class Measure:
    """What one field measures, and how to read it.

    ``type`` is the metric's; ``stem`` and ``unit`` make its name; ``scale`` turns the field's numbers into the unit.
    """

    path: Path
    type: str
    stem: tuple[str, ...]
    unit: str
    expression: str
    scale: float
    evidence: str
    doubt: str = ""

    @property
    def name(self) -> str:
        """The field as people call it."""
        return ".".join(self.path)


def measure_of(stats: FieldStats, kind: Kind) -> Measure | str:
    """What the numbers of *stats*, a field of records of *kind*, measure; or why nothing is made of it."""
    is_duration_text = stats.looks_mostly("duration", "iso_duration", "clock_duration")
    if not stats.numbers.count and not is_duration_text:
        return ""
    if clock := clock_time(stats):
        return f"a time on the clock ({clock})"
    if is_setting(stats):
        return "by its name a setting, and no measurement"
    if is_rate(stats) and not is_duration_text:
        return "a rate: count what it is a rate of"
    if stats.numbers.count and stats.numbers.most <= 0:
        return "never more than 0"
    if not is_duration_text and not stats.is_mostly("number") and not stats.looks_mostly("number"):
        return "numbers and other things mixed"
    for judge in (_tokens, _duration, _cost, _bytes, _level, _things):
        if found := judge(stats, kind):
            return found
    return MEANING_UNTOLD


def _of_last(path: Path) -> Path:
    """The path of the last step beside the total at *path*."""
    return (
        tuple(key.replace("total", "last", 1) for key in path[:-1]) + path[-1:]
        if "total" in ".".join(path[:-1])
        else ()
    )


def _tokens(stats: FieldStats, kind: Kind) -> Measure | str:
    words = words_of(stats.path[-1])
    parents = {parent for key in stats.path[:-1] for parent in (key.lower(), *words_of(key))}
    is_named = bool({"tokens", "toks", "tok"} & set(words)) or words[-2:] == ("token", "count")
    is_named = is_named or stats.path[-1] in _OLLAMA_COUNTS
    is_part = bool(parents & _USAGE_OBJECTS) and bool(_USAGE_PARTS.intersection(words)) and "cost" not in parents
    if not (is_named or is_part) or not stats.numbers.are_whole:
        return ""
    if "total" in words and not _grows(stats):
        return "the sum of other tokens"
    if any(_of_last(stats.path) == path for path in kind.fields):
        return f"counts up; {'.'.join(_of_last(stats.path))} tells each step"
    if stats.path[-1] in _OLLAMA_COUNTS:
        stem = tuple(_OLLAMA_COUNTS[stats.path[-1]].split("_"))
    else:
        stem = (*(word for word in words if word not in ("token", "tokens", "tok", "toks", "count")), "tokens")
    return _sum(stats, stem, "", short)


def _duration(stats: FieldStats, kind: Kind) -> Measure | str:
    found = seconds_of(stats, kind)
    if found is None:
        return ""
    if (
        stats.rises >= _RISES_LEAST
        and stats.never_fell
        and {"elapsed", "uptime", "age"} & set(words_of(".".join(stats.path)))
    ):
        return "grows with the log: the age of the process, and no duration"
    stem = tuple(word for word in words_without_unit(words_of(stats.path[-1])) if word not in ("total",)) or (
        "duration",
    )
    if stem == ("secs",) or stats.path[-1].lower() in ("ms", "seconds", "secs", "ns", "us"):
        stem = words_of(stats.path[-2]) if len(stats.path) > 1 else ("duration",)
    return Measure(
        stats.path, "histogram", stem, "seconds", found.expression, found.scale,
        f"{_spread(stats, lambda value: seconds(value * found.scale))} ({found.why})", found.doubt,
    )  # fmt: skip


def _cost(stats: FieldStats, kind: Kind) -> Measure | str:
    words = words_of(stats.path[-1])
    parents = {word for key in stats.path[:-1] for word in words_of(key)}
    if not _COST_WORDS.intersection(words) and not ("cost" in parents and _USAGE_PARTS.intersection((*words, "total"))):
        return ""
    is_price = stats.numbers.count >= _PRICE_RECORDS and stats.numbers.least == stats.numbers.most
    if {"per", "unit"} & set(words) or is_price:
        return "a price, and no cost"
    plain = tuple(word for word in words if word != "total")
    if plain != words and any(
        path[:-1] == stats.path[:-1] and words_of(path[-1]) == plain for path in kind.fields if path != stats.path
    ):
        return "the total of what another field tells for each record"
    if "cost" in parents and words != ("total",):
        return "a part of the whole cost"
    if "micros" in words or ("cents" in words and _has_whole_money(stats, kind)):
        return "money in parts; write its sum by hand if there is no other"
    unit = "_".join(word for word in words if word in _CURRENCIES)
    stem = tuple(word for word in words if word not in (*_CURRENCIES, "total")) or ("amount",)
    doubt = "" if unit or "cost" in stem else "taken for money, whose currency the name does not tell"
    stem = stem if unit or _MONEY_STEMS.intersection(stem) else (*stem, "cost")
    return _sum(stats, stem, unit.replace("dollars", "usd").replace("euros", "eur"), _money, doubt=doubt)


def _has_whole_money(stats: FieldStats, kind: Kind) -> bool:
    """Whether the same records tell the same in whole units, too."""
    own = set(words_of(stats.path[-1])) - {"cents"}
    others = (set(words_of(path[-1])) for path, other in kind.fields.items() if other.numbers.count)
    return any(words - {*_CURRENCIES} == own and "cents" not in words for words in others)


def _money(value: float) -> str:
    return f"{value:,.2f}" if value >= 0.1 else f"{value:.2g}"


def _bytes(stats: FieldStats, _kind: Kind) -> Measure | str:
    words = words_of(stats.path[-1])
    unit = next((word for word in words if word in _BYTE_UNITS), "")
    doubt = ""
    if not unit:
        near = {word for key in stats.path[-2:] for word in words_of(key)}
        if words[-1:] not in (("size",), ("length",)) or not _SIZED_WORDS & near or not stats.numbers.are_whole:
            return ""
        unit, doubt = "bytes", "the name tells no unit: taken for bytes"
    factor = _BYTE_UNITS[unit]
    stem = tuple(word for word in words if word not in _BYTE_UNITS)
    if len(stem) == 1 and doubt and len(stats.path) > 1:
        stem = (*words_of(stats.path[-2]), *stem)
    if (_LEVEL_WORDS | {"used", "size", "limit"}).intersection(stem) and not doubt:
        return _gauge(stats, stem, "bytes", factor, lambda value: size(value * factor))
    return _sum(stats, stem, "bytes", lambda value: size(value * factor), factor, doubt)


def _level(stats: FieldStats, _kind: Kind) -> Measure | str:
    words = words_of(stats.path[-1])
    is_queue = "queue" in words and {"size", "length", "len", "depth"} & set(words)
    is_cpu = "cpu" in words and {"percent", "pct", "usage", "utilization", "load"} & set(words)
    if not _LEVEL_WORDS.intersection(words) and not is_queue and not is_cpu:
        return ""
    if {"percent", "pct", "percentage"} & set(words):
        stem = tuple(word for word in words if word not in ("percent", "pct", "percentage"))
        return _gauge(stats, stem, "ratio", 0.01, lambda value: f"{value:.15g} %")
    return _gauge(stats, words, "", 1, count)


def _things(stats: FieldStats, _kind: Kind) -> Measure | str:
    words = words_of(stats.path[-1])
    stem = tuple(word for word in words if word not in ("count", "num", "number", "n", "total"))
    is_named = bool(stem) and stem[-1] in _THINGS
    if not is_named or not stats.numbers.are_whole:
        return ""
    doubt = "" if _grows(stats) else "summed; if it is a level, make it a gauge"
    return _sum(stats, stem, "", short, 1, doubt)


def _grows(stats: FieldStats) -> bool:
    """Whether it counts up within each log, by name and by numbers."""
    words = {word for key in stats.path for word in words_of(key)}
    return bool(_TOTAL_WORDS & words) and stats.never_fell and stats.rises >= _RISES_LEAST


def _sum(
    stats: FieldStats,
    stem: tuple[str, ...],
    unit: str,
    told: Callable[[float], str],
    factor: float = 1,
    doubt: str = "",
) -> Measure | str:
    if stats.numbers.least < 0:
        return "sometimes less than 0: no counter can take it"
    read = _read(stats)
    if _grows(stats):
        read = f"delta({read}, {chr(34)}{'_'.join(stem)}{chr(34)})"
        evidence = f"counts up within each log, to {told(stats.numbers.most)}: its growth is added"
    else:
        evidence = _spread(stats, told)
    if factor != 1:
        read = f"{read} * {factor}"
    return Measure(stats.path, "counter", stem, unit, read, factor, evidence, doubt)


def _gauge(stats: FieldStats, stem: tuple[str, ...], unit: str, factor: float, told: Callable[[float], str]) -> Measure:
    read = _read(stats)
    read = read if factor == 1 else f"{read} / 100" if factor == 0.01 else f"{read} * {factor}"
    return Measure(stats.path, "gauge", stem, unit, read, factor, f"a level; {_spread(stats, told)}")


def _read(stats: FieldStats) -> str:
    field = path_text(stats.path)
    return f"number({field})" if stats.kinds["text"] else field


def _spread(stats: FieldStats, told: Callable[[float], str]) -> str:
    numbers = stats.numbers
    if not numbers.count:
        return f"{stats.present:,} of them"
    if numbers.least == numbers.most:
        return f"always {told(numbers.most)}"
    return f"p50 {told(numbers.quantile(0.5))}, p95 {told(numbers.quantile(0.95))}, max {told(numbers.most)}"


def without_repeats(measures: Mapping[Path, Measure], kind: Kind) -> tuple[dict[Path, Measure], dict[Path, str]]:
    """*measures* without those that always say the same as another one, and why these are left out.

    What more records have is kept, and of two the one with the plainer name.
    """
    kept: list[Path] = []
    refused: dict[Path, str] = {}
    for path in sorted(measures, key=lambda path: (-kind.fields[path].present, len(path), path)):
        other = next((other for other in kept if _says_the_same(measures[other], measures[path], kind)), None)
        if other is None:
            kept.append(path)
        else:
            refused[path] = f"always the same as {'.'.join(other)}"
    return {path: measure for path, measure in measures.items() if path in kept}, refused


def _says_the_same(one: Measure, other: Measure, kind: Kind) -> bool:
    if one.type != other.type or one.unit != other.unit:
        return False
    pairs = [
        (left, right)
        for record in kind.kept
        if (left := number(at(record, one.path))) is not None and (right := number(at(record, other.path))) is not None
    ]
    are_equal = all(left * one.scale == right * other.scale for left, right in pairs)
    return are_equal and len({left for left, _ in pairs}) > 1
