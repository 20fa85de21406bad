"""What the values of expressions can be, so far as it is known before a record is looked at.

What is known makes rules shorter: a number has no parts, a text needs
no conversion to be a label, and what is never missing needs no question.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from logmetrics.config.expression import FUNCTIONS, is_condition
from logmetrics.config.tree import (
    SOURCE_AGENT,
    Arithmetic,
    Call,
    Context,
    Expr,
    Field,
    IfElse,
    Let,
    Literal,
    MapLiteral,
    Or,
)
from logmetrics.formats.kinds import ABSENT, ANY, BOOLEAN, LIST, NUMBER, OBJECT, TEXT, kind_of_value

_OF_RESULT = {"number": NUMBER | ABSENT, "text": TEXT | ABSENT, "bool": BOOLEAN, "object": OBJECT | ABSENT}
# What a function can make something of, as its first argument; of anything else it makes nothing.
ACCEPTED: Mapping[str, int] = {
    "starts": TEXT,
    "ends": TEXT,
    "matches": TEXT,
    "capture": TEXT,
    "lower": TEXT,
    "parse_json": TEXT,
    "number": TEXT | NUMBER,
    "s": TEXT | NUMBER,
    "ms": TEXT | NUMBER,
    "us": TEXT | NUMBER,
    "ns": TEXT | NUMBER,
    "duration": TEXT | LIST | OBJECT,
    "time": TEXT | NUMBER | LIST,
    "between": TEXT | NUMBER | LIST,
    "kv": LIST | OBJECT,
    "count": LIST | OBJECT,
    "entries": OBJECT,
}


@dataclass(frozen=True, slots=True)
class Fields:
    """What is known of records: the kinds of some top-level fields, of all others, the values of some; and what the
    source's agent is, which is None when it has none.
    """

    kinds: Mapping[str, int] = field(default_factory=dict)
    others: int = ANY
    values: Mapping[str, str] = field(default_factory=dict)
    agent: Expr | None = SOURCE_AGENT

    def kind(self, key: str) -> int:
        """What the field *key* can be."""
        return self.kinds.get(key, self.others)


ANYTHING = Fields()


def kind_of(expr: Expr, fields: Fields) -> int:
    """What *expr* can be for a record of *fields*."""
    if isinstance(expr, Literal):
        return kind_of_value(expr.value)
    if isinstance(expr, Field):
        kind = fields.kind(str(expr.path[0]))
        return kind if len(expr.path) == 1 else ANY if kind & (OBJECT | LIST) else ABSENT
    if isinstance(expr, Context):
        return ANY if expr == SOURCE_AGENT else TEXT
    if isinstance(expr, Let):
        return kind_of(expr.value, fields)
    if is_condition(expr):
        return BOOLEAN
    if isinstance(expr, Or):
        *firsts, last = (kind_of(operand, fields) for operand in expr.operands)
        return reduce(or_, firsts, 0) & ~ABSENT | last
    if isinstance(expr, IfElse):
        return kind_of(expr.then, fields) | kind_of(expr.otherwise, fields)
    if isinstance(expr, Arithmetic):
        return NUMBER | ABSENT
    if isinstance(expr, Call):
        return _kind_of_call(expr, fields)
    return ANY


def _kind_of_call(expr: Call, fields: Fields) -> int:
    if expr.name == "map":
        value, table, *default = expr.arguments
        assert isinstance(table, MapLiteral)
        otherwise = kind_of(default[0], fields) if default else kind_of(value, fields)
        if not default and otherwise & (LIST | OBJECT):
            otherwise = otherwise & ~(LIST | OBJECT) | ABSENT
        return reduce(or_, (kind_of_value(found) for _, found in table.items), otherwise)
    if expr.name in ("rise", "delta"):  # what is no number stays what it is
        value, _, *reset = expr.arguments
        return reduce(or_, (kind_of(part, fields) for part in (value, *reset)), NUMBER)
    kind = _OF_RESULT.get(FUNCTIONS[expr.name].result, ANY)
    if expr.name == "lower" and kind_of(expr.arguments[0], fields) == TEXT:
        return TEXT
    return ANY if expr.name == "parse_json" else kind
