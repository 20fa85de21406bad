"""Values whose unit is not that of the metric's name: wrong by a thousand, and looking right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log

from logmetrics.authoring.lint.findings import Finding
from logmetrics.authoring.lint.subject import Subject, told
from logmetrics.config.tree import Arithmetic, Call, Expr, Field, IfElse, Item, Let, Literal, Or, Part, parts_of

_FUNCTION_SCALES: Mapping[str, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_WORDS: Mapping[str, tuple[str, float]] = {
    **dict.fromkeys(("s", "sec", "secs", "seconds"), ("seconds", 1.0)),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "milliseconds"), ("seconds", 1e-3)),
    **dict.fromkeys(("us", "usec", "usecs", "micros", "microseconds"), ("seconds", 1e-6)),
    **dict.fromkeys(("ns", "nsec", "nsecs", "nanos", "nanoseconds"), ("seconds", 1e-9)),
    **dict.fromkeys(("minutes", "mins"), ("seconds", 60.0)),
    "hours": ("seconds", 3600.0),
    **dict.fromkeys(("bytes",), ("bytes", 1.0)),
    **dict.fromkeys(("kb", "kilobytes"), ("bytes", 1e3)),
    **dict.fromkeys(("kib", "kibibytes"), ("bytes", 1024.0)),
    **dict.fromkeys(("mb", "megabytes"), ("bytes", 1e6)),
    **dict.fromkeys(("mib", "mebibytes"), ("bytes", 1024.0**2)),
    **dict.fromkeys(("gb", "gigabytes"), ("bytes", 1e9)),
    **dict.fromkeys(("gib", "gibibytes"), ("bytes", 1024.0**3)),
    "ratio": ("ratio", 1.0),
    **dict.fromkeys(("percent", "percentage", "pct"), ("ratio", 1e-2)),
}
# What a multiple of seconds, bytes or one is called; others are told as numbers.
_CALLED: Mapping[tuple[str, float], str] = {
    ("seconds", 1.0): "seconds",
    ("seconds", 1e-3): "milliseconds",
    ("seconds", 1e-6): "microseconds",
    ("seconds", 1e-9): "nanoseconds",
    ("seconds", 60.0): "minutes",
    ("seconds", 3600.0): "hours",
    ("bytes", 1.0): "bytes",
    ("bytes", 1e3): "kilobytes",
    ("bytes", 1024.0): "kibibytes",
    ("bytes", 1e6): "megabytes",
    ("bytes", 1024.0**2): "mebibytes",
    ("bytes", 1e9): "gigabytes",
    ("bytes", 1024.0**3): "gibibytes",
    ("ratio", 1.0): "a share of 1",
    ("ratio", 1e-2): "percent",
}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


# A kilobyte has 1000 bytes or 1024, which no name tells; a gigabyte's two meanings are seven in a hundred apart.
_CLOSE = log(1.08)


def _are_close(one: float, other: float) -> bool:
    return abs(log(one / other)) < _CLOSE


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number counts: so many (``scale``) of ``base``; ``source`` is what tells it."""

    base: str
    scale: float
    source: str

    def __str__(self) -> str:
        for (base, scale), name in _CALLED.items():
            if base == self.base and _are_close(scale, self.scale):
                return name
        return f"{self.scale:g} {self.base}"


def findings(subject: Subject) -> Iterator[Finding]:
    """Updates whose values are in other units than the metrics' names say, and conversions of what is converted."""
    for place in subject.expressions():
        yield from _wrong_conversions(subject, place.path, place.expr)
    for path, rule in subject.rule_paths():
        for place_of, update in subject.updates(path, rule):
            wanted, given = unit_of_name(update.metric), unit_of(update.value)
            if wanted is None or given is None or subject.metrics[update.metric].type in ("active", "info"):
                continue
            if wanted.base != given.base:
                what = f"{given.source} gives {given}, and {update.metric} takes {wanted} by its name"
                remedy = "give it what its name says, or another name"
            elif not _are_close(wanted.scale, given.scale):
                what = f"{given.source} gives {given}, and {update.metric} takes {wanted} by its name"
                remedy = _conversion(update.value, wanted, given)
            else:
                continue
            yield subject.finding("wrong-unit", place_of, what, remedy)


def unit_of_name(metric: str) -> Unit | None:
    """The unit that a metric's name ends in."""
    words = metric.removesuffix("_total").split("_")
    known = _WORDS.get(words[-1].lower()) if len(words) > 1 and len(words[-1]) > 1 else None
    return None if known is None or "per" in words else Unit(*known, metric)


