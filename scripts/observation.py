"""Writes the dashboards and rule files of examples/, the same bytes each time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
# What the command line of each makes; --tests writes the tests beside the rules.
COMMANDS = {
    "grafana/agents.json": ["dashboard"],
    "grafana/logmetrics.json": ["dashboard", "--self"],
    "prometheus/agents-alerts.yaml": ["alerts", "--tests"],
    "prometheus/logmetrics-alerts.yaml": ["alerts", "--self"],
}


def write_all(directory: Path) -> None:
    """All of them, where they are below examples/."""
    for name, command in COMMANDS.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "logmetrics", *command, "--output", str(file)], check=True, cwd=ROOT, timeout=120
        )


if __name__ == "__main__":
    write_all(ROOT / "examples")
