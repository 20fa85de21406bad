"""Metrics and rules of one file -> frozen specs: names, labels, templates and expressions are checked here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from math import isfinite
from typing import Any

from logmetrics.config.document import Document, KeyPath
from logmetrics.config.expression import ExpressionError, did_you_mean, parse_expression
from logmetrics.config.model import LABEL_NAME, METRIC_NAME, MetricLimitsModel, MetricModel, PairModel, RuleModel
from logmetrics.config.specs import BUCKET_PRESETS, MetricSpec, PairSpec, RuleSpec, UpdateSpec
from logmetrics.config.tree import (
    ELAPSED,
    LINE_TIME,
    START_TIME,
    Call,
    Expr,
    Field,
    Item,
    Let,
    Literal,
    Local,
    Scalar,
    parts_of,
)
from logmetrics.errors import Problem

_TEMPLATE = re.compile(r"\s*(?P<metric>[^{\s]+)\s*(?:\{(?P<labels>.*)\})?\s*")
_TEMPLATE_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_EACH = re.compile(r"\s*(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s+in\s+(?P<of>.+)", re.DOTALL)
# Python's own limit is 20 blocks.
LOOPS_MAX = 8
_UNESCAPE = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


class RuleSetReader:
    """Collects the specs of one file and what is wrong with them."""

    def __init__(self, document: Document, inherited: Mapping[str, MetricSpec], problems: list[Problem]) -> None:
        self.document = document
        self.inherited = inherited
        self.problems = problems
        self.names: dict[str, Expr] = {}
        self.metrics: dict[str, MetricSpec] = {}
        self.names_only: set[str] = set()  # declared, but with a wrong shape that is reported elsewhere
        self.rules: list[RuleSpec] = []

    def expression(self, text: str, path: KeyPath, names: Mapping[str, Expr] | None = None) -> Expr | None:
        try:
            return parse_expression(text, self.names if names is None else names)
        except ExpressionError as error:
            offset = error.offset if "\n" not in text else 0
            self.problems.append(self.document.problem(path, str(error), column_offset=offset))
            return None

    def read_define(self, define: Any) -> None:
        """Definitions may use those above them."""
        for name, text in define.items() if isinstance(define, dict) else ():
            if re.match(LABEL_NAME, name) and isinstance(text, (str, int, float)):
                tree = self.expression(str(text), ("define", name))
                if tree is not None:
                    self.names[name] = tree

    def read_metrics(self, models: Mapping[str, MetricModel]) -> None:
        for name, model in models.items():
            path: KeyPath = ("metrics", name)
            if not re.match(METRIC_NAME, name):
                continue
            self._check_metric(name, model, path)
            init = tuple(tuple(labels.get(label, "") for label in model.labels) for labels in model.init)
            self.metrics[name] = MetricSpec(
                name=name,
                type=model.type,
                help=model.help,
                labels=tuple(model.labels),
                buckets=self._buckets(model, (*path, "buckets")) if model.type == "histogram" else (),
                window_s=model.window if model.window is not None else 300.0,
                init=init,
                raw=frozenset(model.raw),
                allow_unbounded=model.allow_unbounded,
            )
            self.metrics[name] = self.limited(self.metrics[name], model.limits, (*path, "limits"))

    def limited(self, spec: MetricSpec, limits: MetricLimitsModel, path: KeyPath) -> MetricSpec:
        """*spec* with the budgets that *limits* names in place of its own."""
        for key, given in (("values", limits.values), ("bytes", limits.bytes)):
            for label in set(given) - set(spec.labels):
                what = f"{label!r} is not a label of this metric{did_you_mean(label, spec.labels)}"
                self.problems.append(self.document.problem((*path, key, label), what, of_key=True))
        return replace(
            spec,
            series_max=limits.series or spec.series_max,
            values_max={**spec.values_max, **limits.values},
            bytes_max={**spec.bytes_max, **limits.bytes},
            idle_s=spec.idle_s if limits.idle is None else limits.idle,
            admission=limits.admission or spec.admission,
        )

    def _check_metric(self, name: str, model: MetricModel, path: KeyPath) -> None:  # noqa: C901 - a list of checks
        def wrong(key: str | None, what: str) -> None:
            self.problems.append(self.document.problem((*path, key) if key else path, what))

        if len(set(model.labels)) < len(model.labels):
            wrong("labels", "a label stands here twice")
        if model.type == "histogram" and "le" in model.labels:
            wrong("labels", "a histogram cannot have a label called le")
        if model.type == "counter" and not name.endswith("_total"):
            wrong(None, f"a counter's name ends in _total: {name}_total")
        if model.type != "histogram" and model.buckets is not None:
            wrong("buckets", f"only a histogram has buckets, and this is a {model.type}")
        if model.type != "active" and model.window is not None:
            wrong("window", f"only type active has a window, and this is a {model.type}")
        for index, labels in enumerate(model.init):
            if labels in model.init[:index]:
                wrong("init", f"entry {index + 1} stands here twice")
            if set(labels) != set(model.labels):
                wrong("init", f"entry {index + 1} must give exactly the labels {', '.join(model.labels)}")
        for label in set(model.raw) - set(model.labels):
            wrong("raw", f"{label!r} is not a label of this metric{did_you_mean(label, model.labels)}")
        known = self.inherited.get(name)
        if known is not None and (known.type != model.type or known.labels != tuple(model.labels)):
            shape = f"{known.type} with the labels [{', '.join(known.labels)}]"
            wrong(None, f"a pack has this metric already, as a {shape}; rename yours, or leave the pack out")

    def _buckets(self, model: MetricModel, path: KeyPath) -> tuple[float, ...]:
        given = model.buckets
        if isinstance(given, str):
            if given not in BUCKET_PRESETS:
                near = did_you_mean(given, BUCKET_PRESETS) or f"; there are: {', '.join(BUCKET_PRESETS)}"
                self.problems.append(self.document.problem(path, f"no preset is called {given!r}{near}"))
            return tuple(map(float, BUCKET_PRESETS.get(given, (1.0,))))
        if given is None:
            what = f"a histogram needs buckets: a list of upper bounds or one of {', '.join(BUCKET_PRESETS)}"
            self.problems.append(self.document.problem(path[:-1], what))
            return (1.0,)
        bounds = tuple(map(float, given))
        twice = next((index for index, bound in enumerate(bounds) if bound in bounds[:index]), None)
        if twice is not None:
            what = f"{given[twice]!r} is the bucket {given[bounds.index(bounds[twice])]!r} again"
            self.problems.append(self.document.problem((*path, twice), what))
        elif not bounds or not all(map(isfinite, bounds)) or any(b >= c for b, c in pairwise(bounds)):
            self.problems.append(self.document.problem(path, "buckets are finite upper bounds in rising order"))
        return bounds

    def read_rules(self, models: Mapping[int, RuleModel]) -> None:
        first: dict[str, int] = {}
        for index, model in models.items():
            if model.name in first:
                what = f"rule {first[model.name] + 1} has the name {model.name!r} already"
                self.problems.append(self.document.problem(("rules", index, "name"), what))
            first.setdefault(model.name, index)
            self._read_rule(model, ("rules", index))

    def _read_rule(self, model: RuleModel, path: KeyPath) -> None:
        names = dict(self.names)
        each = self._each(model, (*path, "each"), names)
        let = []
        for name, text in model.let.items():
            tree = self.expression(text, (*path, "let", name), names)
            if tree is not None:
                names[name] = Let(name, tree)
                let.append(names[name])
        when = None if model.when is None else self.expression(model.when, (*path, "when"), names)
        pair = self._pair(model.pair, (*path, "pair"), names) if model.pair else None
        names |= {"elapsed": ELAPSED, **{name: Local(name) for name in model.pair.keep}} if model.pair else {}
        labels = {}
        for label, text in model.labels.items():
            tree = self.expression(text, (*path, "labels", label), names)
            if tree is not None:
                labels[label] = tree
        remember = []
        for name, text in model.remember.items():
            tree = self.expression(text, (*path, "remember", name), names)
            if tree is not None:
                remember.append(Call("remember", (Literal(name), tree)))
        if not model.update and not model.remember:
            self.problems.append(self.document.problem(path, "a rule needs update, or remember"))
        if model.on_timeout and not (model.pair and model.pair.timeout):
            self.problems.append(self.document.problem((*path, "on_timeout"), "needs pair: {timeout: ...}"))
        rule = RuleSpec(
            model.name,
            model.format,
            when,
            labels,
            self._updates(model.update, "update", model, path, names),
            pair,
            self._updates(model.on_timeout, "on_timeout", model, path, names),
            each=each,
            let=tuple(tree for tree in let if isinstance(tree, Let)),
            remember=tuple(remember),
        )
        if pair and any(part == START_TIME for part in rule.parts()):
            rule = replace(rule, pair=replace(pair, keep=(*pair.keep, (START_TIME.name, LINE_TIME))))
        self.rules.append(rule)

    def _updates(
        self, templates: Mapping[str, str], key: str, model: RuleModel, path: KeyPath, names: Mapping[str, Expr]
    ) -> tuple[UpdateSpec, ...]:
        found = []
        for name, text in templates.items():
            place = (*path, key, name)
            update = self._update(name, text, model, place, names)
            if update is not None:
                found.append(update)
                metric = self.metrics.get(update.metric) or self.inherited[update.metric]
                if key == "on_timeout" and metric.type == "active":
                    self.problems.append(
                        self.document.problem(place, "nothing is active that was given up", of_key=True)
                    )
        return tuple(found)

    def _each(self, model: RuleModel, path: KeyPath, names: dict[str, Expr]) -> tuple[Item, ...]:
        """The loops; each adds its name to *names*."""
        loops = []
        if len(model.each) > LOOPS_MAX:
            self.problems.append(self.document.problem(path, f"at most {LOOPS_MAX} lists nest"))
            return ()
        for index, text in enumerate(model.each):
            place = (*path, index) if len(model.each) > 1 else path
            found = _EACH.fullmatch(text)
            if found is None:
                self.problems.append(self.document.problem(place, f"{text!r} is not NAME in EXPRESSION"))
                continue
            tree = self.expression(found["of"], place, names)
            if tree is not None:
                for part in parts_of(tree):
                    if isinstance(part, Field) and part.path[0] in model.let:
                        what = f"{part.path[0]!r} is computed by let, inside the loop: write what it is here"
                        self.problems.append(self.document.problem(place, what))
                loops.append(Item(found["name"], tree))
                names[found["name"]] = loops[-1]
        return tuple(loops)

    def _pair(self, model: PairModel, path: KeyPath, names: Mapping[str, Expr]) -> PairSpec | None:
        start = self.expression(model.start, (*path, "start"), names)
        end = self.expression(model.end, (*path, "end"), names)
        key = self.expression(model.key, (*path, "key"), names)
        keep = [(name, self.expression(text, (*path, "keep", name), names)) for name, text in model.keep.items()]
        if start is None or end is None or key is None or any(tree is None for _, tree in keep):
            return None
        kept = tuple((name, tree) for name, tree in keep if tree is not None)
        return PairSpec(start, end, key, kept, model.timeout)

    def _update(
        self, template: str, text: str, model: RuleModel, path: KeyPath, names: Mapping[str, Expr]
    ) -> UpdateSpec | None:
        value = self.expression(text, path, names)
        try:
            metric, constants = parse_template(template)
        except ValueError as error:
            self.problems.append(self.document.problem(path, str(error), of_key=True))
            return None
        spec = self.metrics.get(metric) or self.inherited.get(metric)
        if spec is None:
            if metric not in self.names_only:
                known = [*self.metrics, *self.inherited]
                near = did_you_mean(metric, known) or "; define it under metrics"
                self.problems.append(self.document.problem(path, f"no metric is called {metric!r}{near}", of_key=True))
            return None
        for label in constants:
            if label not in spec.labels:
                what = f"{metric} has no label {label!r}{did_you_mean(label, spec.labels)}"
                self.problems.append(self.document.problem(path, what, of_key=True))
        absent = [label for label in spec.labels if label not in constants and label not in model.labels]
        if absent:
            what = f"{metric} needs the label {absent[0]!r}: give it under labels or in the template"
            self.problems.append(self.document.problem(path, what, of_key=True))
        if isinstance(value, Literal):
            self._check_literal(value.value, spec, path)
        return None if value is None else UpdateSpec(metric, tuple(constants.items()), value)

    def _check_literal(self, value: Scalar, spec: MetricSpec, path: KeyPath) -> None:
        """A value that stands in the config can be judged here; others are when they come."""
        if spec.type != "active" and (isinstance(value, (bool, str))):
            self.problems.append(self.document.problem(path, f"a {spec.type} takes a number, not {value!r}"))
        elif spec.type in ("counter", "histogram") and not isinstance(value, str) and value < 0:
            self.problems.append(self.document.problem(path, f"a {spec.type} cannot take a negative value"))


def parse_template(text: str) -> tuple[str, dict[str, str]]:
    """``name{label="x"}`` -> the name and its fixed labels. Raises ValueError."""
    match = _TEMPLATE.fullmatch(text)
    if match is None:
        raise ValueError(f'not a series template: {text!r}; write metric or metric{{label="value"}}')
    constants: dict[str, str] = {}
    inside, position = match["labels"] or "", 0
    while inside[position:].strip():
        label = _TEMPLATE_LABEL.match(inside, position)
        if label is None:
            raise ValueError(f'not a series template: {text!r}; labels are written {{name="value"}}')
        constants[label[1]] = re.sub(r"\\.", lambda found: _UNESCAPE.get(found[0], found[0]), label[2])
        position = label.end()
    return match["metric"], constants
