"""What is left of rules when some top-level keys are known to be absent from all records.

A pack names many spellings, and a log uses few of them. What a record without the others means follows from the
language: a missing field makes comparisons false, an alternative of `or` void, and most functions missing.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import replace

from logmetrics.config.expression import is_condition
from logmetrics.config.specs import RuleSpec
from logmetrics.config.tree import (
    MISSING,
    STATEFUL,
    And,
    Arithmetic,
    Call,
    Compare,
    Context,
    Expr,
    Field,
    IfElse,
    Item,
    Let,
    ListLiteral,
    Literal,
    Not,
    Or,
    Part,
)
from logmetrics.rules.functions import contains, same

_FALSE = Literal(value=False)
_TRUE = Literal(value=True)
# Functions that are false when their first argument is missing, and those that are missing when any is.
_FALSE_OF_NOTHING = ("has", "starts", "ends", "matches")
_NOTHING_OF_NOTHING = (
    *("capture", "lower", "number", "duration", "s", "ms", "us", "ns", "time", "between", "kv", "entries"),
    *("parse_json", "count", "join"),
)


def simplified_rule(rule: RuleSpec, absent: Container[str]) -> RuleSpec | None:
    """*rule* for records that have none of the keys *absent*; None when it can match none of these."""

    def simple(expr: Expr) -> Expr:
        return simplified(expr, absent)

    when = None if rule.when is None else simple(rule.when)
    each = tuple(Item(item.name, simple(item.of)) for item in rule.each)
    if _is_false(when) or any(item.of == MISSING for item in each):
        return None
    pair = rule.pair
    if pair is not None:
        pair = replace(
            pair,
            start=simple(pair.start),
            end=simple(pair.end),
            key=simple(pair.key),
            keep=tuple((name, simple(value)) for name, value in pair.keep),
        )
        if _is_false(pair.start) and _is_false(pair.end):
            return None
    lets = (simple(let) for let in rule.let)
    return replace(
        rule,
        when=None if _is_true(when) else when,
        labels={name: simple(value) for name, value in rule.labels.items()},
        updates=tuple(replace(update, value=simple(update.value)) for update in rule.updates),
        pair=pair,
        each=each,
        let=tuple(let for let in lets if isinstance(let, Let)),
    )


def simplified(expr: Expr, absent: Container[str]) -> Expr:
    """*expr* for records that have none of the top-level keys *absent*."""
    return _without(expr, lambda part: isinstance(part, Field) and part.path[0] in absent)


def of_what_is_kept(rule: RuleSpec) -> RuleSpec:
    """*rule* as it is for a start that was given up: neither a record nor its log is there any more."""

    def is_gone(part: Expr) -> bool:
        is_of_log = isinstance(part, Context) and part.name != "source.agent"
        return is_of_log or isinstance(part, (Field, Item)) or (isinstance(part, Call) and part.name in STATEFUL)

    return replace(
        rule,
        labels={name: _without(value, is_gone) for name, value in rule.labels.items()},
        on_timeout=tuple(replace(update, value=_without(update.value, is_gone)) for update in rule.on_timeout),
    )


def _without(expr: Expr, is_missing: Callable[[Expr], bool]) -> Expr:  # noqa: C901 - one case for each kind of node
    """*expr* when the parts for which *is_missing* holds are missing."""

    def simple(part: Expr) -> Expr:
        return _without(part, is_missing)

    if is_missing(expr):
        return MISSING
    if isinstance(expr, Item):
        return Item(expr.name, simple(expr.of))
    if isinstance(expr, Let):
        value = simple(expr.value)
        return value if isinstance(value, Literal) else Let(expr.name, value)
    if isinstance(expr, Part):
        base = simple(expr.base)
        return MISSING if base == MISSING else Part(base, expr.path)
    if isinstance(expr, (Or, And)):
        return _logical(expr, tuple(map(simple, expr.operands)))
    if isinstance(expr, Not):
        operand = simple(expr.operand)
        return Literal(value=not operand.value) if isinstance(operand, Literal) else Not(operand)
    if isinstance(expr, Compare):
        return _compare(Compare(expr.operator, simple(expr.left), simple(expr.right)))
    if isinstance(expr, Arithmetic):
        left, right = simple(expr.left), simple(expr.right)
        return MISSING if MISSING in (left, right) else Arithmetic(expr.operator, left, right)
    if isinstance(expr, IfElse):
        test, then, otherwise = simple(expr.test), simple(expr.then), simple(expr.otherwise)
        if isinstance(test, Literal):
            return then if test.value else otherwise
        return IfElse(test, then, otherwise)
    # A stateful call is known by what stands in the config, and so is its memory.
    if isinstance(expr, Call) and expr.name not in STATEFUL:
        return _call(Call(expr.name, tuple(map(simple, expr.arguments))))
    return expr


def _is_true(expr: Expr | None) -> bool:
    return isinstance(expr, Literal) and bool(expr.value)


def _is_false(expr: Expr | None) -> bool:
    return isinstance(expr, Literal) and not expr.value


def _logical(expr: Or | And, operands: tuple[Expr, ...]) -> Expr:
    if isinstance(expr, Or) and not is_condition(expr):
        *firsts, last = operands
        kept = [operand for operand in firsts if not (isinstance(operand, Literal) and operand.value in (None, ""))]
        return Or((*kept, last)) if kept else last
    decides = _is_true if isinstance(expr, Or) else _is_false
    if any(map(decides, operands)):
        return _TRUE if isinstance(expr, Or) else _FALSE
    rest = tuple(operand for operand in operands if not isinstance(operand, Literal))
    if not rest:
        return _FALSE if isinstance(expr, Or) else _TRUE
    if len(rest) == 1 and is_condition(rest[0]):
        return rest[0]
    # It stays a condition, whatever is left of it.
    return type(expr)((*rest, _FALSE if isinstance(expr, Or) else _TRUE))


def _compare(expr: Compare) -> Expr:
    left, right = expr.left, expr.right
    if MISSING in (left, right):
        return _FALSE
    if isinstance(left, Literal) and isinstance(right, Literal) and expr.operator in ("==", "!="):
        return Literal(value=same(left.value, right.value) is (expr.operator == "=="))
    if isinstance(left, Literal) and isinstance(right, ListLiteral):
        return Literal(value=contains(left.value, list(right.items)))
    return expr


def _call(expr: Call) -> Expr:
    name, arguments = expr.name, expr.arguments
    if name == "has" and isinstance(arguments[0], Literal):
        return Literal(value=arguments[0] != MISSING)
    if name in _FALSE_OF_NOTHING and arguments[0] == MISSING:
        return _FALSE
    if name in _NOTHING_OF_NOTHING and MISSING in arguments:
        return MISSING
    if name == "map" and arguments[0] == MISSING:
        return arguments[2] if len(arguments) > 2 else MISSING
    return expr
