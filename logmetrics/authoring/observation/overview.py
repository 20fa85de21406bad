"""The dashboard that `logmetrics dashboard` writes: a row for each thing that the config and its packs tell about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from logmetrics.authoring.observation.agent_panels import agent_rows
from logmetrics.authoring.observation.dashboard import Dashboard, Row, Variable
from logmetrics.authoring.observation.in_use import InUse, names_in
from logmetrics.authoring.observation.metric_panels import metric_panels
from logmetrics.authoring.observation.own_dashboard import health_row
from logmetrics.authoring.observation.selection import SOMETIMES, Selection
from logmetrics.authoring.observation.server_panels import server_rows

TITLE = "Agents"
# Of every source, however its metrics come.
_ALWAYS_THERE = "logmetrics_source_lines_total"
_OWN = "Metrics of this config"
_MADE_BY = "Made from a config and its packs; written by logmetrics dashboard."


def overview(in_use: InUse, title: str = TITLE) -> Dashboard:
    """Of what is in use: a row, panel or query that needs anything else is left out."""
    of = Selection(in_use.shapes)
    rows = [*_kept([*agent_rows(of), *server_rows(of)], in_use)]
    rows += [*_others(of, in_use, rows), health_row(of)]
    uid = "logmetrics-" + (re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "dashboard")
    # Grafana takes no longer ones.
    return Dashboard(uid[:40], title, _MADE_BY, tuple(_variables(in_use)), rows)


def _kept(rows: Sequence[Row], in_use: InUse) -> Iterator[Row]:
    for row in rows:
        panels = [
            replace(panel, queries=queries)
            for panel in row.panels
            if (queries := tuple(query for query in panel.queries if in_use.has_all_of(query.expr)))
        ]
        if panels:
            yield replace(row, panels=panels)


def _others(of: Selection, in_use: InUse, rows: Sequence[Row]) -> Iterator[Row]:
    """Rows for metrics that none of *rows* shows: the user's own, and what is special to a pack."""
    shown = {name for row in rows for panel in row.panels for query in panel.queries for name in names_in(query.expr)}
    titles = {_OWN: list(in_use.own)} if in_use.own else {}
    for name, spec in in_use.known.items():
        if name not in shown:
            titles.setdefault(f"Pack {spec.pack}" if spec.pack else _OWN, []).append(name)
    for title, names in titles.items():
        yield Row(title, [panel for name in names for panel in metric_panels(of, in_use.shapes[name])])


def _variables(in_use: InUse) -> Iterator[Variable]:
    chosen = ""
    for name, label in (("job", "Job"), ("instance", "Target")):
        yield Variable(name, label, f"label_values({_ALWAYS_THERE}{chosen}, {name})")
        chosen = '{job=~"$job"}'
    for name in SOMETIMES:
        if metrics := in_use.with_label(name):
            # A histogram's name is none in Prometheus, and its calls are counted beside it.
            names = "|".join(metric for metric in metrics if in_use.shapes[metric].type != "histogram") or "|".join(
                f"{metric}_count" for metric in metrics
            )
            selector = f'{{__name__=~"{names}",job=~"$job",instance=~"$instance"}}'
            yield Variable(name, name.capitalize(), f"label_values({selector}, {name})")
