"""What is left of rules when it is known what the fields of records can be.

A pack names many spellings, and a log uses few of them, each for one kind of value. What a record without the others
means follows from the language: a missing field makes comparisons false, an alternative of `or` void, and most
functions missing; so does a value of a kind that a function makes nothing of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from logmetrics.config.expression import FUNCTIONS, is_condition
from logmetrics.config.specs import RuleSpec
from logmetrics.config.tree import (
    MISSING,
    SOURCE_AGENT,
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
    MapLiteral,
    Not,
    Or,
    Part,
    has_memory,
)
from logmetrics.formats.kinds import ABSENT, ANY, BOOLEAN, LIST, NUMBER, OBJECT, TEXT
from logmetrics.rules.functions import IMPLEMENTATIONS, contains, label, same
from logmetrics.rules.kinds import ACCEPTED, ANYTHING, Fields, kind_of

_FALSE = Literal(value=False)
_TRUE = Literal(value=True)
_ORDERS = ("<", "<=", ">", ">=")
# Functions of several arguments that are missing when any is.
_NOTHING_OF_NOTHING = ("between", "join")
# Those that leave a number as it is, and those that are worked out when their arguments are known.
_SAME_NUMBER = ("number", "s")
_FOLDED = ("starts", "ends", "lower")


def simplified_rule(rule: RuleSpec, fields: Fields) -> RuleSpec | None:
    """*rule* for records of *fields*; None when it can match none of these."""

    def simple(expr: Expr) -> Expr:
        return simplified(expr, fields)

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


def simplified(expr: Expr, fields: Fields) -> Expr:
    """*expr* for records of *fields*."""
    return _reduced(expr, fields, lambda _: False)


def of_what_is_kept(rule: RuleSpec) -> RuleSpec:
    """*rule* as it is for a start that was given up: neither a record nor its log is there any more."""

    def is_gone(part: Expr) -> bool:
        is_of_log = isinstance(part, Context) and part.name != "source.agent"
        return is_of_log or isinstance(part, (Field, Item)) or (isinstance(part, Call) and part.name in STATEFUL)

    return replace(
        rule,
        labels={name: _reduced(value, ANYTHING, is_gone) for name, value in rule.labels.items()},
        on_timeout=tuple(
            replace(update, value=_reduced(update.value, ANYTHING, is_gone)) for update in rule.on_timeout
        ),
    )


def _reduced(expr: Expr, fields: Fields, is_missing: Callable[[Expr], bool]) -> Expr:  # noqa: C901 - a case for each
    """*expr* for records of *fields* when also the parts for which *is_missing* holds are missing."""

    def simple(part: Expr) -> Expr:
        return _reduced(part, fields, is_missing)

    if is_missing(expr):
        return MISSING
    if isinstance(expr, Field):
        return _field(expr, fields)
    if expr == SOURCE_AGENT and fields.agent != SOURCE_AGENT:
        return MISSING if fields.agent is None else simple(fields.agent)
    if isinstance(expr, Item):
        return Item(expr.name, simple(expr.of))
    if isinstance(expr, Let):
        value = simple(expr.value)
        return value if isinstance(value, Literal) else Let(expr.name, value)
    if isinstance(expr, Part):
        base = simple(expr.base)
        return Part(base, expr.path) if kind_of(base, fields) & (OBJECT | LIST) else MISSING
    if isinstance(expr, Or) and not is_condition(expr):
        return _first_present([_as_value(simple(operand), operand) for operand in expr.operands], fields)
    if isinstance(expr, (Or, And)):
        return _logical(expr, tuple(map(simple, expr.operands)))
    if isinstance(expr, Not):
        operand = simple(expr.operand)
        return Literal(value=not operand.value) if isinstance(operand, Literal) else Not(operand)
    if isinstance(expr, Compare):
        return _compare(Compare(expr.operator, simple(expr.left), simple(expr.right)), fields)
    if isinstance(expr, Arithmetic):
        left, right = simple(expr.left), simple(expr.right)
        both_numbers = kind_of(left, fields) & kind_of(right, fields) & NUMBER
        return Arithmetic(expr.operator, left, right) if both_numbers else MISSING
    if isinstance(expr, IfElse):
        test, then, otherwise = simple(expr.test), simple(expr.then), simple(expr.otherwise)
        if isinstance(test, Literal):
            return then if test.value else otherwise
        return IfElse(test, then, otherwise)
    # A stateful call is known by what stands in the config, and so is its memory.
    if isinstance(expr, Call) and expr.name not in STATEFUL:
        return _call(Call(expr.name, tuple(map(simple, expr.arguments))), fields)
    return expr


def _field(expr: Field, fields: Fields) -> Expr:
    key = str(expr.path[0])
    if len(expr.path) == 1 and key in fields.values:
        return Literal(fields.values[key])
    return MISSING if kind_of(expr, fields) == ABSENT else expr


def _as_value(operand: Expr, before: Expr) -> Expr:
    """*operand*, which was *before*, for an `or` of values, which a condition in it would make a logical one."""
    if is_condition(operand) and not is_condition(before):
        return IfElse(operand, _TRUE, _FALSE)
    return operand


def _is_true(expr: Expr | None) -> bool:
    return isinstance(expr, Literal) and bool(expr.value)


def _is_false(expr: Expr | None) -> bool:
    return isinstance(expr, Literal) and not expr.value


def _first_present(operands: list[Expr], fields: Fields) -> Expr:
    """The `or` of *operands* as a value, without those that never give one and those behind one that always does."""
    flat = [part for operand in operands for part in (_operands(operand) if isinstance(operand, Or) else (operand,))]
    *firsts, last = flat
    kept: list[Expr] = []
    for operand in firsts:
        if isinstance(operand, Literal) and operand.value in (None, ""):
            continue
        if isinstance(operand, Literal) or not kind_of(operand, fields) & (ABSENT | TEXT):
            last = operand
            break
        if operand not in kept or has_memory(operand):
            kept.append(operand)
    if kept and last == MISSING and not kind_of(kept[-1], fields) & TEXT:
        last = kept.pop()
    return Or((*kept, last)) if kept else last


def _operands(expr: Or) -> tuple[Expr, ...]:
    return (expr,) if is_condition(expr) else expr.operands


def _logical(expr: Or | And, operands: tuple[Expr, ...]) -> Expr:
    decides = _is_true if isinstance(expr, Or) else _is_false
    for number, operand in enumerate(operands):
        if decides(operand):  # what stands before it is asked only if it has a memory
            remembering = tuple(one for one in operands[:number] if has_memory(one))
            return type(expr)((*remembering, operand)) if remembering else Literal(value=isinstance(expr, Or))
    rest = tuple(operand for operand in operands if not isinstance(operand, Literal))
    if not rest:
        return _FALSE if isinstance(expr, Or) else _TRUE
    if len(rest) == 1 and is_condition(rest[0]):
        return rest[0]
    if any(map(is_condition, rest)):
        return type(expr)(rest)
    # It stays a condition, whatever is left of it.
    return type(expr)((*rest, _FALSE if isinstance(expr, Or) else _TRUE))


def _compare(expr: Compare, fields: Fields) -> Expr:
    left, right = expr.left, expr.right
    if MISSING in (left, right):
        return _FALSE
    if isinstance(left, Literal) and isinstance(right, Literal) and expr.operator in ("==", "!="):
        return Literal(value=same(left.value, right.value) is (expr.operator == "=="))
    if expr.operator == "in" and isinstance(left, Literal):
        if isinstance(right, ListLiteral):
            return Literal(value=contains(left.value, list(right.items)))
        if isinstance(right, Literal):
            return Literal(value=contains(left.value, right.value))
    common = kind_of(left, fields) & kind_of(right, fields) & ~ABSENT
    never = (expr.operator == "==" and not common) or (expr.operator in _ORDERS and not common & (NUMBER | TEXT))
    return _FALSE if never and not has_memory(expr) else expr


def _call(expr: Call, fields: Fields) -> Expr:
    name, arguments = expr.name, expr.arguments
    kind = kind_of(arguments[0], fields)
    if name == "has" and kind in (ABSENT, kind & ~ABSENT):
        return Literal(value=kind != ABSENT)
    if not kind & ACCEPTED.get(name, ANY) and not has_memory(expr):
        return _FALSE if FUNCTIONS[name].result == "bool" else MISSING
    if name in _NOTHING_OF_NOTHING and MISSING in arguments:
        return MISSING
    if name in _SAME_NUMBER and not kind & ~(NUMBER | ABSENT):
        return arguments[0]
    if name == "map":
        return _map(expr, kind)
    if name in _FOLDED and all(isinstance(argument, Literal) for argument in arguments):
        return Literal(IMPLEMENTATIONS[name](*(argument.value for argument in arguments)))  # type: ignore[union-attr]
    return expr


def _map(expr: Call, kind: int) -> Expr:
    value, table, *default = expr.arguments
    otherwise = default[0] if default else value
    if not kind & (TEXT | NUMBER | BOOLEAN):
        return otherwise if default else MISSING
    if isinstance(value, Literal) and isinstance(table, MapLiteral):
        found = {label(key): found for key, found in table.items}
        return Literal(found[label(value.value)]) if label(value.value) in found else otherwise
    return expr
