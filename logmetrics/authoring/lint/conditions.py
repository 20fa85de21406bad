"""Conditions that are never true, parts of them that change nothing, and rules that therefore never count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from logmetrics.authoring.lint.findings import Finding
from logmetrics.authoring.lint.subject import Place, Subject, told
from logmetrics.config.specs import FORMATS, RuleSpec
from logmetrics.config.tree import (
    And,
    Call,
    Compare,
    Expr,
    Let,
    ListLiteral,
    Literal,
    MapLiteral,
    Not,
    Or,
    Scalar,
    has_memory,
    parts_of,
)
from logmetrics.formats.kinds import ABSENT, NUMBER, TEXT
from logmetrics.rules.functions import same
from logmetrics.rules.kinds import ANYTHING, kind_of
from logmetrics.rules.simplify import simplified


def findings(subject: Subject) -> Iterator[Finding]:
    """What is to be said about the conditions of the file's rules."""
    for path, rule in subject.rule_paths():
        if (source := _no_source(subject, rule)) is not None:
            remedy = "take format away, or give a source that format"
            yield subject.finding("unreachable-rule", (*path, "format"), source, remedy)
        for place in subject.conditions(path, rule):
            yield from _of_condition(subject, place)
    for place in subject.expressions():
        never = next(filter(None, map(_never, parts_of(place.expr))), None)
        if never is not None:
            yield subject.finding("never-true", place.path, *never)


def _no_source(subject: Subject, rule: RuleSpec) -> str | None:
    """Why no source has records of the format of *rule*."""
    if rule.format is None or not subject.sources:
        return None
    for source in subject.sources:
        if any(map(rule.is_for, FORMATS if source.format == "auto" else (source.format,))):
            return None
    has = ", ".join(f"{source.name}: {source.format}" for source in subject.sources)
    return f"the rule is for records of format {rule.format}, and no source has these ({has})"


def _of_condition(subject: Subject, place: Place) -> Iterator[Finding]:
    why = contradiction(place.expr)
    if why:
        what = f"the condition is never true: {why}"
        remedy = "write or between what is told apart, or take one of the two away"
        yield subject.finding("unreachable-rule", place.path, what, remedy)
        return
    if simplified(place.expr, ANYTHING) == Literal(value=False) and not any(map(_never, parts_of(place.expr))):
        what = "the condition is false whatever the record holds"
        yield subject.finding("unreachable-rule", place.path, what, "take the rule away, or mend its condition")
    for text in _redundant(place.expr):
        yield subject.finding("redundant-condition", place.path, text, "take it away")


# -- contradictions


@dataclass(slots=True)
class _Known:
    """What conditions that hold together say about one expression."""

    # Values that it can have, if these are known, and those that it has not.
    values: list[Scalar] | None = None
    why: str = ""
    excluded: list[tuple[Scalar, str]] = field(default_factory=list)
    least: tuple[float, bool, str] | None = None  # the bound, whether it is itself possible, how it is written
    most: tuple[float, bool, str] | None = None
    has: bool | None = None


def contradiction(expr: Expr) -> str:
    """Why *expr* is never true, in words; empty when nothing is known against it."""
    if isinstance(expr, Let):
        return contradiction(expr.value)
    if isinstance(expr, Or):
        reasons = [contradiction(operand) for operand in expr.operands]
        return reasons[0] if all(reasons) else ""
    known: dict[Expr, _Known] = {}
    for test in conjuncts(expr):
        why = contradiction(test) if isinstance(test, Or) else _learn(test, known)
        if why:
            return why
    return ""


def conjuncts(expr: Expr | None) -> list[Expr]:
    """The conditions that must all hold for *expr*."""
    if isinstance(expr, And):
        return [test for operand in expr.operands for test in conjuncts(operand)]
    return [] if expr is None else [expr]


