"""Labels whose values have no bound, that Prometheus renames, and that nobody needs."""

from __future__ import annotations

from collections.abc import Iterator

from logmetrics.authoring.lint.findings import Finding
from logmetrics.authoring.lint.subject import Subject, told
from logmetrics.authoring.unbounded import is_unbounded, is_unbounded_field
from logmetrics.config.document import KeyPath
from logmetrics.config.specs import MetricSpec, RuleSpec
from logmetrics.config.tree import (
    LINE_TIME,
    Arithmetic,
    Call,
    Context,
    Expr,
    Field,
    IfElse,
    Let,
    Literal,
    MapLiteral,
    Or,
    Part,
)

_MEASUREMENTS = ("s", "ms", "us", "ns", "duration", "between", "time", "rise", "delta")
# Prometheus gives them to what it scrapes; those of the metric are then exported_job and exported_instance.
_OF_THE_TARGET = ("job", "instance")
# What discovery and the usual relabelling in Kubernetes add to a target.
_OF_RELABELLING = ("namespace", "pod", "container", "service", "node")


def findings(subject: Subject) -> Iterator[Finding]:
    """What is to be said about the labels of the file's metrics, and about what its rules put into them."""
    for name, spec in subject.own_metrics.items():
        for index, label in enumerate(spec.labels):
            yield from _by_name(subject, spec, label, ("metrics", name, "labels", index))
            yield from _constant(subject, spec, label, ("metrics", name, "labels", index))
    for path, rule in subject.rule_paths():
        yield from _by_expression(subject, path, rule)
        yield from _unused(subject, path, rule)


def _by_name(subject: Subject, spec: MetricSpec, label: str, path: KeyPath) -> Iterator[Finding]:
    bounded = spec.allow_unbounded or spec.type == "info" or values_of(subject, spec.name, label) is not None
    if is_unbounded(label) and not bounded:
        what = f"{label} is new in each event or nearly so, and each value is a series"
        remedy = "leave it out, or say allow_unbounded: true for this metric, and let the guard hold it"
        yield subject.finding("unbounded-label", path, what, remedy)
    if label in _OF_THE_TARGET:
        what = f"Prometheus has a label {label} of its own for what it scrapes, and calls this one exported_{label}"
        yield subject.finding("renamed-label", path, what, "choose another name")
    if label in _OF_RELABELLING:
        what = f"in Kubernetes {label} is mostly set for the whole target, and this one is then exported_{label}"
        yield subject.finding("relabelled-label", path, what, "choose another name if it runs there")


def values_of(subject: Subject, metric: str, label: str) -> set[str] | None:
    """All values that *label* can have, if they all stand in the config."""
    found: set[str] = set()
    feeders = subject.feeders(metric)
    for rule, update in feeders:
        given = subject.label_of(rule, update, label)
        texts = {given} if isinstance(given, str) else texts_of(given)
        if texts is None:
            return None
        found |= texts
    return found if feeders else None


def texts_of(expr: Expr) -> set[str] | None:
    """All texts that *expr* can be as a label, if they all stand in it."""
    if isinstance(expr, Literal):
        value = expr.value
        return {str(value).lower() if isinstance(value, bool) else str(value)}
    if isinstance(expr, IfElse):
        return _all_of((expr.then, expr.otherwise))
    if isinstance(expr, Let):
        return texts_of(expr.value)
    if isinstance(expr, Call) and expr.name == "map" and len(expr.arguments) > 2:
        table = expr.arguments[1]
        assert isinstance(table, MapLiteral)
        return _all_of((*(Literal(value) for _, value in table.items), expr.arguments[2]))
    return None


def _all_of(exprs: tuple[Expr, ...]) -> set[str] | None:
    parts = [texts_of(each) for each in exprs]
    return None if any(part is None for part in parts) else set().union(*(part for part in parts if part))


def _constant(subject: Subject, spec: MetricSpec, label: str, path: KeyPath) -> Iterator[Finding]:
    values = values_of(subject, spec.name, label)
    if values is not None and len(values) == 1 and not spec.init and spec.type != "info":
        what = f"{label} of {spec.name} is always {min(values)!r}, so it tells nothing apart"
        yield subject.finding("constant-label", path, what, "leave it out, unless more values will come")


def _by_expression(subject: Subject, path: KeyPath, rule: RuleSpec) -> Iterator[Finding]:
    """Labels with an innocent name, and without a bound by what is put into them."""
    for label, expr in rule.labels.items():
        metrics = [subject.metrics[update.metric] for update in (*rule.updates, *rule.on_timeout)]
        takers = [
            spec
            for spec in metrics
            if label in spec.labels and not spec.allow_unbounded and spec.type != "info" and not _is_raw(spec, label)
        ]
        if not takers or is_unbounded(label):
            continue  # what a label is called is told at the metric
        source = _unbounded_part(expr)
        if source:
            what = f"{label} is made of {source}, and each value is a series"
            remedy = "take a field with few values, map it, or say allow_unbounded: true for the metric"
            yield subject.finding("unbounded-label", (*path, "labels", label), what, remedy)


def _is_raw(spec: MetricSpec, label: str) -> bool:
    return label in spec.raw or label in spec.values_max


def _unbounded_part(expr: Expr) -> str:
    """In words, the first part of *expr* whose text comes into the label and has no bound."""
    for part in reaching(expr):
        if part == LINE_TIME:
            return "the time of the record, which is another one each time"
        if isinstance(part, Context) and part.name == "path":
            return "the path, which is another one for each log"
        if isinstance(part, (Arithmetic, Call)):
            return "a measured number, which is another one each time"
        if isinstance(part, (Field, Part)) and is_unbounded_field(str(part.path[-1])):
            return f"the field {told(part)}, which has something new in each event"
    return ""


def reaching(expr: Expr) -> Iterator[Expr]:
    """The parts of *expr* whose values can stand in a label."""
    if isinstance(expr, Or):
        below: tuple[Expr, ...] = expr.operands
    elif isinstance(expr, IfElse):
        below = (expr.then, expr.otherwise)
    elif isinstance(expr, Let):
        below = (expr.value,)
    elif isinstance(expr, Call) and expr.name in ("join", "lower"):
        below = expr.arguments
    elif isinstance(expr, Call) and expr.name == "map":
        below = (expr.arguments[2],) if len(expr.arguments) > 2 else (expr.arguments[0],)
    elif isinstance(expr, Call) and expr.name == "remember":
        below = expr.arguments[1:]
    else:
        is_other_call = isinstance(expr, Call) and expr.name not in _MEASUREMENTS
        if not is_other_call:
            yield expr
        return
    for each in below:
        yield from reaching(each)


def _unused(subject: Subject, path: KeyPath, rule: RuleSpec) -> Iterator[Finding]:
    updates = (*rule.updates, *rule.on_timeout)
    if not updates:
        return
    for label in rule.labels:
        takers = [update for update in updates if label in subject.metrics[update.metric].labels]
        at = (*path, "labels", label)
        if not takers:
            names = ", ".join(dict.fromkeys(update.metric for update in updates))
            what = f"no metric that the rule updates has a label {label}, so nothing comes of it ({names})"
            remedy = "take it away, or add it to the metric's labels"
            yield subject.finding("unused-label", at, what, remedy, of_key=True)
        elif all(label in dict(update.constants) for update in takers):
            what = f"each update of the rule fixes {label} in its template, so nothing comes of this"
            yield subject.finding("unused-label", at, what, "take one of the two away", of_key=True)
