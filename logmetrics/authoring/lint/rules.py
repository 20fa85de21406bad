"""Rules that count the same twice or nothing at all, and names that nobody uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from logmetrics.authoring.lint.conditions import conjuncts
from logmetrics.authoring.lint.findings import Finding
from logmetrics.authoring.lint.subject import Subject
from logmetrics.config.document import KeyPath
from logmetrics.config.specs import RuleSpec, UpdateSpec
from logmetrics.config.tree import Literal

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def findings(subject: Subject) -> Iterator[Finding]:
    """What is to be said about the file's rules as a whole, and about what they define."""
    yield from _counted_twice(subject)
    for path, rule in subject.rule_paths():
        if rule.pair is not None and rule.pair.start == rule.pair.end:
            what = "start and end are the same condition, so each record would begin what it ends"
            yield subject.finding("same-pair", (*path, "pair", "end"), what, "say what tells an end from a start")
        for place, update in subject.updates(path, rule):
            yield from _without_effect(subject, place, update)
        yield from _shadowed(subject, path)
    yield from _unused_defines(subject)
    yield from _unused_memory(subject)


def _counted_twice(subject: Subject) -> Iterator[Finding]:
    """Two rules of one condition that feed the same series: what the second counts was counted."""
    seen: dict[object, tuple[KeyPath, RuleSpec]] = {}
    for path, rule in subject.rule_paths():
        condition = _condition(rule)
        for place, update in subject.updates(path, rule):
            if subject.metrics[update.metric].type not in ("counter", "histogram"):
                continue
            labels = [
                (name, str(subject.label_of(rule, update, name))) for name in subject.metrics[update.metric].labels
            ]
            what_is_counted = (condition, update.metric, tuple(labels), place[2])
            first = seen.setdefault(what_is_counted, (place, rule))
            if first[1] is not rule:
                where = f"{subject.document.file}:{subject.line(first[0])} ({first[1].name})"
                what = f"{update.metric} is counted under this very condition by another rule, too: {where}"
                yield subject.finding("counted-twice", place, what, "take one of the two away", of_key=True)


def _condition(rule: RuleSpec) -> tuple[object, ...]:
    tests = frozenset(conjuncts(rule.when))
    pair = rule.pair and (rule.pair.start, rule.pair.end, rule.pair.key)
    return rule.pack, rule.format, rule.each, tests, pair


def _without_effect(subject: Subject, path: KeyPath, update: UpdateSpec) -> Iterator[Finding]:
    kind = subject.metrics[update.metric].type
    if kind == "counter" and isinstance(update.value, Literal) and update.value.value == 0:
        what = "a counter to which 0 is added stays what it is"
        remedy = "write 1 to count, or init under the metric for series that are there from the start"
        yield subject.finding("no-effect", path, what, remedy)


def _shadowed(subject: Subject, path: KeyPath) -> Iterator[Finding]:
    """Names of a rule's own that hide what `define` gives."""
    values = subject.document.values
    defined = values.get("define") or {}
    rule = values["rules"][path[1]]
    loops = rule.get("each") or []
    own: list[tuple[KeyPath, str]] = [((*path, "let", name), name) for name in rule.get("let") or {}]
    own += [((*path, "pair", "keep", name), name) for name in (rule.get("pair") or {}).get("keep") or {}]
    for index, text in enumerate([loops] if isinstance(loops, str) else loops):
        name = str(text).split()[0]
        own.append(((*path, "each", index), name))
    for place, name in own:
        if name in defined:
            line = subject.line(("define", name))
            what = f"{name} is defined for all rules on line {line}, and means something else here"
            yield subject.finding("shadowed-name", place, what, "choose another name for one of the two", of_key=True)


def _unused_defines(subject: Subject) -> Iterator[Finding]:
    values = subject.document.values or {}
    for name in values.get("define") or {}:
        texts = (text for path, text in _texts(values, ()) if path != ("define", name))
        if not any(name in _WORD.findall(text) for text in texts):
            what = f"no expression uses {name}"
            yield subject.finding("unused-define", ("define", name), what, "take it away", of_key=True)


def _texts(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """All texts below *value* and where they stand."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _texts(each, (*path, index))
    elif isinstance(value, str):
        yield path, value


def _unused_memory(subject: Subject) -> Iterator[Finding]:
    """What a rule remembers, and no expression of the file asks for."""
    texts = "\n".join(text for _, text in _texts(subject.document.values, ()))
    for path, rule in subject.rule_paths():
        for call in rule.remember:
            name = getattr(call.arguments[0], "value", "")
            if re.search(rf"""remember\(\s*["']{re.escape(name)}["']\s*\)""", texts) is None:
                what, remedy = f'nothing asks for remember("{name}")', "ask for it in a rule, or take it away"
                yield subject.finding("unused-remember", (*path, "remember", name), what, remedy, of_key=True)
