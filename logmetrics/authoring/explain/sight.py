"""What a rule saw of a record: the value of each part, which field it came from, and why it is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from logmetrics.authoring.explain.attempts import Attempt, Family
from logmetrics.authoring.explain.near import Path
from logmetrics.authoring.explain.wording import kind_text, value_text
from logmetrics.config.expression import is_condition
from logmetrics.config.expression_text import Wording, path_text
from logmetrics.config.tree import (
    Arithmetic,
    Call,
    Context,
    Expr,
    Field,
    IfElse,
    Item,
    Let,
    Literal,
    MapLiteral,
    Or,
    Part,
    parts_of,
)
from logmetrics.rules.functions import dig, same
from logmetrics.rules.trace import Node


class Sight:
    """One attempt of a rule at a record: ``fields`` are what the record has."""

    def __init__(self, family: Family, attempt: Attempt, wording: Wording, fields: Mapping[str, Any]) -> None:
        self.family = family
        self.attempt = attempt
        self.wording = wording
        self.fields = fields

    def children(self, node: Node) -> list[Node]:
        """The parts of *node* that were evaluated; of a value that ``let`` names, those of that value."""
        found = self.family.children(node, self.attempt)
        if found or not isinstance(node.expr, Let):
            return found
        named = next((root for root in self.attempt.roots if root.role == "let" and root.expr == node.expr), None)
        return [] if named is None else self.family.children(named, self.attempt)

    def inside(self, node: Node) -> Iterator[Node]:
        """*node* and all evaluated nodes below it."""
        yield node
        for child in self.children(node):
            yield from self.inside(child)

    def seen(self, node: Node) -> tuple[Any, str]:
        """The value of *node* and a sentence about it, with the field that it came from."""
        value, expr = self.attempt.values[node.number], node.expr
        assert expr is not None
        name = self.wording.text(expr)
        if value is None:
            return None, self.absence(node)
        source = self.source(node)
        if source is not None and source.expr is not None and source.expr != expr:
            raw = self.attempt.values[source.number]
            text = self.wording.text(source.expr)
            if same(raw, value):
                return value, f"{text} is {value_text(value)}"
            return value, f"{name} is {value_text(value)}, from {text}: {value_text(raw)}"
        return value, f"{name} is {value_text(value)}"

    def source(self, node: Node) -> Node | None:
        """The field, element or memory that the value of *node* comes from; None when it is made of several."""
        expr = node.expr
        if isinstance(expr, (Field, Part, Context)) or (isinstance(expr, Call) and expr.name == "remember"):
            return node
        children = self.children(node)
        present = [child for child in children if not isinstance(child.expr, (Literal, MapLiteral))]
        if isinstance(expr, Or) and not is_condition(expr):
            value = self.attempt.values[node.number]
            taken = [child for child in children if self.attempt.values[child.number] == value]
            return self.source(taken[-1]) if taken and not isinstance(taken[-1].expr, Literal) else None
        if isinstance(expr, IfElse) and len(children) > 1:
            return self.source(children[-1])
        if isinstance(expr, (Call, Let)) and len(present) == 1:
            return self.source(present[0])
        return None

    def absence(self, node: Node) -> str:
        """Why the value of *node* is missing."""
        expr = node.expr.value if isinstance(node.expr, Let) else node.expr
        assert expr is not None
        if isinstance(expr, Call) and expr.name == "remember":
            return f"nothing was remembered as {value_text(_name(expr))} in this log before"
        fields = list(self.fields_behind(node))
        if not fields:
            return f"{self.wording.text(expr)} is missing"
        if isinstance(expr, Arithmetic) or (isinstance(expr, Call) and expr.name in ("join", "between")):
            missing = [child for child in self.children(node) if self.attempt.values[child.number] is None]
            missing.sort(key=lambda child: not any(self.fields_behind(child)))
            if missing:  # all parts are needed
                return self.absence(missing[0])
        found = next(filter(lambda value: value is not None, map(self.lookup, fields)), None)
        if found is not None:
            return f"{self.wording.text(expr)} gives nothing for {value_text(found)}, {kind_text(found)}"
        if len(fields) == 1:
            return self.no_field(fields[0])
        names = ", ".join(map(self.wording.text, fields[:4]))
        return f"no field {names}{' ...' if len(fields) > 4 else ''}"

    def no_field(self, field: Expr) -> str:
        """That *field* is not there, or null, or below something that is no object."""
        path = self.path_of(field)
        if path is None:
            return f"no field {self.wording.text(field)}"
        *outer, last = path
        around: Any = dig(dict(self.fields), *outer) if outer else dict(self.fields)
        if isinstance(around, dict) and last in around and around[last] is None:
            return f"{path_text(path)} is null"
        for depth in range(1, len(path)):
            inner = dig(dict(self.fields), *path[:depth])
            if inner is not None and inner.__class__ not in (dict, list):
                found = f"{path_text(path[:depth])} is {kind_text(inner)}, {value_text(inner, 30)}"
                return f"no field {path_text(path)}: {found}"
        return f"no field {self.wording.text(field)}"

    def fields_behind(self, node: Node) -> Iterator[Expr]:
        """The fields in the expression of *node*, each once."""
        assert node.expr is not None
        every = list(parts_of(node.expr))
        inside = {part.base for part in every if isinstance(part, Part)}
        inside |= {inner for part in every if isinstance(part, Item) for inner in parts_of(part.of)}
        parts = (part for part in every if isinstance(part, (Field, Part, Item)) and part not in inside)
        yield from dict.fromkeys(parts)

    def lookup(self, field: Expr) -> Any:
        """What the record has at *field*."""
        path = self.path_of(field)
        return None if path is None else dig(dict(self.fields), *path)

    def path_of(self, expr: Expr) -> Path | None:
        """Where in the record *expr* points to; None for what is no path into it."""
        if isinstance(expr, Field):
            return expr.path
        if isinstance(expr, Part):
            base = self.path_of(expr.base)
            return None if base is None else (*base, *expr.path)
        if isinstance(expr, Let):
            return self.path_of(expr.value)
        if isinstance(expr, Item):
            of = self.path_of(expr.of)
            index = next((index for item, index, _ in self.attempt.elements if item == expr), None)
            return None if of is None or index is None else (*of, index)
        return None


def _name(expr: Call) -> Any:
    first = expr.arguments[0]
    return first.value if isinstance(first, Literal) else None
