"""Names of metrics that cannot stand in one exposition: those of logmetrics itself, and two families that share one.

https://prometheus.io/docs/specs/om/open_metrics_spec/#suffixes tells which names a family takes.
"""

from __future__ import annotations

from collections.abc import Mapping

from logmetrics.config.document import Document
from logmetrics.config.specs import MetricSpec
from logmetrics.errors import Problem

OWN_PREFIX = "logmetrics_"
# What every Prometheus client tells of its process; `serve.process` shows them.
PROCESS_METRICS = frozenset(
    f"process_{name}"
    for name in (
        "virtual_memory_bytes",
        "resident_memory_bytes",
        "start_time_seconds",
        "cpu_seconds_total",
        "open_fds",
        "max_fds",
    )
)
_SUFFIXES = {"counter": ("_total", "_created"), "histogram": ("_bucket", "_count", "_sum", "_created")}


def check_names(
    metrics: Mapping[str, MetricSpec], own: Mapping[str, MetricSpec], document: Document, problems: list[Problem]
) -> None:
    """Add to *problems* what is wrong with the names of *own*, the metrics of *document*, among all *metrics*."""
    takers: dict[str, str] = {}
    for name in PROCESS_METRICS:
        type_ = "counter" if name.endswith("_total") else "gauge"
        takers.update(dict.fromkeys(names_in_exposition(name, type_), name))
    inherited = [name for name in metrics if name not in own]
    for name in (*inherited, *own):
        taken = names_in_exposition(name, metrics[name].type)
        other = next((takers[each] for each in taken if each in takers), None)
        if name in own and (name.startswith(OWN_PREFIX) or name in PROCESS_METRICS):
            what = f"{name} is logmetrics' own, as are all names with {OWN_PREFIX} in front: choose another"
            problems.append(document.problem(("metrics", name), what, of_key=True))
        elif name in own and other is not None:
            problems.append(document.problem(("metrics", name), _clash(name, other, metrics), of_key=True))
        for each in taken:
            takers.setdefault(each, name)


def _clash(name: str, other: str, metrics: Mapping[str, MetricSpec]) -> str:
    spec = metrics.get(other)
    if spec is None:
        whose = "of logmetrics' own"
    else:
        whose = f"{'an' if spec.type in ('active', 'info') else 'a'} {spec.type}"
        whose += f" of the pack {spec.pack}" if spec.pack else ""
    [shared, *_] = [
        each
        for each in names_in_exposition(name, metrics[name].type)
        if each in names_in_exposition(other, _type(other, metrics))
    ]
    return f"{name} and {other}, {whose}, both take the name {shared} in what Prometheus reads: rename one"


def _type(name: str, metrics: Mapping[str, MetricSpec]) -> str:
    return metrics[name].type if name in metrics else "counter" if name.endswith("_total") else "gauge"


def names_in_exposition(name: str, type_: str) -> tuple[str, ...]:
    """The names that a metric takes: the family's, and those of its samples."""
    family = name.removesuffix("_total") if type_ == "counter" else name
    return (family, *(f"{family}{suffix}" for suffix in _SUFFIXES.get(type_, ())))
