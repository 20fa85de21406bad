"""What the generated code calls: the functions of the rule language, and the helpers behind its operators.

None of these raises, whatever a log holds. ``None`` is "missing" everywhere: a field that is absent, null, or of a type
that makes no sense for the operation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date
from hashlib import blake2b
from typing import Any

import msgspec

from logmetrics.formats.go_duration import parse_go_duration
from logmetrics.rules.patterns import search

# Larger values are refused: so no sum can ever reach infinity, which Prometheus would show for good.
VALUE_MAX = 1e290
NUMBER_TEXT_MAX = 64
KEY_TEXT_MAX = 200
KEPT_TEXT_MAX = 1000

Number = int | float


def is_number(value: Any) -> bool:
    """True for an int or a float; a bool is not a number."""
    return value.__class__ is int or value.__class__ is float


def label(value: Any) -> str:
    """A label's text for any value: booleans as true and false, whole floats without .0, missing as unknown."""
    if value.__class__ is str:
        return str(value)
    if value is True or value is False:
        return "true" if value else "false"
    if is_number(value):
        return _number_text(value)
    return "unknown"


def _number_text(value: Number) -> str:
    if isinstance(value, int):
        return str(value) if abs(value) < 10**40 else "unknown"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def dig(value: Any, *keys: str | int) -> Any:
    """Follow *keys* into nested objects and arrays; missing when a step does not exist."""
    for key in keys:
        if isinstance(key, str):
            if value.__class__ is not dict:
                return None
            value = value.get(key)
        else:
            if value.__class__ is not list or not -len(value) <= key < len(value):
                return None
            value = value[key]
    return value


def same(left: Any, right: Any) -> bool:
    """Equality without Python's kinship of 1, 1.0 and True: a boolean equals booleans only."""
    if left is None or right is None or (left.__class__ is bool) is not (right.__class__ is bool):
        return False
    return bool(left == right)


def ordered(left: Any, right: Any) -> bool:
    """True when < and > make sense between the two: both numbers, or both texts."""
    return (is_number(left) and is_number(right)) or (left.__class__ is str and right.__class__ is str)


def less(left: Any, right: Any) -> bool:
    return ordered(left, right) and left < right


def at_most(left: Any, right: Any) -> bool:
    return ordered(left, right) and left <= right


def contains(part: Any, whole: Any) -> bool:
    """``part in whole``: a text within a text, an element of a list, or a key of an object."""
    if part is None:
        return False
    if whole.__class__ is str:
        return part.__class__ is str and part in whole
    if whole.__class__ is list:
        return any(same(part, item) for item in whole)
    return whole.__class__ is dict and part.__class__ is str and part in whole


def arithmetic(operator: str, left: Any, right: Any) -> Number | None:
    """``+ - * /`` of two numbers; missing for anything else, for division by zero and for overflow."""
    if not (is_number(left) and is_number(right)):
        return None
    try:
        if operator == "+":
            result = left + right
        elif operator == "-":
            result = left - right
        elif operator == "*":
            result = left * right
        else:
            result = left / right
        return result if math.isfinite(result) else None
    except (ZeroDivisionError, OverflowError):
        return None


def number(value: Any) -> Number | None:
    """A number, also from its text; missing for everything else."""
    if is_number(value):
        return value  # type: ignore[no-any-return]
    if value.__class__ is not str or len(value) > NUMBER_TEXT_MAX or "_" in value:
        return None
    try:
        return int(value)
    except ValueError:
        try:
            result = float(value)
        except ValueError:
            return None
    return result if math.isfinite(result) else None


def _scaled(value: Any, per_second: int) -> Number | None:
    value = number(value)
    try:
        return None if value is None else value / per_second if per_second > 1 else value
    except OverflowError:
        return None


def s(value: Any) -> Number | None:
    return _scaled(value, 1)


def ms(value: Any) -> Number | None:
    return _scaled(value, 1_000)


def us(value: Any) -> Number | None:
    return _scaled(value, 1_000_000)


def ns(value: Any) -> Number | None:
    return _scaled(value, 1_000_000_000)


def duration(value: Any) -> Number | None:
    """Seconds of a duration: text such as Go and Rust print, ``{secs, nanos}``, or ``[seconds, nanoseconds]``."""
    if value.__class__ is str:
        return parse_go_duration(value)
    if value.__class__ is dict:
        value = [value.get("secs"), value.get("nanos", 0)]
    if value.__class__ is list and len(value) == 2 and is_number(value[0]) and is_number(value[1]):
        return arithmetic("+", value[0], arithmetic("/", value[1], 1_000_000_000))
    return None


def _time_ns(value: Any) -> int | None:
    """Nanoseconds since 1970 of a time; see ``time``."""
    if value.__class__ is str and (found := _ISO_TIME.fullmatch(value)):
        year, month, day, hour, minute, second, fraction, sign, zone_h, zone_m = found.groups()
        try:
            days = date(int(year), int(month), int(day)).toordinal() - _EPOCH_DAYS
        except ValueError:
            return None
        offset_s = (int(zone_h or 0) * 60 + int(zone_m or 0)) * 60 * (-1 if sign == "-" else 1)
        whole_s = days * 86_400 + int(hour) * 3_600 + int(minute) * 60 + int(second or 0) - offset_s
        return whole_s * 1_000_000_000 + int(f"{fraction or 0:0<9}"[:9])
    if value.__class__ is list and len(value) == 2 and value[0].__class__ is int and value[1].__class__ is int:
        return int(value[0]) * 1_000_000_000 + int(value[1])
    since = number(value)
    if since is None or not 0 <= since < 1e20:
        return None
    per_unit = next(
        (ns for least, ns in ((1e17, 1), (1e14, 1_000), (1e11, 1_000_000)) if since >= least), 1_000_000_000
    )
    whole = int(since)
    return whole * per_unit + round((since - whole) * per_unit)