def _learn(test: Expr, known: dict[Expr, _Known]) -> str:
    """Add what *test* says to *known*; why that cannot be."""
    negated = isinstance(test, Not)
    inner = test.operand if isinstance(test, Not) else test
    if has_memory(inner):
        return ""
    if isinstance(inner, Call) and inner.name == "has":
        about = known.setdefault(inner.arguments[0], _Known())
        if about.has is (negated):
            return f"{told(inner.arguments[0])} is there and is not"
        about.has = not negated
        return ""
    if not isinstance(inner, Compare):
        return ""
    values = _values(inner)
    if values is not None and not (negated and inner.operator == "!="):  # which is true of what is missing
        about = known.setdefault(inner.left, _Known())
        return _learn_values(about, inner, values, is_one_of=not negated and inner.operator != "!=")
    if not negated and inner.operator in ("<", "<=", ">", ">=") and isinstance(inner.right, Literal):
        bound = inner.right.value
        if isinstance(bound, (int, float)) and not isinstance(bound, bool):
            return _learn_bound(known.setdefault(inner.left, _Known()), inner, float(bound))
    return ""


def _values(test: Compare) -> list[Scalar] | None:
    if test.operator in ("==", "!=") and isinstance(test.right, Literal):
        return [test.right.value]
    if test.operator == "in" and isinstance(test.right, ListLiteral):
        return list(test.right.items)
    return None


def _learn_values(about: _Known, test: Compare, values: list[Scalar], *, is_one_of: bool) -> str:
    this = told(Not(test)) if test.operator != "!=" and not is_one_of else told(test)
    if not is_one_of:
        # Of a missing field `not x == 1` is true as well, which excludes the value all the same.
        about.excluded += [(value, this) for value in values]
    elif about.has is False:
        return f"{this}, and {told(test.left)} is not there"
    elif about.values is None:
        about.values, about.why, about.has = values, this, True
    else:
        left = [value for value in about.values if any(same(value, other) for other in values)]
        if not left:
            return f"{about.why} and {this} cannot both be"
        about.values = left
        about.why = this if len(values) <= len(left) else about.why
    if about.values is not None and about.excluded:
        left = [value for value in about.values if not any(same(value, no) for no, _ in about.excluded)]
        if not left:
            return f"{about.why} and {about.excluded[-1][1]} cannot both be"
        about.values = left
    return _outside(about)


def _learn_bound(about: _Known, test: Compare, bound: float) -> str:
    this = told(test)
    is_possible = "=" in test.operator
    if test.operator.startswith(">"):
        if about.least is None or bound >= about.least[0]:
            about.least = (bound, is_possible, this)
    elif about.most is None or bound <= about.most[0]:
        about.most = (bound, is_possible, this)
    if about.least and about.most:
        least, most = about.least, about.most
        if least[0] > most[0] or (least[0] == most[0] and not (least[1] and most[1])):
            return f"{least[2]} and {most[2]} cannot both be"
    return _outside(about)


def _outside(about: _Known) -> str:
    """Why none of the values is within the bounds."""
    bounds = [bound for bound in (about.least, about.most) if bound]
    if about.values is None or not bounds:
        return ""
    inside = [value for value in about.values if _is_within(value, about)]
    return "" if inside else f"{about.why} and {bounds[-1][2]} cannot both be"


def _is_within(value: Scalar, about: _Known) -> bool:
    if isinstance(value, (bool, str)):
        return False
    if about.least and not (value > about.least[0] or (about.least[1] and value == about.least[0])):
        return False
    return not (about.most and not (value < about.most[0] or (about.most[1] and value == about.most[0])))


# -- single comparisons


def _never(part: Expr) -> tuple[str, str] | None:
    """Why the comparison or call *part* is never true, and what to do."""
    if isinstance(part, Compare):
        return _never_of_kinds(part) or _never_of_case(part)
    if isinstance(part, Call) and part.name in ("starts", "ends") and _is_lower(part.arguments[0]):
        text = part.arguments[1]
        if isinstance(text, Literal) and isinstance(text.value, str) and text.value != text.value.lower():
            return _capitals(part, text.value)
    if isinstance(part, Call) and part.name == "map" and _is_lower(part.arguments[0]):
        return _never_found(part)
    return None


