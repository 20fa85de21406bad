"""Config and pack files -> frozen specs, with every problem found in one go."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from logmetrics.config.document import Document, KeyPath, parse_document
from logmetrics.config.expression import Expr, ExpressionError, Local, did_you_mean, parse_expression
from logmetrics.config.model import (
    LABEL_NAME,
    METRIC_NAME,
    ConfigModel,
    MetricModel,
    PackModel,
    PairModel,
    RuleModel,
    RuleSetModel,
)
from logmetrics.config.specs import (
    BUCKET_PRESETS,
    Config,
    LimitsSpec,
    MetricSpec,
    PackSpec,
    PairSpec,
    RuleSet,
    RuleSpec,
    SourceSpec,
    UpdateSpec,
)
from logmetrics.errors import ConfigError, Problem

_Model = TypeVar("_Model", bound=BaseModel)
CONFIG_BYTES_MAX = 4 * 1024 * 1024
_TEMPLATE = re.compile(r'\s*(?P<metric>[^{\s]+)\s*(?:\{(?P<labels>.*)\})?\s*')
_TEMPLATE_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_UNESCAPE = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def load_config(path: str, packs: Mapping[str, PackSpec]) -> Config:
    """The config in the file *path*. Raises ConfigError with all that is wrong in it."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError([Problem(path, 0, 0, "", f"cannot be read: {error.strerror}")]) from error
    if len(raw) > CONFIG_BYTES_MAX:
        raise ConfigError([Problem(path, 0, 0, "", f"is {len(raw)} bytes; a config has at most {CONFIG_BYTES_MAX}")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(path, 0, 0, "", f"is not UTF-8 text: {error}")]) from error
    return parse_config(text, path, packs)


def parse_config(text: str, file: str, packs: Mapping[str, PackSpec]) -> Config:
    """The config in *text*; *file* is for messages."""
    document = parse_document(text, file)
    if document.values is None:
        document.values = {}
    problems: list[Problem] = []
    model = _validate(ConfigModel, document, problems)
    chosen = _chosen_packs(document, packs, problems)
    inherited = {name: spec for pack in chosen for name, spec in pack.rule_set.metrics.items()}
    rule_set = _rule_set(model, document, inherited, problems)
    if model is not None:
        _check_sources(model, document, problems)
    if problems or model is None:
        raise ConfigError(problems)
    return Config(
        sources=tuple(_source_spec(source) for source in model.sources),
        rule_set=merge([pack.rule_set for pack in chosen] + [rule_set]),
        packs=tuple(pack.name for pack in chosen),
        listen=tuple(model.listen),
        limits=LimitsSpec(**model.limits.model_dump()),
        commit_interval_s=model.commit_interval,
        poll_interval_s=model.poll_interval,
        watchdog=model.watchdog,
    )


def parse_pack(text: str, name: str, file: str) -> PackSpec:
    """A built-in pack's YAML. Raises ConfigError, as a config does."""
    document = parse_document(text, file)
    problems: list[Problem] = []
    model = _validate(PackModel, document, problems)
    rule_set = _rule_set(model, document, {}, problems)
    if problems or model is None:
        raise ConfigError(problems)
    return PackSpec(name, model.description, rule_set, text)


def merge(rule_sets: Sequence[RuleSet]) -> RuleSet:
    """All rules of *rule_sets*; a later definition of a metric replaces an earlier one."""
    metrics: dict[str, MetricSpec] = {}
    rules: list[RuleSpec] = []
    for rule_set in rule_sets:
        metrics.update(rule_set.metrics)
        rules.extend(rule_set.rules)
    return RuleSet(metrics, tuple(rules))


def _validate(model: type[_Model], document: Document, problems: list[Problem]) -> _Model | None:
    try:
        return model.model_validate(document.values)
    except ValidationError as error:
        for details in error.errors():
            problems.append(_shape_problem(model, document, details))
        return None


def _shape_problem(model: type[BaseModel], document: Document, details: ErrorDetails) -> Problem:
    path: KeyPath = tuple(step for step in details["loc"] if step != "[key]")
    kind, message = details["type"], details["msg"]
    if kind == "extra_forbidden":
        known = _known_keys(model, path[:-1])
        near = did_you_mean(str(path[-1]), known) or f"; known keys: {', '.join(known)}"
        return document.problem(path, f"unknown key{near}", of_key=True)
    if kind == "missing":
        return document.problem(path[:-1], f"the key {path[-1]!r} is missing")
    if details["loc"] and details["loc"][-1] == "[key]":
        return document.problem(path, f"not a valid name: {message}", of_key=True)
    if kind == "string_pattern_mismatch":
        message = f"not a valid name: {details['input']!r}"
    message = message.removeprefix("Value error, ").replace("Input should be", "expected")
    while path and _lookup(document.values, path) is None and kind.endswith("_type"):
        path = path[:-1]  # pydantic appends the member of a union that it tried
    return document.problem(path, message)


