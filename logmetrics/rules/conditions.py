"""Which parts of a rule's conditions and values can be asked before others, and which are asked in any case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

from logmetrics.config.specs import RuleSpec
from logmetrics.config.tree import (
    And,
    Arithmetic,
    Call,
    Compare,
    Expr,
    IfElse,
    Item,
    Let,
    Not,
    Or,
    Part,
    has_memory,
    mentions,
)


def always_asked(expr: Expr) -> Iterator[Expr]:
    """The parts of *expr* whose values are needed whatever the values of others are."""
    yield expr
    if isinstance(expr, (Or, And)):
        yield from always_asked(expr.operands[0])
    elif isinstance(expr, IfElse):
        yield from always_asked(expr.test)
    elif isinstance(expr, (Arithmetic, Compare)):
        yield from always_asked(expr.left)
        yield from always_asked(expr.right)
    elif isinstance(expr, Let):
        yield from always_asked(expr.value)
    elif isinstance(expr, Part):
        yield from always_asked(expr.base)
    elif isinstance(expr, Not):
        yield from always_asked(expr.operand)
    elif isinstance(expr, Call):
        for argument in expr.arguments[:1] if expr.name == "map" else expr.arguments:
            yield from always_asked(argument)


def all_of(tests: Sequence[Expr]) -> Expr:
    return tests[0] if len(tests) == 1 else And(tuple(tests))


def leading(when: Expr | None, kinds: tuple[type, ...]) -> tuple[Expr, ...]:
    """The first conditions of *when* that have nothing of *kinds* in them."""
    tests = when.operands if isinstance(when, And) else () if when is None else (when,)
    return tuple(takewhile(lambda test: not mentions(test, kinds), tests))


def before_loops(rule: RuleSpec, when: Expr | None) -> tuple[Expr, ...]:
    """What can be asked before the loops of *rule*, if it has any: what knows no past and nothing of the elements."""
    if not rule.each:
        return ()
    stateless = takewhile(lambda test: not has_memory(test), leading(when, (Item, Let)))
    return tuple(stateless)


def without(when: Expr | None, outer: Sequence[Expr]) -> Expr | None:
    """What is left of *when* behind its first conditions *outer*."""
    tests = when.operands if isinstance(when, And) else () if when is None else (when,)
    rest = tests[len(outer) :]
    return all_of(rest) if rest else None
