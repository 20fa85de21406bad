"""Samples of an exposition: as a test file writes them, and as a commit shows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from logmetrics.authoring.trials.specs import Pairs, Sample
from logmetrics.config.expression import did_you_mean
from logmetrics.config.rule_sets import parse_template
from logmetrics.config.specs import MetricSpec
from logmetrics.store.spelling import number
from logmetrics.store.store import FamilyView

# What a histogram shows.
SUFFIXES = ("_bucket", "_sum", "_count")


class SampleError(ValueError):
    """A line is no sample of a known metric; the message says why."""


def sample_of(text: str, metrics: Mapping[str, MetricSpec]) -> Sample:
    """The sample that a line of an exposition tells, its labels in the order of the metric. Raises SampleError."""
    series, _, value_text = text.strip().rpartition(" ")
    try:
        name, labels = parse_template(series)
        value = float(value_text)
    except ValueError:
        what = f'not a sample: {text.strip()!r}; write metric{{label="value"}} NUMBER'
        raise SampleError(what) from None
    metric, suffix = _family(name, metrics)
    names = list(metric.labels) + (["le"] if suffix == "_bucket" else [])
    if not labels and value == 0:
        return Sample(name, (), value)
    for label in labels:
        if label not in names:
            raise SampleError(f"{name} has no label {label!r}{did_you_mean(label, names)}")
    missing = [label for label in names if label not in labels]
    if missing:
        only = "; without any label only 0 can be expected, for no series at all" if not labels else ""
        raise SampleError(f"{name} has the label {missing[0]!r} too{only}")
    if suffix == "_bucket":
        labels["le"] = _bound(name, labels["le"], metric)
    return Sample(name, tuple((label, labels[label]) for label in names), value)


def _family(name: str, metrics: Mapping[str, MetricSpec]) -> tuple[MetricSpec, str]:
    """The metric that a sample called *name* is of, and what stands behind its name."""
    metric = metrics.get(name)
    if metric is not None:
        if metric.type == "histogram":
            raise SampleError(f"{name} is a histogram: expect {', '.join(name + suffix for suffix in SUFFIXES)}")
        return metric, ""
    for suffix in SUFFIXES:
        metric = metrics.get(name.removesuffix(suffix))
        if metric is not None and metric.type == "histogram" and name.endswith(suffix):
            return metric, suffix
    raise SampleError(f"no metric is called {name!r}{did_you_mean(name, metrics)}")


def _bound(name: str, text: str, metric: MetricSpec) -> str:
    """The bound of a bucket as our exposition writes it."""
    try:
        bound = float(text)
    except ValueError:
        bound = float("nan")
    if bound == float("inf"):
        return "+Inf"
    if bound not in metric.buckets:
        raise SampleError(f"{name} has no bucket {text!r}; there are: {', '.join(map(number, metric.buckets))}, +Inf")
    return repr(bound)


def samples_shown(families: Iterable[FamilyView]) -> Iterator[Sample]:
    """All samples of a commit."""
    for spec, rows in families:
        for series, frozen in rows:
            pairs: Pairs = tuple(zip(spec.labels, series.labels, strict=True))
            if isinstance(frozen, tuple):
                cumulative, total, count = frozen
                bounds = (*map(repr, spec.buckets), "+Inf")
                for bound, up_to in zip(bounds, cumulative, strict=True):
                    yield Sample(f"{spec.name}_bucket", (*pairs, ("le", bound)), up_to)
                yield Sample(f"{spec.name}_sum", pairs, float(total))
                yield Sample(f"{spec.name}_count", pairs, count)
            else:
                yield Sample(spec.name, pairs, frozen)