def time(value: Any) -> Number | None:
    """Seconds since 1970 of a time: ISO 8601 text (UTC when it has no zone), ``[seconds, nanoseconds]``, or a number of
    s, ms, us or ns since 1970, told apart by its size.
    """
    since_ns = _time_ns(value)
    return None if since_ns is None else since_ns / 1_000_000_000


def between(start: Any, end: Any) -> Number | None:
    """Seconds from one time to another, without the rounding that a difference of two large numbers has."""
    start_ns, end_ns = _time_ns(start), _time_ns(end)
    return None if start_ns is None or end_ns is None else (end_ns - start_ns) / 1_000_000_000


_EPOCH_DAYS = date(1970, 1, 1).toordinal()
_ISO_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?\s?(?:Z|z|([+-])(\d\d):?(\d\d)?)?",
    re.ASCII,
)


def kv(value: Any) -> Any:
    """A list of ``{"key": ..., "value": ...}`` as one object; OpenTelemetry's ``{"intValue": "5"}`` becomes 5."""
    if value.__class__ is not list:
        return value if value.__class__ is dict else None
    return {
        pair["key"]: _unwrapped(pair.get("value"))
        for pair in value
        if pair.__class__ is dict and pair.get("key").__class__ is str
    }


def _unwrapped(value: Any) -> Any:
    if value.__class__ is not dict or len(value) != 1:
        return value
    [(kind, inner)] = value.items()
    if kind == "intValue":
        return number(inner)
    if kind in ("stringValue", "doubleValue", "boolValue", "bytesValue"):
        return inner
    if kind == "arrayValue" and inner.__class__ is dict:
        return [_unwrapped(item) for item in items(inner.get("values"))]
    return kv(dig(inner, "values")) if kind == "kvlistValue" else value


def entries(value: Any) -> list[dict[str, Any]] | None:
    """The keys and values of an object, as a list that `each` can go through."""
    return [{"key": key, "value": found} for key, found in value.items()] if value.__class__ is dict else None


def parse_json(value: Any) -> Any:
    """What the JSON text *value* holds; missing when it is none."""
    if value.__class__ is not str:
        return None
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def count(value: Any) -> int | None:
    return len(value) if value.__class__ in (list, dict) else None


def join(*values: Any) -> str | None:
    """The label texts of *values*, one after another."""
    return None if any(value is None for value in values) else "".join([label(value) for value in values])


def items(value: Any) -> list[Any]:
    """What `each` goes through: a list's elements, and nothing of anything else."""
    return value if value.__class__ is list else []


def key_text(value: Any) -> str | None:
    """A key as stateful functions know it; a missing one stays missing, a long one is known by its hash."""
    if value is None:
        return None
    text = msgspec.json.encode(value).decode() if value.__class__ in (dict, list) else label(value)
    if len(text) <= KEY_TEXT_MAX:
        return text
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def scalar(value: Any) -> Any:
    """What is kept of *value*: no objects, and texts of a length that a label may have."""
    if value.__class__ is str:
        return value[:KEPT_TEXT_MAX]
    return None if value.__class__ in (dict, list) else value


def lower(value: Any) -> str | None:
    return value.lower() if value.__class__ is str else None


def starts(value: Any, prefix: str) -> bool:
    return value.__class__ is str and value.startswith(prefix)


def ends(value: Any, suffix: str) -> bool:
    return value.__class__ is str and value.endswith(suffix)


def _search(value: Any, pattern: str) -> Any:
    return search(pattern, value) if value.__class__ is str else None


def matches(value: Any, pattern: str) -> bool:
    return _search(value, pattern) is not None


def capture(value: Any, pattern: str) -> str | None:
    found = _search(value, pattern)
    return None if found is None else found.group(1)


_ABSENT = object()


def map(value: Any, table: Mapping[str, Any], *default: Any) -> Any:  # noqa: A001 - the language's name
    """*value* looked up by its label text, so that ``true`` and ``"true"``, ``200`` and ``"200"`` are one key."""
    if value is None or value.__class__ in (dict, list):
        return default[0] if default else None
    found = table.get(label(value), _ABSENT)
    if found is not _ABSENT:
        return found
    return default[0] if default else value


# What FUNCTIONS of the language call at run time; `has` needs no call, and stateful ones call a Memory.
IMPLEMENTATIONS: Mapping[str, Callable[..., Any]] = {
    "starts": starts,
    "ends": ends,
    "matches": matches,
    "capture": capture,
    "lower": lower,
    "map": map,
    "number": number,
    "duration": duration,
    "s": s,
    "ms": ms,
    "us": us,
    "ns": ns,
    "time": time,
    "between": between,
    "kv": kv,
    "entries": entries,
    "parse_json": parse_json,
    "count": count,
    "join": join,
}
# What operators call at run time.
HELPERS: Mapping[str, Callable[..., Any]] = {
    "label": label,
    "dig": dig,
    "same": same,
    "less": less,
    "at_most": at_most,
    "contains": contains,
    "arithmetic": arithmetic,
    "items": items,
    "key_text": key_text,
    "scalar": scalar,
}