def _lookup(values: Any, path: KeyPath) -> Any:
    for step in path:
        try:
            values = values[step]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _known_keys(model: type[BaseModel], path: KeyPath) -> list[str]:
    """The keys that can stand at *path*, found by walking the JSON Schema along it."""
    schema = model.model_json_schema(by_alias=True)
    here: Any = schema
    for step in path:
        here = _resolve(schema, here)
        if isinstance(step, int):
            here = here.get("items", {})
        elif step in here.get("properties", {}):
            here = here["properties"][step]
        else:
            here = here.get("additionalProperties", {})
    return list(_resolve(schema, here).get("properties", {}))


def _resolve(schema: Any, here: Any) -> Any:
    for option in here.get("anyOf", ()):
        if "$ref" in option:
            here = option
    while isinstance(here, dict) and "$ref" in here:
        here = schema["$defs"][here["$ref"].rsplit("/", 1)[-1]]
    return here if isinstance(here, dict) else {}


def _chosen_packs(document: Document, packs: Mapping[str, PackSpec], problems: list[Problem]) -> list[PackSpec]:
    wanted = document.values.get("packs") if isinstance(document.values, dict) else None
    if not isinstance(wanted, list):
        return list(packs.values())
    chosen = []
    for index, name in enumerate(wanted):
        if name in packs:
            chosen.append(packs[name])
        elif isinstance(name, str):
            near = did_you_mean(name, packs) or f"; there are: {', '.join(packs)}"
            problems.append(document.problem(("packs", index), f"no pack is called {name!r}{near}"))
    return chosen


def _source_spec(model: Any) -> SourceSpec:
    return SourceSpec(
        name=model.name,
        paths=tuple(model.paths),
        exclude=tuple(model.exclude),
        format=model.format,
        max_line_bytes=model.max_line_bytes,
        start_at_end=model.from_ == "end",
    )


def _check_sources(model: ConfigModel, document: Document, problems: list[Problem]) -> None:
    seen: set[str] = set()
    for index, source in enumerate(model.sources):
        if source.name in seen:
            problems.append(document.problem(("sources", index, "name"), f"a second source called {source.name!r}"))
        seen.add(source.name)


def _rule_set(
    model: RuleSetModel | None, document: Document, inherited: Mapping[str, MetricSpec], problems: list[Problem]
) -> RuleSet:
    """Metrics and rules. With *model* None (its shape is wrong somewhere) whatever part is sound is still checked."""
    reader = _RuleSetReader(document, inherited, problems)
    values = document.values if isinstance(document.values, dict) else {}
    reader.read_define(values.get("define"))
    reader.read_metrics(model.metrics if model else _sound(MetricModel, values.get("metrics")))
    declared = values.get("metrics")
    if model is None and isinstance(declared, dict):
        reader.names_only.update(map(str, declared))
    reader.read_rules(dict(enumerate(model.rules)) if model else _sound(RuleModel, values.get("rules")))
    return RuleSet(reader.metrics, tuple(reader.rules))


def _sound(model: type[_Model], values: Any) -> dict[Any, _Model]:
    """Those items of a list or mapping that are valid by themselves."""
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    sound = {}
    for key, value in items:
        try:
            sound[key] = model.model_validate(value)
        except ValidationError:  # reported already, with its place
            continue
    return sound


class _RuleSetReader:
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
                series_max=model.limits.series,
                values_max=dict(model.limits.values),
            )

    def _check_metric(self, name: str, model: MetricModel, path: KeyPath) -> None:
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
            if set(labels) != set(model.labels):
                wrong("init", f"entry {index + 1} must give exactly the labels {', '.join(model.labels)}")
        for label in model.limits.values:
            if label not in model.labels:
                wrong("limits", f"{label!r} is not a label of this metric{did_you_mean(label, model.labels)}")
        known = self.inherited.get(name)
        if known is not None and (known.type != model.type or known.labels != tuple(model.labels)):
            labels = ", ".join(known.labels)
            wrong(None, f"a pack has this metric already, as a {known.type} with labels [{labels}]; keep both or rename")

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
        if not bounds or any(b >= c for b, c in zip(bounds, bounds[1:], strict=False)) or bounds[-1] == float("inf"):
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
        keep = {name: Local(name) for name in model.pair.keep} if model.pair else {}
        names = {**self.names, **keep}
        when = None if model.when is None else self.expression(model.when, (*path, "when"))
        pair = self._pair(model.pair, (*path, "pair")) if model.pair else None
        labels = {}
        for label, text in model.labels.items():
            tree = self.expression(text, (*path, "labels", label), names)
            if tree is not None:
                labels[label] = tree
        updates = [
            update
            for template, text in model.update.items()
            if (update := self._update(template, text, model, (*path, "update", template), names)) is not None
        ]
        self.rules.append(RuleSpec(model.name, model.format, when, labels, tuple(updates), pair))

    def _pair(self, model: PairModel, path: KeyPath) -> PairSpec | None:
        start = self.expression(model.start, (*path, "start"))
        end = self.expression(model.end, (*path, "end"))
        key = self.expression(model.key, (*path, "key"))
        keep = [(name, self.expression(text, (*path, "keep", name))) for name, text in model.keep.items()]
        if start is None or end is None or key is None or any(tree is None for _, tree in keep):
            return None
        return PairSpec(start, end, key, tuple((name, tree) for name, tree in keep if tree is not None))

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
        return None if value is None else UpdateSpec(metric, tuple(constants.items()), value)


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
