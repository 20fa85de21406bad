"""An expression's tree as the text of a config has it, with the names that a pack gives to parts of it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from logmetrics.config.tree import (
    LINE_TIME,
    And,
    Arithmetic,
    Compare,
    Context,
    Expr,
    Field,
    IfElse,
    Item,
    Let,
    ListLiteral,
    Literal,
    Local,
    MapLiteral,
    Not,
    Or,
    Part,
)

# From the loosest to the closest.
_CLOSENESS = {IfElse: 0, Or: 1, And: 2, Not: 3, Compare: 4, Arithmetic: 5}


def text_of(expr: Expr, names: Mapping[Expr, str]) -> str:
    """The text of *expr*; parts that stand in *names* are written by their name."""

    def inner(part: Expr, closeness: int = 6) -> str:
        text = text_of(part, names)
        return f"({text})" if part not in names and _CLOSENESS.get(type(part), 6) < closeness else text

    if expr in names:
        return names[expr]
    if expr == LINE_TIME:
        return "line_time"
    if isinstance(expr, Field):
        return _path(str(expr.path[0]), expr.path[1:])
    if isinstance(expr, (Context, Local, Item, Let)):
        return expr.name
    if isinstance(expr, Part):
        return _path(inner(expr.base), expr.path)
    if isinstance(expr, Literal):
        return json.dumps(expr.value, ensure_ascii=False)
    if isinstance(expr, ListLiteral):
        return json.dumps(list(expr.items), ensure_ascii=False)
    if isinstance(expr, MapLiteral):
        return "{...}"
    if isinstance(expr, Or):
        return " or ".join(inner(part, 2) for part in expr.operands)
    if isinstance(expr, And):
        return " and ".join(inner(part, 3) for part in expr.operands)
    if isinstance(expr, Not):
        return f"not {inner(expr.operand, 3)}"
    if isinstance(expr, (Compare, Arithmetic)):
        closeness = _CLOSENESS[type(expr)]
        return f"{inner(expr.left, closeness)} {expr.operator} {inner(expr.right, closeness + 1)}"
    if isinstance(expr, IfElse):
        return f"{inner(expr.then, 1)} if {inner(expr.test, 1)} else {inner(expr.otherwise, 0)}"
    return f"{expr.name}({', '.join(map(inner, expr.arguments))})"


def _path(base: str, steps: tuple[str | int, ...]) -> str:
    plain = all(isinstance(step, str) and step.isidentifier() for step in steps)
    return base + "".join(f".{step}" if plain else f"[{json.dumps(step)}]" for step in steps)
