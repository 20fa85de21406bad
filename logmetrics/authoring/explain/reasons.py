"""Why a condition did not hold: which part of it, what it saw, and what would have to be otherwise."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from logmetrics.authoring.explain.attempts import Attempt, Family
from logmetrics.authoring.explain.wording import Wording, kind_text, path_text, value_text
from logmetrics.config.expression import is_condition
from logmetrics.config.tree import (
    And,
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
    parts_of,
)
from logmetrics.rules.functions import dig, is_number, label, number, same
from logmetrics.rules.trace import Node

Path = tuple[str | int, ...]
# How far a record is from meeting a condition: nearly the same, another value of a field, a field that is not there.
NEARLY, OTHER, ABSENT, NEVER = 0.2, 1.0, 1.5, 9.0
ELSEWHERE = ": elsewhere in the record"
_NESTED_MAX = 2_000
_NEAR = 0.75


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
    # How far it was before other things were held for the rule.
    alone: float | None = None

    @property
    def is_slip(self) -> bool:
        """Whether only a spelling, a type or a place stands in the way."""
        return (self.distance if self.alone is None else self.alone) <= 2 * NEARLY


class Reasons:
    """Looks into conditions about one record: ``fields`` are what it has."""

    def __init__(self, family: Family, attempt: Attempt, wording: Wording, fields: Mapping[str, Any]) -> None:
        self.family = family
        self.attempt = attempt
        self.wording = wording
        self.fields = fields

    def why(self, node: Node, *, wanted: bool = True) -> Reason:
        """Why the condition *node* is not as *wanted*."""
        expr = node.expr
        assert expr is not None
        children = self.family.children(node, self.attempt)
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
        seen, saw = self._seen(children[0] if children and isinstance(expr, Let) else node)
        if seen is None:
            return self._missing(node, text, saw, None)
        what = saw if isinstance(value, bool) else f"{saw}, which is {'there' if value else 'empty'}"
        return Reason(text, what, OTHER)

    def _asked(self, expr: Expr, *, wanted: bool) -> str:
        return self.wording.text(expr if wanted else Not(expr))

    def _holds(self, node: Node) -> str:
        text = self._asked(node.expr, wanted=bool(self.attempt.values[node.number])) if node.expr is not None else ""
        return f"{text}"

    def _logical(self, expr: And | Or, children: list[Node], text: str, *, wanted: bool) -> Reason:
        """Of an ``and``, the part that failed; of an ``or`` none held, and the nearest is told."""
        wrong = [child for child in children if bool(self.attempt.values[child.number]) is not wanted]
        if not wrong:
            return Reason(text, "its parts are not as they should be", NEVER)
        if isinstance(expr, And) is wanted:
            return self.why(wrong[0], wanted=wanted)
        reasons = sorted((self.why(child, wanted=wanted) for child in wrong), key=lambda reason: reason.distance)
        others = len(expr.operands) - 1
        more = f" (and {others} other alternative{'s' if others > 1 else ''} {'do' if others > 1 else 'does'} not hold)"
        return replace(reasons[0], why=reasons[0].why + more)

    # -- comparisons

    def _compare(self, expr: Compare, children: list[Node], text: str, *, wanted: bool) -> Reason:
        by_expr = {child.expr: child for child in children}
        left, right = by_expr.get(expr.left), by_expr.get(expr.right)
        subject = left if left is not None and not isinstance(expr.left, Literal) else right
        if subject is None or subject.expr is None:
            return Reason(text, "its sides are not as they should be", OTHER)
        value, saw = self._seen(subject)
        if value is None:
            return self._missing(subject, text, saw, _wish(expr, subject.expr) if wanted else None)
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
            told = self._seen(other)[1]
            return Reason(text, f"{saw}, and {told}", OTHER)
        return self._threshold(expr, subject, value, text, saw)

    def _one_of(self, subject: Node, value: Any, wanted: tuple[Any, ...], text: str, saw: str) -> Reason:
        through = [self._by_table(node, wanted, text) for node in self._inside(subject) if _is_map(node.expr)]
        found = [reason for reason in through if reason is not None]
        if found:
            return min(found, key=lambda reason: reason.distance)
        nearest, distance, how = _nearest(value, wanted)
        asks = value_text(nearest) if len(wanted) == 1 else f"one of {_listed(wanted)}"
        why = f"{saw}, the rule asks for {asks}{how}"
        return Reason(text, why, distance, self._repair(subject, nearest, value, text))

    def _inside(self, node: Node) -> Iterator[Node]:
        """*node* and all evaluated nodes below it."""
        yield node
        for child in self.family.children(node, self.attempt):
            yield from self._inside(child)

    def _by_table(self, node: Node, wanted: tuple[Any, ...], text: str) -> Reason | None:
        """*node* looks a value up in a table: which of the keys that lead to one of *wanted* is near to that value?"""
        assert isinstance(node.expr, Call)
        table = node.expr.arguments[1]
        asked = next((c for c in self.family.children(node, self.attempt) if c.expr == node.expr.arguments[0]), None)
        source = None if asked is None else self.source(asked)
        raw = None if source is None else self.attempt.values[source.number]
        if source is None or source.expr is None or raw is None or not isinstance(table, MapLiteral):
            return None
        keys = tuple(key for key, found in table.items if any(same(found, one) for one in wanted))
        path = self.path_of(source.expr)
        if not keys or path is None:
            return None
        nearest, distance, how = _nearest(raw, keys)
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
        value, saw = self._seen(subject)
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

    # -- what was seen

    def _seen(self, node: Node) -> tuple[Any, str]:
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
        children = self.family.children(node, self.attempt)
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
        expr = node.expr
        assert expr is not None
        if isinstance(expr, Call) and expr.name == "remember":
            return f"nothing was remembered as {value_text(_name(expr))} in this log before"
        fields = list(self.fields_behind(node))
        if not fields:
            return f"{self.wording.text(expr)} is missing"
        if isinstance(expr, Call) and len(fields) == 1:
            found = self.lookup(fields[0])
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
        inside = {part.base for part in parts_of(node.expr) if isinstance(part, Part)}
        parts = (p for p in parts_of(node.expr) if isinstance(p, (Field, Part, Item)) and p not in inside)
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

    # -- what would have to be otherwise

    def _missing(self, subject: Node, text: str, saw: str, wish: Any) -> Reason:
        """A field is not there; perhaps one of nearly that name is, or one of that name elsewhere."""
        fields = list(self.fields_behind(subject))
        for field in fields:
            path = self.path_of(field)
            if path is None:
                continue
            found, how = near_path(self.fields, path)
            if found is not None:
                value = dig(dict(self.fields), *found)
                name, there = self.wording.text(field), path_text(found)
                repair = Repair(path, value, name, there)
                far = 3 if how == ELSEWHERE else 2
                return Reason(text, f"{saw}; there is {there}, {value_text(value, 40)}{how}", NEARLY * far, repair)
        path = self.path_of(fields[0]) if fields else None
        if path is None or (isinstance(subject.expr, Call) and self.lookup(fields[0]) is not None):
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
            wanted = _nearest(raw, tuple(keys))[0]
            return Repair(path, wanted, "", "")
        if raw is not value and not same(raw, value):
            if isinstance(subject.expr, Call) and subject.expr.name in ("s", "ms", "us", "ns") and is_number(wanted):
                wanted = wanted * {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}[subject.expr.name]
            return Repair(path, wanted, "", "")
        return Repair(path, wanted, text, _with_value(text, wanted, value))


def near_path(fields: Mapping[str, Any], path: Path) -> tuple[Path | None, str]:
    """A path in *fields* that may be meant by *path*, which leads nowhere; and in which respect it is another."""
    around: Any = dict(fields)
    for depth, step in enumerate(path):
        if isinstance(step, str) and isinstance(around, dict) and step not in around:
            for name in _near_names(step, around):
                found = (*path[:depth], name, *path[depth + 1 :])
                if dig(dict(fields), *found) is not None:
                    how = ": other case" if name.lower() == step.lower() else ""
                    return found, how
            break
        around = dig(around, step)
    last = path[-1]
    elsewhere = [found for found in _paths(fields) if found[-1] == last and found != path]
    if elsewhere and isinstance(last, str):
        return min(elsewhere, key=len), ELSEWHERE
    dotted = path_key(path)
    if len(path) > 1 and dotted in fields:
        return (dotted,), ": one key with a dot in it"
    return None, ""


def path_key(path: Path) -> str:
    """The steps of *path* with dots between."""
    return ".".join(map(str, path))


def _near_names(name: str, names: Mapping[str, Any]) -> list[str]:
    squeezed = _squeezed(name)
    alike = [other for other in names if isinstance(other, str) and _squeezed(other) == squeezed]
    texts = [other for other in names if isinstance(other, str)]
    return alike or difflib.get_close_matches(name, texts, n=2, cutoff=_NEAR)


def _squeezed(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _paths(fields: Mapping[str, Any]) -> Iterator[Path]:
    """All paths of scalars in *fields*, the short ones first."""
    waiting: list[tuple[Path, Any]] = [((key,), value) for key, value in fields.items()]
    for path, value in waiting:
        if len(waiting) > _NESTED_MAX:
            break
        if isinstance(value, dict):
            waiting += [((*path, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, index), inner) for index, inner in enumerate(value[:3])]
        elif value is not None:
            yield path


def _nearest(value: Any, wanted: tuple[Any, ...]) -> tuple[Any, float, str]:
    """Which of *wanted* is nearest to *value*, how far it is, and how it differs if that is easily overlooked."""
    for one in wanted:
        if label(one) == label(value) and one.__class__ is not value.__class__:
            return one, NEARLY, f", {kind_text(one)} and not {kind_text(value)}"
    if isinstance(value, str):
        texts = [one for one in wanted if isinstance(one, str)]
        for one in texts:
            if one.strip().lower() == value.strip().lower():
                how = ": only case differs" if one.strip() != value.strip() else ": only blanks differ"
                return one, NEARLY, how
        near = difflib.get_close_matches(value, texts, n=1, cutoff=_NEAR)
        if near:
            return near[0], 2 * NEARLY, ""
    return wanted[0] if wanted else None, OTHER, ""


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


def _name(expr: Call) -> Any:
    first = expr.arguments[0]
    return first.value if isinstance(first, Literal) else None


def _of(saw: str) -> str:
    return saw.replace(" is ", ", ", 1)