def _never_found(part: Call) -> tuple[str, str] | None:
    """Keys of a table with capitals, when what is looked up has none."""
    table = part.arguments[1]
    assert isinstance(table, MapLiteral)
    keys = [key for key, _ in table.items if isinstance(key, str) and key != key.lower()]
    if not keys:
        return None
    what = f"map() never finds {told(Literal(keys[0]))}: lower() leaves no capitals"
    return what, f'write "{keys[0].lower()}"'


def _never_of_kinds(part: Compare) -> tuple[str, str] | None:
    left, right = (kind_of(side, ANYTHING) & ~ABSENT for side in (part.left, part.right))
    if part.operator in ("<", "<=", ">", ">=") and not left & right & (NUMBER | TEXT):
        what = f"{told(part)} is never true: one side is {_kind(left)}, the other {_kind(right)}"
        return what, "compare numbers with numbers: number(x) reads one from a text"
    if part.operator == "==" and not left & right:
        what = f"{told(part)} is never true: one side is {_kind(left)}, the other {_kind(right)}"
        return what, "number(x) makes a number of a text; texts stand in quotes, numbers and true do not"
    if part.operator == "in" and isinstance(part.right, ListLiteral):
        kinds = {kind_of(Literal(item), ANYTHING) for item in part.right.items}
        if kinds and not any(left & kind for kind in kinds):
            what = f"{told(part)} is never true: the left side is {_kind(left)}, and none in the list is"
            return what, "number(x) makes a number of a text; texts stand in quotes, numbers and true do not"
    return None


def _kind(kind: int) -> str:
    names = {NUMBER: "a number", TEXT: "a text", 8: "true or false", 16: "a list", 32: "an object"}
    return names.get(kind) or " or ".join(name for bit, name in names.items() if kind & bit) or "missing"


def _never_of_case(part: Compare) -> tuple[str, str] | None:
    """A text in lower case never equals one with capitals."""
    if part.operator == "in" and _is_lower(part.right) and isinstance(part.left, Literal):
        text = part.left.value
        return _capitals(part, text) if isinstance(text, str) and text != text.lower() else None
    if not _is_lower(part.left):
        return None
    values = _values(part) if part.operator != "!=" else None
    texts = [value for value in values or () if isinstance(value, str)]
    if texts and all(text != text.lower() for text in texts):
        return _capitals(part, texts[0])
    return None


def _is_lower(expr: Expr) -> bool:
    return isinstance(expr, Call) and expr.name == "lower"


def _capitals(part: Expr, text: str) -> tuple[str, str]:
    what = f"{told(part)} is never true: lower() leaves no capitals, and {text!r} has some"
    return what, f'write "{text.lower()}"'


# -- what changes nothing


def _redundant(expr: Expr) -> Iterator[str]:
    tests = conjuncts(expr)
    for number, test in enumerate(tests):
        if test in tests[:number] and not has_memory(test):
            yield f"{told(test)} stands in the condition twice"
        elif (wider := _implied(test, tests)) is not None:
            yield f"{told(test)} follows from {told(wider)}"


def _implied(test: Expr, tests: Sequence[Expr]) -> Expr | None:
    """One of *tests* from which the list of *test* follows."""
    if not (isinstance(test, Compare) and test.operator == "in" and isinstance(test.right, ListLiteral)):
        return None
    for other in tests:
        values = _values(other) if isinstance(other, Compare) and other.operator != "!=" and other != test else None
        if values and isinstance(other, Compare) and other.left == test.left and _are_in(values, test.right):
            return other
    return None


def _are_in(values: Sequence[Scalar], whole: ListLiteral) -> bool:
    return all(any(same(value, each) for each in whole.items) for value in values)
