"""Expressions as people write them: the way back from the tree to the text, short enough for a line."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress

from logmetrics.config.document import parse_document
from logmetrics.config.expression import CONTEXT_NAMES, ExpressionError, parse_expression
from logmetrics.config.tree import (
    ELAPSED,
    LINE_TIME,
    MISSING,
    START_TIME,
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
    Scalar,
)

_ENTRIES_SHOWN = 3
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# Words of the language; a top-level key that is called so is told by root["..."].
_TAKEN = frozenset((*(name.split(".")[0] for name in CONTEXT_NAMES), "root", "line_time", "true", "false"))
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
# How tightly operators bind; what binds less tightly than what is around it stands in parentheses.
_IF, _OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _WHOLE = range(8)


def text_literal(text: str) -> str:
    """*text* as an expression writes it; characters that are not printable are escaped."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in _ESCAPES or character.isprintable():
        return _ESCAPES.get(character, character)
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def path_text(path: Iterable[str | int]) -> str:
    """The path of a field in a record, as an expression writes it."""
    first, *rest = path
    is_plain = isinstance(first, str) and _is_plain(first) and first not in _TAKEN
    return (str(first) if is_plain else f"root[{_scalar(first)}]") + _steps(rest)


def _steps(path: Iterable[str | int]) -> str:
    return "".join(f".{key}" if isinstance(key, str) and _is_plain(key) else f"[{_scalar(key)}]" for key in path)


def _is_plain(key: str) -> bool:
    return _PLAIN.fullmatch(key) is not None and not keyword.iskeyword(key)


def _scalar(value: Scalar) -> str:
    return text_literal(value) if isinstance(value, str) else json.dumps(value)


class Wording:
    """Writes expressions, with the names that ``define`` gives to parts of them."""

    def __init__(self, names: Mapping[Expr, str] | None = None) -> None:
        self.names = {LINE_TIME: "line_time", ELAPSED: "elapsed", START_TIME: "the start's time", **(names or {})}

    def text(self, expr: Expr, *, whole: bool = False) -> str:
        """*expr*; a part that has a name is told by it, and if it is to be *whole* never all of it."""
        if whole and isinstance(expr, Let):
            expr = expr.value
        return self._text(expr, _IF, by_name=not whole)

    def _text(self, expr: Expr, around: int, *, by_name: bool = True) -> str:
        if by_name and (name := self.names.get(expr)):
            return name
        text, binds = self._written(expr)
        return f"({text})" if binds < around else text

    def _written(self, expr: Expr) -> tuple[str, int]:  # noqa: C901 - one line for each kind of node
        if isinstance(expr, Field):
            return path_text(expr.path), _WHOLE
        if isinstance(expr, (Context, Local, Item, Let)):
            return expr.name, _WHOLE
        if isinstance(expr, Part):
            return self._text(expr.base, _WHOLE) + _steps(expr.path), _WHOLE
        if isinstance(expr, Literal):
            return ("(missing)" if expr == MISSING else _scalar(expr.value)), _WHOLE
        if isinstance(expr, ListLiteral):
            return f"[{', '.join(map(_scalar, expr.items))}]", _WHOLE
        if isinstance(expr, MapLiteral):
            return _table(expr), _WHOLE
        if isinstance(expr, Or):
            return " or ".join(self._text(one, _AND) for one in expr.operands), _OR
        if isinstance(expr, And):
            return " and ".join(self._text(one, _NOT) for one in expr.operands), _AND
        if isinstance(expr, Not):
            if isinstance(expr.operand, Compare) and expr.operand.operator == "in":
                return self._binary(expr.operand.left, "not in", expr.operand.right, _COMPARE), _COMPARE
            return f"not {self._text(expr.operand, _NOT)}", _NOT
        if isinstance(expr, Compare):
            return self._binary(expr.left, expr.operator, expr.right, _COMPARE), _COMPARE
        if isinstance(expr, Arithmetic):
            binds = _SUM if expr.operator in "+-" else _PRODUCT
            return self._binary(expr.left, expr.operator, expr.right, binds), binds
        if isinstance(expr, IfElse):
            parts = (self._text(expr.then, _OR), self._text(expr.test, _OR), self._text(expr.otherwise, _IF))
            return "{} if {} else {}".format(*parts), _IF
        return f"{expr.name}({', '.join(self._text(one, _IF) for one in expr.arguments)})", _WHOLE

    def _binary(self, left: Expr, operator: str, right: Expr, binds: int) -> str:
        return f"{self._text(left, binds + (binds == _COMPARE))} {operator} {self._text(right, binds + 1)}"


def _table(expr: MapLiteral) -> str:
    pairs = [f"{_scalar(key)}: {_scalar(value)}" for key, value in expr.items]
    return f"{{{', '.join(pairs[:_ENTRIES_SHOWN])}{', ...' if len(pairs) > _ENTRIES_SHOWN else ''}}}"


def definitions(text: str, file: str) -> dict[Expr, str]:
    """The names that a config's or a pack's YAML *text*, which is known to be right, gives to expressions.

    A name for what is short anyway says less than that.
    """
    values = parse_document(text, file, fast=True).values
    define = values.get("define") if isinstance(values, dict) else None
    names: dict[str, Expr] = {}
    for name, expression in define.items() if isinstance(define, dict) else ():
        with suppress(ExpressionError):
            names[name] = parse_expression(str(expression), names)
    return {expr: name for name, expr in names.items() if not isinstance(expr, (Field, Literal, Context))}
