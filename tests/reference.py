"""A plain interpreter of rules over records, for tests only: what the generated function must agree with.

It walks the expression tree record by record, keeps exact sums as fractions, and knows nothing of dispatch, memos,
formats or batches.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from fractions import Fraction
from typing import Any

import re2

from logmetrics.config import expression as ex
from logmetrics.config.specs import MetricSpec, RuleSet, RuleSpec
from logmetrics.formats.go_duration import parse_go_duration

VALUE_MAX = 1e290
UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def to_number(value: Any) -> Any:
    if is_number(value):
        return value
    if isinstance(value, str) and len(value) <= 64 and "_" not in value:
        for kind in (int, float):
            try:
                number = kind(value)
            except ValueError:
                continue
            return number if math.isfinite(number) else None
    return None


def label_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value) if abs(value) < 10**40 else "unknown"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return "unknown"


def equal(left: Any, right: Any) -> bool:
    if left is None or right is None or isinstance(left, bool) != isinstance(right, bool):
        return False
    return bool(left == right)


class Interpreter:
    """Counts records into plain dictionaries: metric -> labels -> number or (values, ...)."""

    def __init__(self, rule_set: RuleSet) -> None:
        self.rule_set = rule_set
        self.counters: dict[str, dict[tuple[str, ...], Fraction]] = defaultdict(lambda: defaultdict(Fraction))
        self.observed: dict[str, dict[tuple[str, ...], list[Any]]] = defaultdict(lambda: defaultdict(list))
        self.gauges: dict[str, dict[tuple[str, ...], Any]] = defaultdict(dict)
        self.active: dict[str, dict[tuple[str, ...], set[str]]] = defaultdict(lambda: defaultdict(set))
        self.open: dict[str, dict[str, tuple[Any, ...]]] = defaultdict(dict)
        self.matches: dict[str, int] = defaultdict(int)
        self.unmatched = 0

    def feed(self, record: dict[str, Any]) -> None:
        hit = [self._rule(rule, record) for rule in self.rule_set.rules]
        self.unmatched += not any(hit)

    def _rule(self, rule: RuleSpec, record: dict[str, Any]) -> bool:
        if rule.when is not None and not self.truth(rule.when, record, {}):
            return False
        kept: dict[str, Any] = {}
        if rule.pair is not None:
            value = self.value(rule.pair.key, record, {})
            key = json.dumps(value) if isinstance(value, (dict, list)) else label_text(value)
            if self.truth(rule.pair.end, record, {}):
                values = None if value is None else self.open[rule.name].pop(key, None)
                if values is None:
                    return True
                kept = dict(zip([name for name, _ in rule.pair.keep], values, strict=True))
            elif self.truth(rule.pair.start, record, {}):
                found = (self.value(tree, record, {}) for _, tree in rule.pair.keep)
                if value is not None:  # a missing key is never the same as another
                    self.open[rule.name][key] = tuple(None if isinstance(v, (dict, list)) else v for v in found)
                return True
            else:
                return False
        self.matches[rule.name] += 1
        for update in rule.updates:
            metric = self.rule_set.metrics[update.metric]
            constants = dict(update.constants)
            labels = tuple(
                constants[name]
                if name in constants
                else label_text(self.value(rule.labels[name], record, kept)) or "unknown"
                for name in metric.labels
            )
            self._update(metric, labels, self.value(update.value, record, kept))
        return True

    def _update(self, metric: MetricSpec, labels: tuple[str, ...], value: Any) -> None:
        if metric.type == "active":
            if value is not None:
                self.active[metric.name][labels].add(label_text(value))
            return
        if not is_number(value) or not (abs(value) <= VALUE_MAX):
            return
        if metric.type == "gauge":
            self.gauges[metric.name][labels] = value
        elif value >= 0 and metric.type == "counter":
            self.counters[metric.name][labels] += Fraction(value)
        elif value >= 0:
            self.observed[metric.name][labels].append(value)

    def truth(self, e: ex.Expr, record: dict[str, Any], kept: dict[str, Any]) -> bool:
        if isinstance(e, ex.And):
            return all(self.truth(part, record, kept) for part in e.operands)
        if isinstance(e, ex.Or):
            return any(self.truth(part, record, kept) for part in e.operands)
        if isinstance(e, ex.Not):
            return not self.truth(e.operand, record, kept)
        return bool(self.value(e, record, kept))

    def value(self, e: ex.Expr, record: dict[str, Any], kept: dict[str, Any]) -> Any:
        if isinstance(e, ex.Literal):
            return e.value
        if isinstance(e, ex.Local):
            return kept[e.name]
        if isinstance(e, ex.Field):
            return self._field(e, record)
        if isinstance(e, ex.Or) and not ex.is_condition(e):
            for part in e.operands[:-1]:
                value = self.value(part, record, kept)
                if value is not None and value != "":
                    return value
            return self.value(e.operands[-1], record, kept)
        if isinstance(e, (ex.And, ex.Or, ex.Not)):
            return self.truth(e, record, kept)
        if isinstance(e, ex.IfElse):
            return self.value(e.then if self.truth(e.test, record, kept) else e.otherwise, record, kept)
        if isinstance(e, ex.Compare):
            return self._compare(e, record, kept)
        if isinstance(e, ex.Arithmetic):
            return self._arithmetic(e.operator, self.value(e.left, record, kept), self.value(e.right, record, kept))
        if isinstance(e, ex.Call):
            return self._call(e, record, kept)
        return None

    def _field(self, e: ex.Field, record: dict[str, Any]) -> Any:
        value: Any = record
        for step in e.path:
            if isinstance(step, str):
                value = value.get(step) if isinstance(value, dict) else None
            else:
                inside = isinstance(value, list) and -len(value) <= step < len(value)
                value = value[step] if inside else None
        return value

    def _compare(self, e: ex.Compare, record: dict[str, Any], kept: dict[str, Any]) -> bool:
        left = self.value(e.left, record, kept)
        if e.operator == "in" and isinstance(e.right, ex.ListLiteral):
            return any(equal(left, item) for item in e.right.items)
        right = self.value(e.right, record, kept)
        if left is None or right is None:
            return False
        if e.operator == "in":
            if isinstance(right, list):
                return any(equal(left, item) for item in right)
            return isinstance(left, str) and isinstance(right, (str, dict)) and left in right
        if e.operator in ("==", "!="):
            return equal(left, right) == (e.operator == "==")
        if not (is_number(left) and is_number(right)) and not (isinstance(left, str) and isinstance(right, str)):
            return False
        return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[e.operator]

    def _arithmetic(self, operator: str, left: Any, right: Any) -> Any:
        if not is_number(left) or not is_number(right):
            return None
        try:
            result = {"+": lambda: left + right, "-": lambda: left - right, "*": lambda: left * right}.get(
                operator, lambda: left / right
            )()
            return result if math.isfinite(result) else None
        except (ZeroDivisionError, OverflowError):
            return None

    def _call(self, e: ex.Call, record: dict[str, Any], kept: dict[str, Any]) -> Any:
        first = self.value(e.arguments[0], record, kept)
        if e.name == "has":
            return first is not None
        if e.name == "map":
            return self._map(first, e, record, kept)
        if e.name in UNITS or e.name == "number":
            number = to_number(first)
            try:
                return number if number is None or UNITS.get(e.name, 1) == 1 else number / UNITS[e.name]
            except OverflowError:
                return None
        if e.name == "duration" and isinstance(first, list) and len(first) == 2:
            return self._arithmetic("+", first[0], self._arithmetic("/", first[1], 1_000_000_000))
        if not isinstance(first, str):
            return False if ex.FUNCTIONS[e.name].result == "bool" else None
        if e.name == "lower":
            return first.lower()
        if e.name == "duration":
            return parse_go_duration(first)
        second = e.arguments[1]
        assert isinstance(second, ex.Literal) and isinstance(second.value, str)
        if e.name == "starts":
            return first.startswith(second.value)
        if e.name == "ends":
            return first.endswith(second.value)
        found = re2.search(second.value, first)
        return found is not None if e.name == "matches" else found and found.group(1)

    def _map(self, first: Any, e: ex.Call, record: dict[str, Any], kept: dict[str, Any]) -> Any:
        default = self.value(e.arguments[2], record, kept) if len(e.arguments) > 2 else first
        if first is None or isinstance(first, (dict, list)):
            return default if len(e.arguments) > 2 else None
        table = e.arguments[1]
        assert isinstance(table, ex.MapLiteral)
        for key, value in table.items:
            if label_text(key) == label_text(first):
                return value
        return default
