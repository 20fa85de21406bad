"""Panels -> a Grafana dashboard as JSON, for Grafana 10 and later.

The format: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

# Of Grafana 11; later versions migrate it as they load it.
SCHEMA_VERSION = 39
COLUMNS = 24
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
# From which value on a colour holds; the first one from the beginning.
Thresholds = Sequence[tuple[float | None, str]]
PLAIN: Thresholds = ((None, "text"),)


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
    kind: Literal["timeseries", "stat", "bargauge"] = "timeseries"
    width: int = 8
    height: int = 8
    thresholds: Thresholds = PLAIN
    # Series one above the other.
    stacked: bool = False
    # Of the scale; None for what the values need.
    most: float | None = None
    # Value -> text that is shown in its place.
    words: Sequence[tuple[str, str]] = ()


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


def dashboard(uid: str, title: str, description: str, variables: Sequence[Variable], rows: Sequence[Row]) -> str:
    """The JSON text."""
    document = {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["logmetrics"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": [_DATASOURCES, *map(_variable, variables)]},
        "panels": _panels(rows),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


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


def _panels(rows: Sequence[Row]) -> list[dict[str, Any]]:
    placed: list[dict[str, Any]] = []
    y = 0
    for row in rows:
        placed.append(_placed(len(placed) + 1, "row", row.title, 0, y, COLUMNS, 1) | {"collapsed": False, "panels": []})
        y += 1
        x = height = 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, height = 0, y + height, 0
            at = _placed(len(placed) + 1, panel.kind, panel.title, x, y, panel.width, panel.height)
            placed.append(at | _content(panel))
            x, height = x + panel.width, max(height, panel.height)
        y += height
    return placed


def _placed(number: int, kind: str, title: str, x: int, y: int, width: int, height: int) -> dict[str, Any]:
    return {"id": number, "type": kind, "title": title, "gridPos": {"x": x, "y": y, "w": width, "h": height}}


def _content(panel: Panel) -> dict[str, Any]:
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": _DATASOURCE,
            "editorMode": "code",
            "expr": query.expr,
            "legendFormat": query.legend or "__auto",
            "range": panel.kind == "timeseries",
            "instant": panel.kind != "timeseries",
        }
        for index, query in enumerate(panel.queries)
    ]
    steps = [{"value": value, "color": colour} for value, colour in panel.thresholds]
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "min": 0,
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "mappings": _mappings(panel.words),
    }
    if panel.most is not None:
        defaults["max"] = panel.most
    if panel.kind == "timeseries":
        defaults["custom"] = _lines(stacked=panel.stacked)
    return {
        "description": panel.description,
        "datasource": _DATASOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _OPTIONS[panel.kind],
    }


def _mappings(words: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    options = {value: {"text": text, "index": index} for index, (value, text) in enumerate(words)}
    return [{"type": "value", "options": options}] if options else []


def _lines(*, stacked: bool) -> dict[str, Any]:
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 60 if stacked else 10,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }


_REDUCED = {"values": False, "calcs": ["lastNotNull"], "fields": ""}
_OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": _REDUCED,
        "orientation": "auto",
        "textMode": "auto",
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
    },
    "bargauge": {
        "reduceOptions": _REDUCED,
        "orientation": "horizontal",
        "displayMode": "basic",
        "valueMode": "color",
        "showUnfilled": True,
        "minVizWidth": 8,
        "minVizHeight": 16,
    },
}
