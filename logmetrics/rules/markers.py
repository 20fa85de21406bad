"""How to tell at little cost that a record is of none of some packs: by keys that only their records have.

A pack recognises its records by a condition. Most such conditions cannot hold without a certain top-level key; a
decoder that refuses these keys answers for all of them at once.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from logmetrics.config.tree import And, Call, Compare, Expr, Field, Or, Part

# Keys that logs of every kind have: to meet one says nothing.
_COMMON = frozenset(
    (
        *(
            "id",
            "time",
            "timestamp",
            "ts",
            "type",
            "event",
            "name",
            "level",
            "message",
            "msg",
            "data",
            "status",
            "kind",
        ),
        *("version", "source", "error", "session_id", "model", "content", "role", "text", "args", "result", "output"),
        *("input", "usage", "agent", "tool", "method", "path", "url", "code", "host", "properties", "attributes"),
    )
)
# Functions that give nothing, or false, when their first argument is missing.
_STRICT = frozenset(
    ("has", "starts", "ends", "matches", "capture", "lower", "number", "duration", "kv", "parse_json", "count", "time")
)


@dataclass(frozen=True, slots=True)
class Markers:
    """A record without any of ``keys``, for which none of ``tests`` holds, meets none of the conditions."""

    keys: frozenset[str]
    tests: tuple[Expr, ...]


def markers_of(conditions: Iterable[Expr], read: Container[str]) -> Markers:
    """What tells that none of *conditions* holds; the keys *read* are wanted for other things and cannot be refused."""
    keys: set[str] = set()
    tests: list[Expr] = []
    for condition in conditions:
        for case in condition.operands if isinstance(condition, Or) else (condition,):
            telling = sorted(key for key in _needed(case) if key not in read and key not in _COMMON)
            if telling:
                keys.add(telling[0])
            else:
                tests.append(case)
    return Markers(frozenset(keys), tuple(tests))


def _needed(expr: Expr) -> frozenset[str]:
    """Top-level keys without which *expr* is false or missing."""
    if isinstance(expr, Field):
        return frozenset((str(expr.path[0]),))
    if isinstance(expr, Part):
        return _needed(expr.base)
    if isinstance(expr, And):
        return frozenset[str]().union(*map(_needed, expr.operands))
    if isinstance(expr, Or):
        first, *others = map(_needed, expr.operands)
        return first.intersection(*others)
    if isinstance(expr, Compare):
        return _needed(expr.left) | _needed(expr.right)
    if isinstance(expr, Call) and expr.name in _STRICT:
        return _needed(expr.arguments[0])
    return frozenset()
