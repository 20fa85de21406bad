"""How far each rule got -> what is told of it: the condition that failed, or labels, values and series."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from logmetrics.authoring.explain.attempts import Attempt, Family, Measured
from logmetrics.authoring.explain.facts import LabelFact, MatchFact, Outcome, RuleFact, UpdateFact
from logmetrics.authoring.explain.near import HELD, HELD_MAX, NEVER
from logmetrics.authoring.explain.reasons import Reason, Reasons
from logmetrics.authoring.explain.wording import kind_text, value_text
from logmetrics.config.expression_text import Wording, path_text
from logmetrics.config.specs import MetricSpec, RuleSpec
from logmetrics.config.tree import And, Compare, Expr, Field, Literal
from logmetrics.formats.ollama_lines import KINDS
from logmetrics.rules.functions import dig, key_text, number
from logmetrics.rules.trace import Counted, Node
from logmetrics.store.guard import ALL, OVERFLOW
from logmetrics.store.spelling import escape
from logmetrics.store.spelling import number as spelled

_KIND = Field(("kind",))
_LEVELS = {
    "values": "the label has as many values as it may have",
    "metric": "the metric has as many series as it may have",
    "process": "the process has as many series as it may have",
    "bytes": "the value is longer than a label may be",
}


class Folding:
    """Tells of the rules that were asked about one record, whose *fields* are known."""

    def __init__(self, family: Family, wording: Wording, fields: Mapping[str, Any]) -> None:
        self.family = family
        self.wording = wording
        self.fields = fields

    def rule(self, rule: RuleSpec, attempts: Sequence[Attempt]) -> tuple[RuleFact, Reason]:
        """What is told of *rule*, and how far it was from a match."""
        matches = [self._match(rule, attempt) for attempt in attempts if attempt.is_match or attempt.is_timeout]
        others = [attempt for attempt in attempts if not attempt.is_match and not attempt.is_timeout]
        if any(attempt.is_match for attempt in attempts):
            return self._fact(rule, "matched", Reason("", "", 0.0), matches), Reason("", "", 0.0)
        told = [self._failed(rule, attempt) for attempt in others]
        outcome, reason = min(told, key=lambda one: one[1].distance)
        many = [attempt for attempt in others if attempt.elements]
        if len(many) > 1 and outcome == "not_matched":
            number_of = told.index((outcome, reason)) + 1
            reason = replace(reason, why=f"{reason.why} (element {number_of} of {len(many)}, which is nearest)")
        return self._fact(rule, outcome, reason, matches), reason

    def _fact(self, rule: RuleSpec, outcome: Outcome, reason: Reason, matches: Sequence[MatchFact]) -> RuleFact:
        name = rule.name.removeprefix(f"{rule.pack}/") if rule.pack else rule.name
        return RuleFact(name, rule.pack, outcome, reason.condition, reason.why, tuple(matches))

    # -- what failed

    def _failed(self, rule: RuleSpec, attempt: Attempt) -> tuple[Outcome, Reason]:
        reasons = Reasons(self.family, attempt, self.wording, self.fields)
        node = attempt.failed
        if node is not None and node.role == "each":
            return "empty", self._credited(self._no_elements(reasons, attempt), attempt)
        if node is not None:
            return "not_matched", self._credited(reasons.why(node), attempt)
        start, end = attempt.root("start"), attempt.root("end")
        if end is not None and attempt.values[end.number]:
            return "no_start", self._no_start(rule, reasons, attempt)
        if start is not None and attempt.values[start.number]:
            key = self.wording.text(rule.pair.key) if rule.pair else ""
            value = attempt.value_of(rule.pair.key, "key") if rule.pair else None
            if value is None:
                return "started", Reason(
                    "", f"it begins a pair, and its key is missing ({key}): no end will find it", 0
                )
            return "started", Reason("", f"it begins a pair; key {key} is {value_text(value)}", 0)
        wrong = [reasons.why(each) for each in (start, end) if each is not None]
        if not wrong:
            return "not_matched", Reason("", "it was not asked", NEVER)
        nearest = min(wrong, key=lambda reason: reason.distance)
        which = "start" if nearest is wrong[0] else "end"
        return "not_matched", Reason(
            f"pair {which}: {nearest.condition}",
            f"neither start nor end of the pair; {which}: {nearest.why}",
            nearest.distance,
            nearest.repair,
        )

    def _credited(self, reason: Reason, attempt: Attempt) -> Reason:
        """The more conditions held, the likelier it is that the rule is meant."""
        held = 0
        for node in attempt.roots:
            if node.role == "when" and isinstance(node.expr, And):
                held += sum(self._speaks_for(child, attempt) for child in self.family.children(node, attempt))
            elif node.role == "when":
                held += self._speaks_for(node, attempt)
        return replace(reason, distance=reason.distance - HELD * min(held, HELD_MAX), alone=reason.itself)

    def _speaks_for(self, node: Node, attempt: Attempt) -> bool:
        """Whether the condition *node* held, and says something of the record: all lines of text are of a kind."""
        is_of_kind = isinstance(node.expr, Compare) and node.expr.left == _KIND and self.fields.get("kind") in KINDS
        return bool(attempt.values[node.number]) and not is_of_kind

    def _no_elements(self, reasons: Reasons, attempt: Attempt) -> Reason:
        node = attempt.root("each")
        assert node is not None
        assert node.expr is not None
        value, text = attempt.values[node.number], self.wording.text(node.expr)
        asked = f"each ... in {text}"
        if value is None:
            return Reason(asked, reasons.absence(node), 1.5)
        if value.__class__ is not list:
            return Reason(asked, f"{text} is {kind_text(value)} and no list: {value_text(value)}", 1.5)
        return Reason(asked, f"{text} is an empty list", 1.5)

    def _no_start(self, rule: RuleSpec, reasons: Reasons, attempt: Attempt) -> Reason:
        assert rule.pair is not None
        node = attempt.root("key")
        key = None if node is None else attempt.values[node.number]
        asked = f"pair: key {self.wording.text(rule.pair.key)}"
        if key is None:
            saw = reasons.absence(node) if node is not None else "its key is missing"
            return Reason(asked, f"it ends a pair, but its key is missing: {saw}", 1.0)
        return Reason(asked, f"it ends a pair, but no start with the key {value_text(key_text(key))} is open", 1.0)

    # -- what was counted

    def _match(self, rule: RuleSpec, attempt: Attempt) -> MatchFact:
        remembered = {
            str(call.arguments[0].value): attempt.value_of(call, "remember")
            for call in (rule.remember if attempt.is_match else ())
            if isinstance(call.arguments[0], Literal)
        }
        elements = {item.name: value for item, _, value in attempt.elements}
        reasons = Reasons(self.family, attempt, self.wording, self.fields)
        updates = tuple(self._update(rule, attempt, measured, reasons) for measured in attempt.measured)
        return MatchFact(elements, updates, remembered, attempt.is_timeout)

    def _update(self, rule: RuleSpec, attempt: Attempt, measured: Measured, reasons: Reasons) -> UpdateFact:
        update, counted = measured.update, measured.counted
        node = attempt.measured_by(update)
        inputs = {}
        source = None if node is None else reasons.source(node)
        behind = [source.expr] if source is not None and source.expr is not None else []
        for field in behind or (reasons.fields_behind(node) if node is not None else ()):
            path = reasons.path_of(field)
            found = None if path is None else dig(dict(self.fields), *path)
            if found is not None:
                inputs[self.wording.text(field)] = found
        value = counted.amount if counted is not None and counted.amount is not None else measured.value
        skipped = ""
        if measured.skipped:
            skipped = self._skipped(measured.skipped, value, reasons.absence(node) if node is not None else "")
        return UpdateFact(
            metric=update.metric,
            type=counted.metric.type if counted is not None else "",
            expression=self.wording.text(update.value, whole=True),
            inputs=inputs,
            value=value,
            skipped=skipped,
            labels=self._labels(rule, attempt, measured, reasons),
            series="" if counted is None else series_text(counted.metric, counted.labels),
            bucket="" if counted is None else _bucket(counted.metric, value),
            is_new=counted is not None and counted.is_new,
            guard="" if counted is None else _guard(counted),
        )

    @staticmethod
    def _skipped(reason: str, value: Any, absence: str) -> str:
        if reason == "missing":
            return f"no value: {absence}"
        if reason == "not_a_number":
            how = "; number(...) would take it" if number(value) is not None else ""
            return f"{value_text(value)} is {kind_text(value)} and no number{how}"
        if reason == "negative":
            return f"{value_text(value)} is negative, and it only takes what is not"
        return f"{value_text(value)} is too large"

    def _labels(self, rule: RuleSpec, attempt: Attempt, measured: Measured, reasons: Reasons) -> tuple[LabelFact, ...]:
        counted = measured.counted
        if counted is None:
            return ()
        constants = dict(measured.update.constants)
        refused = {index: level for index, level, _ in counted.refusal}
        facts = []
        for index, name in enumerate(counted.metric.labels):
            tree = rule.labels.get(name)
            if name in constants or tree is None:
                given: Any = constants.get(name)
                expression = value_text(given)
            else:
                expression = self.wording.text(tree, whole=True)
                given = tree.value if isinstance(tree, Literal) else attempt.value_of(tree, "label")
            read = counted.labels[index]
            why = self._label_why(
                attempt, tree if name not in constants else None, given, counted, index, refused, reasons
            )
            facts.append(LabelFact(name, expression, given, read, why))
        return tuple(facts)

    def _label_why(
        self,
        attempt: Attempt,
        tree: Expr | None,
        given: Any,
        counted: Counted,
        index: int,
        refused: Mapping[int, str],
        reasons: Reasons,
    ) -> str:
        """Why the label reads otherwise than what the rule's expression gave."""
        read, before = counted.labels[index], counted.given[index]
        if read == OVERFLOW:
            return _LEVELS.get(refused.get(index, refused.get(ALL, "")), "a budget is full")
        if given is None and tree is not None:
            node = next((n for n in reversed(attempt.roots) if n.role == "label" and n.expr == tree), None)
            return f"{reasons.absence(node)}: reads unknown" if node is not None else "missing: reads unknown"
        if isinstance(given, (list, dict)):
            return f"{kind_text(given)} is no label: reads unknown"
        if read == before:
            return "" if given.__class__ is str else f"{kind_text(given)} as text"
        if not before:
            return "empty: reads unknown"
        if "{" in read and "{" not in before:
            return (
                "free text has a placeholder"
                if read == "{text}"
                else "ids have placeholders, so that they make no series each"
            )
        return "written as a label can be"


