"""Panels -> a Grafana dashboard as JSON, for Grafana 11 and 12.

The format: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/, and
Grafana's published types, @grafana/schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

COLUMNS = 24
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
# From which value on a colour holds; the first one from the beginning.
Thresholds = Sequence[tuple[float | None, str]]
PLAIN: Thresholds = ((None, "text"),)
Kind = Literal["timeseries", "stat", "bargauge", "heatmap"]


@dataclass(frozen=True, slots=True)
class Grafana:
    """What dashboards for one version say of themselves; later versions migrate them as they load them.

    Without the version of a panel's plugin Grafana takes it for one of long ago, and migrates it from there.
    """

    schema_version: int
    plugin_version: str


GRAFANAS: Mapping[int, Grafana] = {11: Grafana(39, "11.0.0"), 12: Grafana(42, "12.0.0")}
# Also loads in the later ones.
GRAFANA_DEFAULT = 11


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and what its series are called: ``{{label}}`` stands for the value of a label."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """``unit`` is one of Grafana's; ``width`` is in columns, of which there are 24, ``height`` in rows of 30 pixels."""

    title: str
    description: str
    queries: Sequence[Query]
    unit: str
    kind: Kind = "timeseries"
    width: int = 8
    height: int = 8
    thresholds: Thresholds = PLAIN
    # Series one above the other; bars for what happens now and then.
    stacked: bool = False
    bars: bool = False
    # Ends of the scale; None for what the values need.
    least: float | None = 0
    most: float | None = None
    # Value -> text that is shown in its place.
    words: Sequence[tuple[str, str]] = ()


def stat(
    title: str,
    description: str,
    expr: str,
    unit: str,
    thresholds: Thresholds = PLAIN,
    words: Sequence[tuple[str, str]] = (),
) -> Panel:
    """A small panel with one number; eight fill a line."""
    query = Query(expr, title.lower())
    return Panel(title, description, (query,), unit, "stat", 3, 4, thresholds=thresholds, words=words)


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a title, left to right and then down."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice above the panels, from the values of *label*; all of them at first."""

    name: str
    label: str
    query: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """``uid`` is what Grafana knows it by: one that is imported again takes the place of the earlier one."""

    uid: str
    title: str
    description: str
    variables: Sequence[Variable]
    rows: Sequence[Row]

    def to_json(self, grafana: Grafana) -> str:
        """The JSON text, the same each time."""
        document = {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["logmetrics"],
            "schemaVersion": grafana.schema_version,
            "editable": True,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "timezone": "browser",
            "annotations": {"list": []},
            "links": [_LINKS],
            "templating": {"list": [_DATASOURCES, *map(_variable, self.variables)]},
            "panels": list(_placed(self.rows, grafana)),
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


# To the other dashboards of logmetrics.
_LINKS: dict[str, Any] = {
    "title": "logmetrics",
    "type": "dashboards",
    "tags": ["logmetrics"],
    "asDropdown": False,
    "icon": "external link",
    "includeVars": False,
    "keepTime": True,
    "targetBlank": False,
    "tooltip": "",
    "url": "",
}
_DATASOURCES: dict[str, Any] = {
    "name": "datasource",
    "label": "Data source",
    "type": "datasource",
    "query": "prometheus",
    "hide": 0,
    "includeAll": False,
    "multi": False,
    "options": [],
    "refresh": 1,
    "regex": "",
}


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": _DATASOURCE,
        "query": {"query": variable.query, "refId": variable.name},
        "hide": 0,
        "includeAll": True,
        # Also matches series that do not have the label.
        "allValue": ".*",
        "multi": True,
        "options": [],
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "refresh": 2,
        "regex": "",
        "sort": 1,
    }


