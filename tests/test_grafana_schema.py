"""Dashboards against the types that Grafana publishes: every key and value is one that it knows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import logmetrics

TYPES = Path(__file__).parent / "grafana"
MODULES = TYPES / "node_modules"
VERSIONS = {"11": 39, "12": 42}
# Metrics of every type, so that every kind of panel that is made for metrics is among those that are checked.
CONFIG = """\
metrics:
  retries_total: {type: counter, help: h, labels: [agent]}
  queue_depth: {type: gauge, help: h}
  job_seconds: {type: histogram, help: h, buckets: task_duration}
  app_build_info: {type: info, help: h, labels: [version]}
rules:
  - name: r
    labels: {agent: agent, version: version}
    update: {retries_total: 1, queue_depth: depth, job_seconds: seconds, app_build_info: 1}
"""
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def compiler() -> None:
    """Node and the packages, which scripts/test_tools.sh installs."""
    if not (shutil.which("node") and (MODULES / "typescript").is_dir() and (MODULES / "grafana-schema-12").is_dir()):
        assert os.environ.get("CI") != "true", "node or tests/grafana/node_modules is missing"
        pytest.skip("node or tests/grafana/node_modules is missing; scripts/test_tools.sh installs them")


def mistakes(directory: Path, version: str, *dashboards: Any) -> str:
    """What the compiler says of *dashboards* as literals of the published type; empty when there is nothing."""
    lines = ["import type { Written } from './types';"]
    lines += [f"export const d{number}: Written = {json.dumps(one)};" for number, one in enumerate(dashboards)]
    shutil.copy(TYPES / "types.ts", directory)
    (directory / "written.ts").write_text("\n".join(lines))
    schema = MODULES / f"grafana-schema-{version}"
    [index] = [path for path in (schema / "dist/types/index.d.ts", schema / "dist/esm/index.d.ts") if path.is_file()]
    options = {
        "strict": True,
        "noEmit": True,
        "skipLibCheck": True,
        "types": [],
        "module": "esnext",
        "moduleResolution": "bundler",
        "baseUrl": ".",
        "paths": {"@grafana/schema": [str(index)], "@grafana/schema/dist/*": [f"{schema}/dist/*"]},
    }
    (directory / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": ["written.ts"]}))
    command = ["node", str(MODULES / "typescript/bin/tsc"), "--project", str(directory), "--pretty", "false"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert not done.stderr, done.stderr
    return done.stdout


def written(tmp_path: Path, *arguments: str) -> Any:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    about = arguments if "--self" in arguments else (*arguments, "--config", str(config))
    done = logmetrics("dashboard", *about)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("version", VERSIONS)
def test_dashboards_are_of_the_published_type(tmp_path: Path, version: str) -> None:
    """Those of agents and the one of logmetrics itself, for both versions of Grafana."""
    made = [written(tmp_path, "--grafana", version), written(tmp_path, "--grafana", version, "--self")]
    assert mistakes(tmp_path, version, *made) == ""
    assert {one["schemaVersion"] for one in made} == {VERSIONS[version]}
    assert {panel["type"] for panel in made[0]["panels"]} == {"row", "stat", "timeseries", "heatmap", "bargauge"}


def test_mistakes_are_found(tmp_path: Path) -> None:
    """A misspelt key and a wrong value: of the dashboard, of a panel, of its options, of its field settings."""
    made = written(tmp_path)
    stat = next(panel for panel in made["panels"] if panel["type"] == "stat")
    series = next(panel for panel in made["panels"] if panel["type"] == "timeseries")
    made["panels"] = [stat, series]
    assert mistakes(tmp_path, "12", made) == ""
    variants: list[tuple[Any, str, object]] = [
        (made, "titel", "x"),
        (made, "schemaVersion", "42"),
        (stat, "titel", "x"),
        (stat["options"], "colourMode", "value"),
        (stat["options"], "colorMode", "colourful"),
        (series["fieldConfig"]["defaults"], "unti", "s"),
        (series["fieldConfig"]["defaults"]["custom"], "drawStyle", "dots"),
        (series["targets"][0], "exprr", "up"),
    ]
    broken = []
    for where, key, value in variants:
        before = dict(where)
        where[key] = value
        broken.append(json.loads(json.dumps(made)))
        where.clear()
        where.update(before)
    told = mistakes(tmp_path, "12", *broken)
    assert {int(line) for line in re.findall(r"written\.ts\((\d+),", told)} == set(range(2, 2 + len(variants))), told