def series_text(metric: MetricSpec, labels: Sequence[str]) -> str:
    """The series as an exposition names it."""
    if not metric.labels:
        return metric.name
    pairs = (f'{name}="{escape(value)}"' for name, value in zip(metric.labels, labels, strict=True))
    return f"{metric.name}{{{','.join(pairs)}}}"


def _bucket(metric: MetricSpec, value: Any) -> str:
    if metric.type != "histogram" or not isinstance(value, (int, float)):
        return ""
    place = bisect_left(metric.buckets, value)
    return "+Inf" if place == len(metric.buckets) else spelled(metric.buckets[place])


def _guard(counted: Counted) -> str:
    """What the guard refused, in words."""
    told = []
    for index, level, value in counted.refusal:
        what = "all labels" if index == ALL else f"label {counted.metric.labels[index]}"
        told.append(f"{what}: {_LEVELS[level]}{f' ({value_text(value, 40)})' if value else ''}")
    return "; ".join(told)


def field_names(fields: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The fields of a record as rules name them, objects opened; lists stay."""
    found: list[tuple[str, Any]] = []
    waiting: list[tuple[tuple[str | int, ...], Any]] = [
        ((key,), value) for key, value in reversed(list(fields.items()))
    ]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict) and value:
            waiting += [((*path, key), inner) for key, inner in reversed(list(value.items()))]
        else:
            found.append((path_text(path), value))
    return found
