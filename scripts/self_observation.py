"""Writes the alert rules and the dashboard about logmetrics itself into examples/, the same bytes each time."""

from __future__ import annotations

from pathlib import Path

from logmetrics.authoring.own_alerts import own_alerts
from logmetrics.authoring.own_dashboard import own_dashboard

EXAMPLES = Path(__file__).parent.parent / "examples"
FILES = {"prometheus/logmetrics-alerts.yaml": own_alerts, "grafana/logmetrics.json": own_dashboard}

if __name__ == "__main__":
    for name, make in FILES.items():
        (EXAMPLES / name).write_text(make())
