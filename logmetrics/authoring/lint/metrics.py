"""Metrics that nothing feeds, limits that cannot be reached, and buckets of another unit."""

from __future__ import annotations

from collections.abc import Iterator

from logmetrics.authoring.lint.findings import Finding
from logmetrics.authoring.lint.labels import values_of
from logmetrics.authoring.lint.subject import Subject
from logmetrics.config.specs import MetricSpec

# Bounds that people write in milliseconds; in seconds they would be odd.
_MILLISECONDS = frozenset((100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 30_000, 50_000))
# Whole minutes and hours.
_LONG_STEP_S = 60


def findings(subject: Subject) -> Iterator[Finding]:
    """What is to be said about the file's metrics, beside their names and labels."""
    for name, spec in subject.own_metrics.items():
        if not subject.feeders(name):
            what = f"no rule updates {name}, so it will never have a value"
            remedy = f"add a rule with update: {{{name}: ...}}, or take the metric away"
            yield subject.finding("unfed-metric", ("metrics", name), what, remedy, of_key=True)
        yield from _init(subject, spec)
        yield from _limits(subject, spec)
        yield from _buckets(subject, spec)


def _init(subject: Subject, spec: MetricSpec) -> Iterator[Finding]:
    possible = [values_of(subject, spec.name, label) for label in spec.labels]
    for index, labels in enumerate(spec.init):
        for label, value, values in zip(spec.labels, labels, possible, strict=True):
            if values is not None and value not in values:
                there_are = ", ".join(sorted(values))
                what = f"no rule gives {label} the value {value!r}, so this series stays 0; there are: {there_are}"
                remedy = "write a value that comes, or add a rule for this one"
                yield subject.finding("unreachable-init", ("metrics", spec.name, "init", index), what, remedy)


def _limits(subject: Subject, spec: MetricSpec) -> Iterator[Finding]:
    at = ("metrics", spec.name, "limits")
    cost = len(spec.buckets) + 3 if spec.type == "histogram" else 1
    if spec.series_max is not None and spec.series_max * cost > subject.limits.series:
        each = f", and each of a histogram counts as {cost}" if cost > 1 else ""
        what = f"{spec.series_max:,} series are more than the {subject.limits.series:,} of the whole process{each}"
        remedy = f"lower it to {subject.limits.series // cost:,} at most, or raise limits.series"
        yield subject.finding("limit-too-large", (*at, "series"), what, remedy)
    series_max = spec.series_max or subject.limits.series_per_metric
    for label, values_max in spec.values_max.items():
        if values_max > series_max:
            what = f"{values_max:,} values of {label} are more than the {series_max:,} series that {spec.name} may have"
            yield subject.finding("limit-too-large", (*at, "values", label), what, "raise limits.series of the metric")


def _buckets(subject: Subject, spec: MetricSpec) -> Iterator[Finding]:
    if spec.type != "histogram" or not spec.name.endswith("_seconds"):
        return
    telling = [bound for bound in spec.buckets if bound >= min(_MILLISECONDS)]
    is_milliseconds = len(telling) > 1 and all(bound in _MILLISECONDS for bound in telling)
    if is_milliseconds and not any(bound % _LONG_STEP_S == 0 for bound in spec.buckets):
        seconds = ", ".join(f"{bound / 1000:g}" for bound in spec.buckets)
        what = f"{spec.name} measures seconds, and these bounds look like milliseconds: {spec.buckets[-1]:g} s is long"
        yield subject.finding("bucket-unit", ("metrics", spec.name, "buckets"), what, f"write [{seconds}]")
