"""Why a condition did not hold: which part of it, what it saw, and what would have to be otherwise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from logmetrics.authoring.explain.near import (
    ABSENT,
    ELSEWHERE,
    HELD,
    NEARLY,
    NEVER,
    OTHER,
    OTHER_CASE,
    Path,
    near_path,
    nearest_of,
)
from logmetrics.authoring.explain.sight import Sight
from logmetrics.authoring.explain.wording import kind_text, value_text
from logmetrics.config.expression import is_condition
from logmetrics.config.expression_text import path_text
from logmetrics.config.tree import (
    And,
    Call,
    Compare,
    Expr,
    Field,
    IfElse,
    Let,
    ListLiteral,
    Literal,
    MapLiteral,
    Not,
    Or,
    parts_of,
)
from logmetrics.rules.functions import dig, is_number, number, same
from logmetrics.rules.trace import Node

# Functions that give, for what is asked of them, that or a multiple.
_KEEPING = ("s", "ms", "us", "ns", "number", "lower")


@dataclass(frozen=True, slots=True)
class Repair:
    """A value that the record would need, and the same as an edit of the rule: this text in place of that."""

    path: Path
    value: Any
    old: str = ""
    new: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """``condition`` is the smallest part that failed, ``why`` what it saw; ``distance`` how far from holding it was."""

    condition: str
    why: str
    distance: float = OTHER
    repair: Repair | None = None
    # How far it was before other things spoke for the rule.
    alone: float | None = None

    @property
    def itself(self) -> float:
        """How far the condition alone is from holding."""
        return self.distance if self.alone is None else self.alone

    @property
    def is_slip(self) -> bool:
        """Whether only a spelling, a type or a place stands in the way."""
        return self.itself <= 2 * NEARLY

    @property
    def rank(self) -> tuple[bool, float]:
        """Of several, the least is that of the record, or the rule, that is nearest."""
        return not self.is_slip, self.distance


class Reasons(Sight):
    """Looks into conditions about one record."""

    def why(self, node: Node, *, wanted: bool = True) -> Reason:
        """Why the condition *node* is not as *wanted*."""
        expr = node.expr
        assert expr is not None
        children = self.children(node)
        text = self._asked(expr, wanted=wanted)
        if isinstance(expr, Not) and children:
            return self.why(children[0], wanted=not wanted)
        if isinstance(expr, (And, Or)) and is_condition(expr) and children:
            return self._logical(expr, children, text, wanted=wanted)
        if isinstance(expr, Let) and children:
            return self.why(children[0], wanted=wanted)
        if isinstance(expr, IfElse) and len(children) > 1:
            inner = self.why(children[-1], wanted=wanted)
            return replace(inner, why=f"{inner.why} (since {self._holds(children[0])})")
        if isinstance(expr, Compare):
            return self._compare(expr, children, text, wanted=wanted)
        if isinstance(expr, Call) and is_condition(expr):
            return self._call(expr, children, text, wanted=wanted)
        value = self.attempt.values[node.number]
        if isinstance(expr, Literal):
            return Reason(text, "this is never so", NEVER)
        seen, saw = self.seen(children[0] if children and isinstance(expr, Let) else node)
        if isinstance(expr, Field) and dig(dict(self.fields), *expr.path) is None:  # it was asked whether it is true
            seen, saw = None, self.absence(node)
        if seen is None:
            return self._missing(node, text, saw, None)
        what = saw if isinstance(value, bool) else f"{saw}, which is {'there' if value else 'empty'}"
        return Reason(text, what, OTHER)

    def _asked(self, expr: Expr, *, wanted: bool) -> str:
        return self.wording.text(expr if wanted else Not(expr))

    def _holds(self, node: Node) -> str:
        return self._asked(node.expr, wanted=bool(self.attempt.values[node.number])) if node.expr is not None else ""

    def _logical(self, expr: And | Or, children: list[Node], text: str, *, wanted: bool) -> Reason:
        """Of an ``and``, the part that failed; of an ``or`` none held, and the nearest is told."""
        wrong = [child for child in children if bool(self.attempt.values[child.number]) is not wanted]
        if not wrong:
            return Reason(text, "its parts are not as they should be", NEVER)
        if isinstance(expr, And) is wanted:
            return self.why(wrong[0], wanted=wanted)
        # An alternative of which a part holds is likelier to be meant.
        found = [(self.why(child, wanted=wanted), self._holding(child)) for child in wrong]
        nearest, held = min(found, key=lambda one: one[0].distance - HELD * one[1])
        others = len(expr.operands) - 1
        more = f" (and {others} other alternative{'s' if others > 1 else ''} {'do' if others > 1 else 'does'} not hold)"
        return replace(nearest, why=nearest.why + more, distance=nearest.distance - HELD * held, alone=nearest.itself)

    def _holding(self, node: Node) -> int:
        """How many parts of an ``and`` hold."""
        parts = self.children(node) if isinstance(node.expr, And) else []
        return sum(bool(self.attempt.values[part.number]) for part in parts)

    # -- comparisons

    def _compare(self, expr: Compare, children: list[Node], text: str, *, wanted: bool) -> Reason:
        by_expr = {child.expr: child for child in children}
        left, right = by_expr.get(expr.left), by_expr.get(expr.right)
        subject = left if left is not None and not isinstance(expr.left, Literal) else right
        if subject is None or subject.expr is None:
            return Reason(text, "its sides are not as they should be", OTHER)
        value, saw = self.seen(subject)
        if value is None:
            return self._missing(subject, text, saw, _wish(expr, subject.expr) if wanted else None)
        if not wanted and expr.operator == "in" and isinstance(expr.right, ListLiteral):
            return Reason(text, f"{saw}, the rule asks for none of {_listed(expr.right.items)}", OTHER)
        if not wanted or expr.operator == "!=":
            return Reason(text, f"{saw}, and the rule asks for anything else", OTHER)
        if expr.operator == "in" and subject is right and isinstance(expr.left, Literal):
            return self._text_within(expr, subject, value, text, saw)
        if expr.operator == "in" and isinstance(expr.right, ListLiteral):
            return self._one_of(subject, value, expr.right.items, text, saw)
        if expr.operator in ("==", "in") and isinstance(expr.right, Literal) and subject is left:
            return self._one_of(subject, value, (expr.right.value,), text, saw)
        other = right if subject is left else left
        if other is not None and not isinstance(other.expr, Literal):
            told = self.seen(other)[1]
            return Reason(text, f"{saw}, and {told}", OTHER)
        return self._threshold(expr, subject, value, text, saw)

    def _one_of(self, subject: Node, value: Any, wanted: tuple[Any, ...], text: str, saw: str) -> Reason:
        through = [self._by_table(node, wanted, text) for node in self.inside(subject) if _is_map(node.expr)]
        found = [reason for reason in through if reason is not None]
        if found:
            return min(found, key=lambda reason: reason.distance)
        nearest, distance, how = nearest_of(value, wanted)
        asks = value_text(nearest) if len(wanted) == 1 else f"one of {_listed(wanted)}"
        why = f"{saw}, the rule asks for {asks}{how}"
        return Reason(text, why, distance, self._repair(subject, nearest, value, text))

    def _by_table(self, node: Node, wanted: tuple[Any, ...], text: str) -> Reason | None:
        """*node* looks a value up in a table: which of the keys that lead to one of *wanted* is near to that value?"""
        assert isinstance(node.expr, Call)
        table = node.expr.arguments[1]
        asked = next((c for c in self.children(node) if c.expr == node.expr.arguments[0]), None)
        source = None if asked is None else self.source(asked)
        raw = None if source is None else self.attempt.values[source.number]
        if source is None or source.expr is None or raw is None or not isinstance(table, MapLiteral):
            return None
        keys = tuple(key for key, found in table.items if any(same(found, one) for one in wanted))
        path = self.path_of(source.expr)
        if not keys or path is None:
            return None
        nearest, distance, how = nearest_of(raw, keys)
        name = self.wording.text(source.expr)
        asks = f"{value_text(nearest)}{how}" if distance < OTHER else f"one of {_listed(keys)}"
        return Reason(text, f"{name} is {value_text(raw)}, the rule asks for {asks}", distance, Repair(path, nearest))

    def _text_within(self, expr: Compare, subject: Node, value: Any, text: str, saw: str) -> Reason:
        assert isinstance(expr.left, Literal)
        part = expr.left.value
        if not isinstance(value, (str, list, dict)):
            return Reason(text, f"{saw}, which is {kind_text(value)} and holds nothing", OTHER)
        how, distance = "", ABSENT
        if isinstance(value, str) and isinstance(part, str) and part.lower() in value.lower():
            how, distance = "; it has that in other case", NEARLY
        repair = self._repair(subject, f"{value} {part}", value, "") if isinstance(value, str) else None
        return Reason(
            text, f"{value_text(part)} is not in {saw.replace(' is ', ', which is ', 1)}{how}", distance, repair
        )

    def _threshold(self, expr: Compare, subject: Node, value: Any, text: str, saw: str) -> Reason:
        bound = expr.right if isinstance(expr.right, Literal) else expr.left
        limit = bound.value if isinstance(bound, Literal) else None
        is_left = bound is expr.right
        word = {"<": "less than", "<=": "at most", ">": "more than", ">=": "at least"}
        if not is_left:
            word = {"<": word[">"], "<=": word[">="], ">": word["<"], ">=": word["<="]}
        asks = f"the rule asks for {word.get(expr.operator, expr.operator)} {value_text(limit)}"
        if is_number(limit) and isinstance(value, str):
            typed = number(value)
            what = "a number in quotes, which is a text and no number" if typed is not None else "a text and no number"
            wanted = _beyond(expr.operator, limit, is_left=is_left) if typed is None else typed
            repair = self._repair(subject, wanted, value, text)
            if repair is not None and typed is not None and subject.expr is not None:
                name = self.wording.text(subject.expr)
                repair = replace(repair, old=text, new=text.replace(name, f"number({name})", 1))
            return Reason(text, f"{saw}, {what}; {asks}", NEARLY if typed is not None else OTHER, repair)
        if is_number(limit) and not is_number(value):
            return Reason(text, f"{saw}, {kind_text(value)} and no number; {asks}", OTHER)
        repair = self._repair(subject, _beyond(expr.operator, limit, is_left=is_left), value, text)
        return Reason(text, f"{saw}, {asks}", OTHER, repair)

    # -- calls that are conditions

    def _call(self, expr: Call, children: list[Node], text: str, *, wanted: bool) -> Reason:
        subject = children[0] if children else None
        if expr.name == "once":
            key = None if subject is None else self.attempt.values[subject.number]
            name = self.wording.text(expr.arguments[0])
            return Reason(
                text, f"the key {name}, {value_text(key)}, came before in this log; only the first counts", OTHER
            )
        if subject is None:
            return Reason(text, "it does not hold", OTHER)
        value, saw = self.seen(subject)
        if not wanted:
            return Reason(text, f"{saw}, and the rule asks for anything else" if value is not None else saw, OTHER)
        if value is None:
            return self._missing(subject, text, saw, None)
        argument = expr.arguments[1].value if len(expr.arguments) > 1 and isinstance(expr.arguments[1], Literal) else ""
        does = {"starts": "begins with", "ends": "ends with"}.get(expr.name)
        if value.__class__ is not str:
            return Reason(text, f"{saw}, {kind_text(value)} and no text", OTHER)
        if does is None:
            return Reason(text, f"the pattern {value_text(argument)} is not found in {_of(saw)}", OTHER)
        other = str(argument).lower()
        is_near = value.lower().startswith(other) if expr.name == "starts" else value.lower().endswith(other)
        how = "; other case" if is_near else ""
        mended = f"{argument} {value}" if expr.name == "starts" else f"{value} {argument}"
        return Reason(
            text,
            f"{saw}, the rule asks for one that {does} {value_text(argument)}{how}",
            NEARLY if is_near else OTHER,
            self._repair(subject, mended, value, text),
        )

    # -- what would have to be otherwise

    def _missing(self, subject: Node, text: str, saw: str, wish: Any) -> Reason:
        """A field is not there; perhaps one of nearly that name is, or one of that name elsewhere."""
        fields = list(self.fields_behind(subject))
        if any(self.lookup(field) is not None for field in fields):
            return Reason(text, saw, ABSENT)  # it is there, and a function makes nothing of it
        for field in fields:
            path = self.path_of(field)
            if path is None:
                continue
            found, how = near_path(self.fields, path)
            if found is not None:
                value = dig(dict(self.fields), *found)
                name, there = self.wording.text(field), path_text(found)
                repair = Repair(path, value, name, there)
                far = {OTHER_CASE: 1, ELSEWHERE: 3}.get(how, 2)
                return Reason(text, f"{saw}; there is {there}, {value_text(value, 40)}{how}", NEARLY * far, repair)
        path = self.path_of(fields[0]) if fields else None
        if path is None:
            return Reason(text, saw, ABSENT)
        repair = Repair(path, wish if wish is not None else "...", "", "")
        return Reason(text, saw, ABSENT, repair)

    def _repair(self, subject: Node, wanted: Any, value: Any, text: str) -> Repair | None:
        """Have the field behind *subject* be what gives *wanted*."""
        source = self.source(subject)
        path = None if source is None or source.expr is None else self.path_of(source.expr)
        if source is None or path is None or wanted is None:
            return None
        table = _table_between(subject.expr, source.expr)
        raw = self.attempt.values[source.number]
        if table is not None:
            keys = [key for key, found in table.items if same(found, wanted)]
            if not keys:
                return None
            wanted = nearest_of(raw, tuple(keys))[0]
            return Repair(path, wanted, "", "")
        if raw is not value and not same(raw, value):
            if not isinstance(subject.expr, Call) or subject.expr.name not in _KEEPING:
                return None
            if isinstance(subject.expr, Call) and subject.expr.name in ("s", "ms", "us", "ns") and is_number(wanted):
                wanted = wanted * {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}[subject.expr.name]
            return Repair(path, wanted, "", "")
        return Repair(path, wanted, text, _with_value(text, wanted, value))


def _listed(values: tuple[Any, ...]) -> str:
    shown = [value_text(value, 30) for value in values[:5]]
    return ", ".join(shown) + (f" and {len(values) - 5} more" if len(values) > 5 else "")


def _wish(expr: Compare, subject: Expr) -> Any:
    """A value with which the comparison would hold."""
    other = expr.right if expr.left == subject else expr.left
    if isinstance(other, ListLiteral):
        return other.items[0] if other.items else None
    if not isinstance(other, Literal) or expr.operator == "!=":
        return None
    if expr.operator in ("==", "in"):
        return other.value
    return _beyond(expr.operator, other.value, is_left=other is expr.right)


def _beyond(operator: str, limit: Any, *, is_left: bool) -> Any:
    """A number that is on the right side of *limit*."""
    if not is_number(limit):
        return limit
    if operator in ("<=", ">=", "=="):
        return limit
    return limit + (1 if (operator == ">") is is_left else -1)


def _table_between(expr: Expr | None, source: Expr | None) -> MapLiteral | None:
    """The table of a ``map`` through which *source* goes to become *expr*."""
    if expr is None or source is None:
        return None
    for part in parts_of(expr):
        if isinstance(part, Call) and part.name == "map" and source in list(parts_of(part.arguments[0])):
            table = part.arguments[1]
            return table if isinstance(table, MapLiteral) else None
    return None


def _with_value(text: str, wanted: Any, value: Any) -> str:
    """The condition *text* with *value* in place of *wanted*."""
    old = value_text(wanted, 1_000)
    return text.replace(old, value_text(value, 1_000), 1) if old in text else ""


def _is_map(expr: Expr | None) -> bool:
    return isinstance(expr, Call) and expr.name == "map"


def _of(saw: str) -> str:
    return saw.replace(" is ", ", ", 1)