def unit_of(expr: Expr) -> Unit | None:
    """The unit of the number that *expr* gives; None when nothing tells it."""
    if isinstance(expr, (Field, Part)):
        return _unit_of_field(expr.path)
    if isinstance(expr, (Item, Let)):
        return unit_of(expr.value) if isinstance(expr, Let) else None
    if isinstance(expr, Call):
        if expr.name in _FUNCTION_SCALES or expr.name in ("duration", "between"):
            return Unit("seconds", 1.0, f"{expr.name}()")
        return unit_of(expr.arguments[0]) if expr.name in ("number", "rise", "delta") else None
    if isinstance(expr, Or):
        return _common([unit_of(operand) for operand in expr.operands if not _is_literal(operand)])
    if isinstance(expr, IfElse):
        return _common([unit_of(each) for each in (expr.then, expr.otherwise) if not _is_literal(each)])
    if isinstance(expr, Arithmetic):
        return _unit_of_arithmetic(expr)
    return None


def _unit_of_field(path: tuple[str | int, ...]) -> Unit | None:
    name = str(path[-1])
    words = [word.lower() for word in re.split(r"[_.\-]", _CAMEL.sub("_", name))]
    known = _WORDS.get(words[-1])
    # One letter alone, or a word alone, is a name.
    if known is None or len(words) < 2 or "per" in words or "at" in words[:-1]:
        return None
    return Unit(*known, name)


def _unit_of_arithmetic(expr: Arithmetic) -> Unit | None:
    left, right = unit_of(expr.left), unit_of(expr.right)
    if expr.operator in "+-":
        return _common([unit for unit, side in ((left, expr.left), (right, expr.right)) if not _is_literal(side)])
    if expr.operator == "/" and left and right and left.base == right.base and _are_close(left.scale, right.scale):
        return None  # a share of something, which only its name tells
    number, unit = (expr.right, left) if _is_number(expr.right) else (expr.left, right)
    if not (isinstance(number, Literal) and _is_number(number)) or unit is None or not number.value:
        return None
    if expr.operator == "*":
        return Unit(unit.base, unit.scale / abs(float(number.value)), f"{unit.source} * {number.value}")
    if number is expr.right:
        return Unit(unit.base, unit.scale * abs(float(number.value)), f"{unit.source} / {number.value}")
    return None


def _common(units: list[Unit | None]) -> Unit | None:
    first = units[0] if units else None
    if first is None or any(each is None for each in units):
        return None
    same = all(each and each.base == first.base and _are_close(each.scale, first.scale) for each in units)
    return first if same else None


def _is_literal(expr: Expr) -> bool:
    return isinstance(expr, Literal)


def _is_number(expr: Expr) -> bool:
    return isinstance(expr, Literal) and isinstance(expr.value, (int, float)) and not isinstance(expr.value, bool)


def _conversion(value: Expr, wanted: Unit, given: Unit) -> str:
    function = next((name for name, scale in _FUNCTION_SCALES.items() if _are_close(scale, given.scale)), "")
    if given.source.endswith("()"):
        return f"end the metric's name in _{given} in place of _{wanted}"
    if wanted.base == "seconds" and wanted.scale == 1.0 and function and isinstance(value, (Field, Part)):
        return f"write {function}({told(value)})"
    factor = given.scale / wanted.scale
    return f"multiply it by {factor:g}" if factor > 1 else f"divide it by {1 / factor:g}"


def _wrong_conversions(subject: Subject, path: tuple[str | int, ...], expr: Expr) -> Iterator[Finding]:
    for part in parts_of(expr):
        if not isinstance(part, Call) or part.name not in (*_FUNCTION_SCALES, "duration"):
            continue
        given = unit_of(part.arguments[0])
        if given is None:
            continue
        expected = Unit("seconds", _FUNCTION_SCALES.get(part.name, 1.0), "")
        right = next((name for name, scale in _FUNCTION_SCALES.items() if _are_close(scale, given.scale)), "")
        if given.base != "seconds":
            what = f"{part.name}() makes seconds of a time, and {given.source} gives {given}"
            remedy = "take the function away"
        elif part.name == "duration" and right and not given.source.endswith("()"):
            what = f"duration() takes texts such as 1m2.3s, and {given.source} is a number of {given} by its name"
            remedy = f"write {right}({given.source})"
        elif part.name != "duration" and not _are_close(given.scale, expected.scale):
            what = f"{part.name}() takes {_CALLED['seconds', expected.scale]}, and {given.source} gives {given}"
            remedy = f"write {right}({given.source})" if right and right != "s" else "take the function away"
        else:
            continue
        yield subject.finding("wrong-conversion", path, what, remedy)
