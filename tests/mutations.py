"""Mutants of a pack: the pack with one thing of one rule broken, each of which a test of the pack must notice.

What a pack has under `define` or `let`, or takes up again by an alias, is one thing, in whichever rules it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count

import yaml
from msgspec.structs import replace as with_fields

from logmetrics.config.document import parse_document
from logmetrics.config.expression import is_condition, parse_expression
from logmetrics.config.expression_text import Wording
from logmetrics.config.specs import PackSpec, RuleSet, RuleSpec, UpdateSpec
from logmetrics.config.tree import (
    ELAPSED,
    LINE_TIME,
    MISSING,
    NODES,
    START_TIME,
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
    Scalar,
    parts_of,
)
from tests.regex_alternatives import without_alternatives

NOTHING = Literal("~")
Names = Mapping[Expr, str]
# A change: what was done, and what became of the expression.
Change = tuple[str, Expr]
_ATOMS = (Field, Context, Literal)
_OTHER_UNIT = {"s": "ms", "ms": "s", "us": "ms", "ns": "us", "duration": "s"}
_REMOVABLE = ("number", "lower", "kv", "parse_json", "entries", "time", "rise", "delta")
_KEYED = {"once": 0, "rise": 1, "delta": 1}
_OTHER_ORDER = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_OTHER_OPERATOR = {"+": "-", "-": "+", "*": "+", "/": "*"}


@dataclass(frozen=True)
class Mutant:
    """A pack with one thing changed. ``rules`` are the names of those that are not what they were.

    ``is_basic``: a condition, a label, a value or an update as a whole, or a text or number in a condition.
    """

    name: str
    rules: frozenset[str]
    is_basic: bool
    rule_set: RuleSet


@dataclass(frozen=True)
class _Slot:
    """A place of a rule that holds an expression; ``put`` gives the rule with another one in it."""

    name: str
    role: str
    expr: Expr
    put: Callable[[Expr], RuleSpec]


def mutants_of(pack: PackSpec) -> list[Mutant]:
    """All mutants of *pack*, in the order of its text, each with a name of its own."""
    found: list[Mutant] = []
    seen: set[str] = set()
    rules = pack.rule_set.rules
    for name, changed, is_basic in _changes_of(pack):
        altered = frozenset(old.name for old, new in zip(rules, changed, strict=True) if old != new)
        if altered:
            titles = (name + (f" ({number})" if number > 1 else "") for number in count(1))
            unique = next(title for title in titles if title not in seen)
            seen.add(unique)
            found.append(Mutant(unique, altered, is_basic, replace(pack.rule_set, rules=tuple(changed))))
    return found


def _changes_of(pack: PackSpec) -> Iterator[tuple[str, list[RuleSpec], bool]]:
    rules = list(pack.rule_set.rules)
    names = _names(pack)
    recognise = rules[0].recognise
    if recognise is not None:
        for what, new, is_basic in _of_condition(recognise, names):
            changed = [replace(rule, recognise=None if new == MISSING else new) for rule in rules]
            yield f"{pack.name}: recognise: {what}", changed, is_basic
    for tree, name in names.items():
        if tree not in (LINE_TIME, ELAPSED):
            for what, new in _of_shared(tree, names):
                yield f"{pack.name}: {name}: {what}", [_with(rule, tree, new) for rule in rules], False
    for index, rule in enumerate(rules):
        for what, changed_rule, is_basic in _of_rule(rule, pack, names):
            yield f"{rule.name}: {what}", [*rules[:index], changed_rule, *rules[index + 1 :]], is_basic


def _names(pack: PackSpec) -> Names:
    """What has a name in *pack*: definitions, and what its rules compute once. Plain fields are what they are."""
    names: dict[Expr, str] = {LINE_TIME: "line_time", ELAPSED: "elapsed"}
    defined: dict[str, Expr] = {}
    document = parse_document(pack.text, pack.name, fast=True).values
    for name, text in document.get("define", {}).items():
        defined[name] = parse_expression(str(text), defined)
        if not isinstance(defined[name], _ATOMS):
            names.setdefault(defined[name], name)
    for rule in pack.rule_set.rules:
        names |= {item: item.name for item in rule.each if item not in names}
        names |= {let: let.name for let in rule.let if let not in names}
    again = _texts_that_stand_again(pack.text)
    for rule, written in zip(pack.rule_set.rules, document["rules"], strict=True):
        for label, text in written.get("labels", {}).items():
            if text in again and not isinstance(rule.labels[label], _ATOMS):
                names.setdefault(rule.labels[label], f"label {label}")
        for update, text in zip(rule.updates, written.get("update", {}).values(), strict=True):
            if text in again and not isinstance(update.value, _ATOMS):
                names.setdefault(update.value, f"value of {update.metric}")
    return names


def _texts_that_stand_again(text: str) -> set[str]:
    """Those of a YAML text that an alias takes up once more."""
    times: dict[int, int] = {}
    texts: dict[int, str] = {}

    def visit(node: yaml.Node) -> None:
        times[id(node)] = times.get(id(node), 0) + 1
        if isinstance(node, yaml.ScalarNode):
            texts[id(node)] = node.value
        for part in node.value if isinstance(node, yaml.CollectionNode) else ():
            for each in part if isinstance(part, tuple) else (part,):
                visit(each)

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None
    visit(root)
    return {value for node, value in texts.items() if times[node] > 1}


def _of_shared(tree: Expr, names: Names) -> Iterator[Change]:
    """Changes of what has a name."""
    within = tree.value if isinstance(tree, Let) else tree.of if isinstance(tree, Item) else tree

    def again(new: Expr) -> Expr:
        if isinstance(tree, Let):
            return Let(tree.name, new)
        return Item(tree.name, new) if isinstance(tree, Item) else new

    if not isinstance(within, MapLiteral):
        yield ("negated", again(Not(within))) if is_condition(within) else ("missing", again(MISSING))
    for what, new in _changes(within, {key: value for key, value in names.items() if key != within}):
        yield what, again(new)


def _of_rule(rule: RuleSpec, pack: PackSpec, names: Names) -> Iterator[tuple[str, RuleSpec, bool]]:
    yield "of another format", replace(rule, format="ollama" if rule.format == "json" else "json"), True
    for slot in _slots(rule):
        changes = _of_condition(slot.expr, names) if slot.role == "condition" else _of_value(slot, pack, names)
        for what, new, is_basic in changes:
            yield f"{slot.name}: {what}", slot.put(new), is_basic
    for key, updates in (("update", rule.updates), ("on_timeout", rule.on_timeout)):
        for index, update in enumerate(updates):
            others = (*updates[:index], *updates[index + 1 :])
            yield f"{_template(update)}: left out", _with_updates(rule, key, others), True
            for label, _ in update.constants:
                constants = tuple((name, "~" if name == label else value) for name, value in update.constants)
                changed = (*updates[:index], replace(update, constants=constants), *updates[index + 1 :])
                yield f"{_template(update)}: other {label}", _with_updates(rule, key, changed), True
    for index, call in enumerate(rule.remember):
        others_remembered = (*rule.remember[:index], *rule.remember[index + 1 :])
        yield f"remember {_title(call)}: left out", replace(rule, remember=others_remembered), True
    if rule.pair is not None and rule.pair.timeout_s is not None:
        yield (
            "pair timeout: twice as long",
            replace(rule, pair=replace(rule.pair, timeout_s=2 * rule.pair.timeout_s)),
            True,
        )


def _slots(rule: RuleSpec) -> Iterator[_Slot]:
    """All places of *rule* with an expression of its own; what it computes once is shared, and no slot."""
    if rule.when is not None:
        yield _Slot("when", "condition", rule.when, lambda new: replace(rule, when=None if new == MISSING else new))
    pair = rule.pair
    if pair is not None:
        yield _Slot("start", "condition", pair.start, lambda new: replace(rule, pair=replace(pair, start=_always(new))))
        yield _Slot("end", "condition", pair.end, lambda new: replace(rule, pair=replace(pair, end=_always(new))))
        yield _Slot("key", "key", pair.key, lambda new: replace(rule, pair=replace(pair, key=new)))
        for index, (name, value) in enumerate(pair.keep):
            if name != START_TIME.name:

                def keep(new: Expr, index: int = index, name: str = name) -> RuleSpec:
                    return replace(
                        rule, pair=replace(pair, keep=(*pair.keep[:index], (name, new), *pair.keep[index + 1 :]))
                    )

                yield _Slot(f"keep {name}", "value", value, keep)
    for label, value in rule.labels.items():

        def relabel(new: Expr, label: str = label) -> RuleSpec:
            return replace(rule, labels={**rule.labels, label: new})

        yield _Slot(f"label {label}", "label", value, relabel)
    for key, updates in (("update", rule.updates), ("on_timeout", rule.on_timeout)):
        for index, update in enumerate(updates):

            def revalue(
                new: Expr, key: str = key, updates: tuple[UpdateSpec, ...] = updates, index: int = index
            ) -> RuleSpec:
                changed = (*updates[:index], replace(updates[index], value=new), *updates[index + 1 :])
                return _with_updates(rule, key, changed)

            yield _Slot(_template(update), f"value of {update.metric}", update.value, revalue)
    for index, call in enumerate(rule.remember):

        def recall(new: Expr, index: int = index, call: Call = call) -> RuleSpec:
            changed = with_fields(call, arguments=(call.arguments[0], new))
            return replace(rule, remember=(*rule.remember[:index], changed, *rule.remember[index + 1 :]))

        yield _Slot(f"remember {_title(call)}", "value", call.arguments[1], recall)


def _always(condition: Expr) -> Expr:
    return Literal(value=True) if condition == MISSING else condition


def _title(call: Call) -> str:
    name = call.arguments[0]
    return str(name.value) if isinstance(name, Literal) else ""


def _template(update: UpdateSpec) -> str:
    constants = ",".join(f'{name}="{value}"' for name, value in update.constants)
    return update.metric + (f"{{{constants}}}" if constants else "")


def _with_updates(rule: RuleSpec, key: str, updates: tuple[UpdateSpec, ...]) -> RuleSpec:
    return replace(rule, updates=updates) if key == "update" else replace(rule, on_timeout=updates)


def _of_condition(condition: Expr, names: Names) -> Iterator[tuple[str, Expr, bool]]:
    """Changes of a condition; a condition that is left out is MISSING."""
    yield "left out", MISSING, True
    yield "negated", Not(condition), True
    for what, new in _changes(condition, names):
        yield what, new, what.startswith(("other text", "other number"))


def _of_value(slot: _Slot, pack: PackSpec, names: Names) -> Iterator[tuple[str, Expr, bool]]:
    if slot.role.startswith("value of "):
        metric = pack.rule_set.metrics[slot.role.removeprefix("value of ")]
        if metric.type == "active":
            yield "always the same", NOTHING, True
        elif isinstance(slot.expr, Literal) and isinstance(slot.expr.value, int):
            if metric.type != "info":
                yield "doubled", Literal(2 * slot.expr.value or 1), True
        else:
            yield "doubled", Arithmetic("*", slot.expr, Literal(2)), True
    elif slot.expr != NOTHING:
        yield "always the same", NOTHING, True
    if not isinstance(slot.expr, Literal):
        for what, new in _changes(slot.expr, names, is_key=slot.role == "key"):
            yield what, new, False


def _with(rule: RuleSpec, old: Expr, new: Expr) -> RuleSpec:
    """*rule* with *new* wherever it has *old*."""

    def change(expr: Expr) -> Expr:
        return _substituted(expr, old, new)

    pair = rule.pair
    changed = replace(
        rule,
        when=None if rule.when is None else change(rule.when),
        labels={name: change(value) for name, value in rule.labels.items()},
        updates=tuple(replace(update, value=change(update.value)) for update in rule.updates),
        on_timeout=tuple(replace(update, value=change(update.value)) for update in rule.on_timeout),
        pair=pair
        and replace(
            pair,
            start=change(pair.start),
            end=change(pair.end),
            key=change(pair.key),
            keep=tuple((name, change(value)) for name, value in pair.keep),
        ),
        each=tuple(item for item in map(change, rule.each) if isinstance(item, Item)),
        let=tuple(let for let in map(change, rule.let) if isinstance(let, Let)),
        remember=tuple(call for call in map(change, rule.remember) if isinstance(call, Call)),
        recognise=None if rule.recognise is None else change(rule.recognise),
    )
    return rule if changed == rule else changed


def _substituted(expr: Expr, old: Expr, new: Expr) -> Expr:
    if expr == old:
        return new
    if old not in parts_of(expr):
        return expr
    return with_fields(expr, **{name: _within(getattr(expr, name), old, new) for name in expr.__struct_fields__})


def _within(value: object, old: Expr, new: Expr) -> object:
    if isinstance(value, tuple):
        return tuple(_within(one, old, new) for one in value)
    return _substituted(value, old, new) if isinstance(value, NODES) else value


def _changes(expr: Expr, names: Names, *, is_key: bool = False) -> Iterator[Change]:
    """*expr* with one of its nodes changed, for each node that is not shared."""
    if expr in names:
        return
    yield from _at(expr, names, is_key=is_key)
    keyed = _KEYED.get(expr.name) if isinstance(expr, Call) else None
    for name in expr.__struct_fields__:
        value = getattr(expr, name)
        if isinstance(value, NODES):
            for what, new in _changes(value, names, is_key=is_key):
                yield what, with_fields(expr, **{name: new})
        elif isinstance(value, tuple):
            for index, one in enumerate(value):
                if isinstance(one, NODES) and not _is_left_alone(expr, index):
                    for what, new in _changes(one, names, is_key=is_key or index == keyed):
                        yield what, with_fields(expr, **{name: (*value[:index], new, *value[index + 1 :])})


def _is_left_alone(expr: Expr, index: int) -> bool:
    """Patterns are changed as such, and what stands between the parts of a key is all the same."""
    if not isinstance(expr, Call) or not isinstance(part := expr.arguments[index], Literal):
        return False
    return expr.name in ("matches", "capture") or (expr.name == "join" and part.value in (":", " "))


def _at(expr: Expr, names: Names, *, is_key: bool) -> Iterator[Change]:
    """Changes of the node at the top of *expr*."""
    if isinstance(expr, (And, Or)):
        for index, operand in enumerate(expr.operands):
            others = (*expr.operands[:index], *expr.operands[index + 1 :])
            yield f"without {Wording(names).text(operand)}", others[0] if len(others) == 1 else type(expr)(others)
    elif isinstance(expr, Not):
        yield f"without not before {Wording(names).text(expr.operand)}", expr.operand
    elif isinstance(expr, Compare) and expr.operator in _OTHER_ORDER:
        operator = _OTHER_ORDER[expr.operator]
        yield f"{operator} in {Wording(names).text(expr)}", with_fields(expr, operator=operator)
    elif isinstance(expr, Arithmetic):
        operator = _OTHER_OPERATOR[expr.operator]
        yield f"{operator} in {Wording(names).text(expr)}", with_fields(expr, operator=operator)
    elif isinstance(expr, IfElse):
        yield f"the other way round if {Wording(names).text(expr.test)}", IfElse(expr.test, expr.otherwise, expr.then)
    elif isinstance(expr, MapLiteral):
        for index, (key, _) in enumerate(expr.items):
            yield f"without the entry {key!r}", MapLiteral((*expr.items[:index], *expr.items[index + 1 :]))
    elif isinstance(expr, ListLiteral):
        for index, item in enumerate(expr.items):
            yield f"without {item!r} in the list", ListLiteral((*expr.items[:index], *expr.items[index + 1 :]))
    elif isinstance(expr, Literal):
        if not is_key:
            yield from _of_literal(expr.value)
    elif isinstance(expr, Call):
        yield from _of_call(expr, names)


def _of_literal(value: Scalar) -> Iterator[Change]:
    if isinstance(value, bool):
        yield f"not {value}", Literal(not value)
    elif isinstance(value, str):
        yield f"other text than {value!r}", Literal(value + "~")
    elif isinstance(value, (int, float)):
        yield f"other number than {value}: {value + 1}", Literal(value + 1)
        if value:
            yield f"other number than {value}: {value - 1}", Literal(value - 1)


def _of_call(call: Call, names: Names) -> Iterator[Change]:
    text, arguments = Wording(names).text(call), call.arguments
    if call.name in _OTHER_UNIT:
        yield f"{_OTHER_UNIT[call.name]} in {text}", Call(_OTHER_UNIT[call.name], arguments)
    if call.name in _REMOVABLE:
        yield f"without {call.name} in {text}", arguments[0]
    at = _KEYED.get(call.name)
    if at is not None and not isinstance(arguments[at], Literal):
        yield f"one key for all in {text}", Call(call.name, (*arguments[:at], NOTHING, *arguments[at + 1 :]))
    if call.name == "delta" and len(arguments) > 2:
        yield f"without what counts after a reset in {text}", Call("delta", arguments[:2])
    if call.name == "between":
        yield f"the other way round in {text}", Call("between", arguments[::-1])
    if call.name == "join":
        for index, argument in enumerate(arguments):
            others = (*arguments[:index], *arguments[index + 1 :])
            if not isinstance(argument, Literal):
                yield (
                    f"without {Wording(names).text(argument)} in {text}",
                    others[0] if len(others) == 1 else Call("join", others),
                )
    if call.name in ("matches", "capture") and isinstance(arguments[1], Literal):
        yield f"a pattern of nothing in {text}", Call(call.name, (arguments[0], Literal(r"(\b\B)")))
        for alternative, pattern in without_alternatives(str(arguments[1].value)):
            yield (
                f"without the alternative {alternative!r} in {text}",
                Call(call.name, (arguments[0], Literal(pattern))),
            )