def _placed(rows: Sequence[Row], grafana: Grafana) -> Iterator[dict[str, Any]]:
    number = y = 0
    for row in rows:
        number += 1
        yield _place(number, "row", row.title, 0, y, COLUMNS, 1) | {"collapsed": False, "panels": []}
        y += 1
        for line in _filled_lines(row.panels):
            x = 0
            for panel in line:
                number += 1
                at = _place(number, panel.kind, panel.title, x, y, panel.width, panel.height)
                yield at | {"pluginVersion": grafana.plugin_version} | _content(panel)
                x += panel.width
            y += max(panel.height for panel in line)


def _filled_lines(panels: Sequence[Panel]) -> Iterator[list[Panel]]:
    """Panels side by side; where a line has room left they share it, as far as they do not become too wide to read."""
    lines: list[list[Panel]] = [[]]
    for panel in panels:
        if sum(other.width for other in lines[-1]) + panel.width > COLUMNS:
            lines.append([])
        lines[-1].append(panel)
    for line in lines:
        stretch = min(2, COLUMNS / sum(panel.width for panel in line))
        yield [replace(panel, width=int(panel.width * stretch)) for panel in line]


def _place(number: int, kind: str, title: str, x: int, y: int, width: int, height: int) -> dict[str, Any]:
    return {"id": number, "type": kind, "title": title, "gridPos": {"x": x, "y": y, "w": width, "h": height}}


def _content(panel: Panel) -> dict[str, Any]:
    options = _OPTIONS[panel.kind]
    if panel.kind == "heatmap":
        options = options | {"yAxis": {"axisPlacement": "left", "reverse": False, "unit": panel.unit}}
    return {
        "description": panel.description,
        "datasource": _DATASOURCE,
        "targets": [_target(panel, index, query) for index, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": options,
    }


def _target(panel: Panel, index: int, query: Query) -> dict[str, Any]:
    over_time = panel.kind in ("timeseries", "heatmap")
    target = {
        "refId": chr(ord("A") + index),
        "datasource": _DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "range": over_time,
        "instant": not over_time,
    }
    return target | {"format": "heatmap"} if panel.kind == "heatmap" else target


def _defaults(panel: Panel) -> dict[str, Any]:
    """What holds for all series of a panel."""
    if panel.kind == "heatmap":
        return {"unit": "short", "custom": {"scaleDistribution": {"type": "linear"}}}
    steps = [{"value": value, "color": colour} for value, colour in panel.thresholds]
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "mappings": _mappings(panel.words),
    }
    defaults |= {end: value for end, value in (("min", panel.least), ("max", panel.most)) if value is not None}
    if panel.kind == "timeseries":
        defaults["custom"] = _lines(panel)
    return defaults


def _mappings(words: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    options = {value: {"text": text, "index": index} for index, (value, text) in enumerate(words)}
    return [{"type": "value", "options": options}] if options else []


def _lines(panel: Panel) -> dict[str, Any]:
    return {
        "drawStyle": "bars" if panel.bars else "line",
        "lineWidth": 1,
        "fillOpacity": 60 if panel.stacked or panel.bars else 10,
        "showPoints": "auto",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked or panel.bars else "none", "group": "A"},
    }


_REDUCED = {"values": False, "calcs": ["lastNotNull"], "fields": ""}
_LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
_OPTIONS: dict[Kind, dict[str, Any]] = {
    "timeseries": {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
    "stat": {
        "reduceOptions": _REDUCED,
        "orientation": "auto",
        "textMode": "auto",
        "wideLayout": True,
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
    },
    "bargauge": {
        "reduceOptions": _REDUCED,
        "orientation": "horizontal",
        "displayMode": "basic",
        "valueMode": "color",
        "namePlacement": "auto",
        "showUnfilled": True,
        "sizing": "auto",
        "minVizWidth": 8,
        "minVizHeight": 16,
        "maxVizHeight": 300,
        "legend": _LEGEND | {"showLegend": False},
    },
    "heatmap": {
        # The buckets are there already.
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "scale": "exponential",
            "exponent": 0.5,
            "steps": 64,
            "fill": "dark-orange",
            "reverse": False,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": False},
    },
}
