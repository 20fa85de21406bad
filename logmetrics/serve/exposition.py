"""A view of the store -> Prometheus text 0.0.4 or OpenMetrics 1.0.

The text before each number is rendered once in a series' life, which makes the rest a join.
"""

from __future__ import annotations

from collections.abc import Iterable

from logmetrics.config.specs import MetricSpec
from logmetrics.store.series import Frozen, Series
from logmetrics.store.store import FamilyView

# What scrapers know a type by.
_TYPES = {"active": "gauge", "info": "gauge"}


def render(
    families: Iterable[FamilyView],
    *,
    openmetrics: bool = False,
    created: bool = False,
    zero_after: int | None = None,
) -> str:
    """The exposition of *families*; those without series show their HELP and TYPE only.

    With *created*, OpenMetrics tells when each counter and histogram began. Those that were born after the commit
    *zero_after* are shown as 0: to a scraper that has not seen them yet.
    """
    out: list[str] = []
    for spec, rows in families:
        out.append(_head(spec, openmetrics=openmetrics))
        if zero_after is not None and spec.type in ("counter", "histogram"):
            zero: Frozen = 0 if spec.type == "counter" else ((0,) * (len(spec.buckets) + 1), 0, 0)
            rows = [(series, zero if series.born > zero_after else frozen) for series, frozen in rows]
        dated = openmetrics and created and spec.type in ("counter", "histogram")
        for series, frozen in rows:
            if spec.type == "histogram":
                _histogram(spec, series, frozen, out)
            else:
                out.append(f"{(series.lines or _render_lines(spec, series))[0]}{_number(frozen)}\n")
            if dated and series.created_s:
                out.append(_created(spec, series))
    if openmetrics:
        out.append("# EOF\n")
    return "".join(out)


def _head(spec: MetricSpec, *, openmetrics: bool) -> str:
    kind = _TYPES.get(spec.type, spec.type)
    name = spec.name
    help_text = spec.help.replace("\\", "\\\\").replace("\n", "\\n")
    if openmetrics:
        help_text = help_text.replace('"', '\\"')
        name = name.removesuffix("_total") if kind == "counter" else name
    return f"# HELP {name} {help_text}\n# TYPE {name} {kind}\n"


def _histogram(spec: MetricSpec, series: Series, frozen: Frozen, out: list[str]) -> None:
    assert isinstance(frozen, tuple)
    cumulative, total, count = frozen
    *buckets, sum_line, count_line = series.lines or _render_lines(spec, series)
    out.extend(f"{line}{number}\n" for line, number in zip(buckets, cumulative, strict=True))
    out.append(f"{sum_line}{_number(total)}\n{count_line}{count}\n")


def _created(spec: MetricSpec, series: Series) -> str:
    labels = [f'{name}="{_escape(value)}"' for name, value in zip(spec.labels, series.labels, strict=True)]
    return f"{spec.name.removesuffix('_total')}_created{_braces(labels)} {series.created_s!r}\n"


def _render_lines(spec: MetricSpec, series: Series) -> tuple[str, ...]:
    labels = [f'{name}="{_escape(value)}"' for name, value in zip(spec.labels, series.labels, strict=True)]
    if spec.type == "histogram":
        bounds = [*map(repr, spec.buckets), "+Inf"]
        buckets = [f"{spec.name}_bucket{_braces([*labels, _le(bound)])} " for bound in bounds]
        series.lines = (*buckets, f"{spec.name}_sum{_braces(labels)} ", f"{spec.name}_count{_braces(labels)} ")
    else:
        series.lines = (f"{spec.name}{_braces(labels)} ",)
    return series.lines


def _le(bound: str) -> str:
    return f'le="{bound}"'


def _braces(labels: list[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: Frozen) -> str:
    """Whole numbers without a fraction, which both formats allow and people prefer."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value)
