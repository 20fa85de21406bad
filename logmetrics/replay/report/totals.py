"""A metric as a table of all its series: nothing of it is left out."""

from __future__ import annotations

from logmetrics.present.blocks import Cell, Column, Table
from logmetrics.replay.report.data import Histogram
from logmetrics.replay.report.figures import Row, quantile_text
from logmetrics.store.series import Frozen
from logmetrics.store.store import FamilyView

HISTOGRAM_COLUMNS = (
    *map(Column, ("count", "sum", "mean")),
    *(Column(name, wide=True) for name in ("P50", "P95", "P99")),
)


def family_table(view: FamilyView) -> Table:
    """All series of a metric in the order of their labels; of self-metrics those that are not zero."""
    spec, rows = view
    about_itself = spec.name.startswith("logmetrics_")
    shown = [(series.labels, value) for series, value in rows if value or not about_itself]
    values = HISTOGRAM_COLUMNS if spec.type == "histogram" else (Column("value"),)
    columns = (*(Column(label, "text") for label in spec.labels), *values)
    made = sorted(shown, key=lambda pair: pair[0])
    return Table(
        spec.name,
        columns,
        tuple((*map(Cell, labels), *_values(spec.name, spec.buckets, value)) for labels, value in made),
    )


def total_text(view: FamilyView) -> str:
    """What all series of a counter or histogram amount to; empty for others."""
    spec, rows = view
    if spec.type == "counter":
        return _digits(sum(value for _, value in rows if not isinstance(value, tuple)))
    return _digits(sum(value[2] for _, value in rows if isinstance(value, tuple))) if spec.type == "histogram" else ""


def _values(metric: str, bounds: tuple[float, ...], value: Frozen) -> Row:
    if not isinstance(value, tuple):
        return (Cell(_digits(value)),)
    histogram = Histogram(bounds, *value)
    mean = _digits(histogram.sum / histogram.count) if histogram.count else "-"
    quantiles = (Cell(quantile_text(metric, histogram, q)) for q in (0.5, 0.95, 0.99))
    return (Cell(_digits(histogram.count)), Cell(_digits(histogram.sum)), Cell(mean), *quantiles)


def _digits(value: float) -> str:
    return f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"
