"""A panel or two for a metric of which nothing is known but its type and its name."""

from __future__ import annotations

from collections.abc import Iterator

from logmetrics.authoring.observation.dashboard import Panel, Query
from logmetrics.authoring.observation.in_use import scraped
from logmetrics.authoring.observation.selection import Selection
from logmetrics.config.specs import MetricSpec

_BUSIEST = 20
# Ends of names, and Grafana's units for such a value and for how it grows in a second.
_UNITS = {"seconds": ("s", "percentunit"), "bytes": ("bytes", "Bps"), "ratio": ("percentunit", "cps")}


def metric_panels(of: Selection, spec: MetricSpec) -> Iterator[Panel]:
    """By its type: rates of a counter, heat map and quantiles of a histogram, values of a gauge."""
    labels = [scraped(label) for label in spec.labels]
    by, legend = ", ".join(labels), " ".join(f"{{{{{label}}}}}" for label in labels) or spec.name
    value_unit, rate_unit = _UNITS.get(spec.name.removesuffix("_total").rsplit("_", 1)[-1], ("short", "cps"))
    what = spec.help.rstrip(".")
    if spec.type == "counter":
        query = f"topk({_BUSIEST}, {of.rate(spec.name, by=by)})" if by else of.rate(spec.name)
        yield Panel(spec.name, f"{what}, in a second.", (Query(query, legend),), rate_unit, stacked=True)
    elif spec.type == "histogram":
        heat = Query(of.buckets(spec.name), "{{le}}")
        yield Panel(spec.name, f"{what}: the darker, the more.", (heat,), value_unit, "heatmap")
        quantiles = tuple(
            Query(of.quantile(share, spec.name, by=by), f"{legend if by else ''} P{share * 100:.0f}".strip())
            for share in (0.5, 0.95)
        )
        yield Panel(f"{spec.name}, quantiles", f"{what}: P50 and P95.", quantiles, value_unit, least=None)
    elif spec.type == "info":
        query = f"count by ({by}) ({of(spec.name)})" if by else f"count({of(spec.name)})"
        yield Panel(spec.name, f"{what}.", (Query(query, legend),), "none", "bargauge")
    else:
        least = 0 if spec.type == "active" else None
        query = f"topk({_BUSIEST}, sum by (instance{', ' + by if by else ''}) ({of(spec.name)}))"
        who = " ".join(["{{instance}}", *(f"{{{{{label}}}}}" for label in labels)])
        yield Panel(spec.name, f"{what}.", (Query(query, who),), value_unit, least=least)
