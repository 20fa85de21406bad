"""The dashboard and the rules on a real Prometheus that scrapes a real daemon over logs of every pack."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import ROOT, Daemon, logmetrics, wait_until
from tests.servers import prometheus, query
from tests.test_observation import OWN

# A config of its own beside all packs, so that there is a panel for each type of metric.
CONFIG = OWN.replace("packs: []\n", "") + "sources: [{name: agents, paths: [LOGS]}]\n"
EVENT = (
    b'{"agent": "a", "job": "j", "bytes": 7, "queue": "q", "depth": -3, "model": "m", "seconds": 4, "user": "u", '
    b'"version": "1"}\n'
)
FILLED_IN = {"$__rate_interval": "1m", "$__interval": "15s", "$__range": "1h"}
pytestmark = pytest.mark.slow


def lay_out(logs: Path) -> list[tuple[Path, bytes]]:
    """The first halves of all logs, and the second ones, which come later."""
    later = []
    sources = [path for path in (ROOT / "tests/data").rglob("*") if path.is_file()]
    sources += (path for path in (ROOT / "examples/logs").rglob("*") if path.is_file())
    for source in sources:
        if source.suffix in (".md", ".py", ".pyc") or source.name.startswith("expected"):
            continue
        raw = source.read_bytes()
        half = raw.rfind(b"\n", 0, len(raw) // 2) + 1
        log = logs / source.parent.name / source.name
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(raw[:half])
        later.append((log, raw[half:]))
    (logs / "own.log").write_bytes(EVENT)
    return [*later, (logs / "own.log", EVENT)]


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """The URL of the Prometheus, and the dashboard of the same config."""
    directory = tmp_path_factory.mktemp("observed")
    config, rules, logs = directory / "config.yaml", directory / "rules.yaml", directory / "logs"
    logs.mkdir()
    config.write_text(CONFIG.replace("LOGS", str(logs)))
    assert logmetrics("alerts", "--config", str(config), "--output", str(rules)).returncode == 0
    board = json.loads(logmetrics("dashboard", "--config", str(config)).stdout)
    later = lay_out(logs)
    with Daemon("--config", str(config)) as daemon:
        daemon.wait_until_ready()
        scraped = f"static_configs: [{{targets: ['{daemon.url.removeprefix('http://')}']}}]"
        text = f"global: {{scrape_interval: 2s, evaluation_interval: 1s}}\nrule_files: ['{rules}']\n"
        text += f"scrape_configs: [{{job_name: logmetrics, {scraped}}}]\n"
        with prometheus(directory, text) as url:
            wait_until(lambda: asked(url, "agent_tool_calls_total"))
            # Logs grow, and so do counters.
            for log, rest in later:
                with log.open("ab") as file:
                    file.write(rest)
            wait_until(lambda: asked(url, "increase(retries_total[1m]) > 0"))
            yield url, board


def asked(url: str, expression: str) -> list[dict[str, Any]]:
    """The series of an instant query, but for those whose value is no number."""
    found = query(url, expression, time.time())
    return [series for series in found if series["value"][1] != "NaN"]


def filled_in(expression: str) -> str:
    """As Grafana does before it asks, with all chosen."""
    for name, value in FILLED_IN.items():
        expression = expression.replace(name, value)
    expression = re.sub(r"\$(job|instance|agent|model)\b", ".*", expression)
    assert "$" not in expression
    return expression


def test_every_panel_shows_something(observed: tuple[str, Any]) -> None:
    """Each query of each, and what names its series is what they have."""
    url, board = observed
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len(panels) > 80
    for panel in panels:
        for target in panel["targets"]:
            expression = filled_in(target["expr"])
            wait_until(lambda expression=expression: asked(url, expression))  # type: ignore[misc]
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                assert all(label in series["metric"] for series in asked(url, expression)), f"{panel['title']}: {label}"


def test_every_variable_has_values(observed: tuple[str, Any]) -> None:
    """What Grafana asks Prometheus for label_values."""
    url, board = observed
    variables = [variable for variable in board["templating"]["list"] if variable["type"] == "query"]
    assert [variable["name"] for variable in variables] == ["job", "instance", "agent", "model"]
    for variable in variables:
        selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]
        fields = urllib.parse.urlencode({"match[]": filled_in(selector)})
        with urllib.request.urlopen(f"{url}/api/v1/label/{label}/values?{fields}") as answer:
            values = json.load(answer)["data"]
        assert values, variable["name"]
        assert {"agent": "planner", "model": "llama3.1:8b"}.get(label, values[0]) in values


def test_a_choice_is_a_choice(observed: tuple[str, Any]) -> None:
    """Of one agent there is less than of all."""
    url, board = observed
    [target] = [panel["targets"][0] for panel in board["panels"] if panel["title"] == "Tokens in the time shown"]
    chosen = filled_in(target["expr"].replace("$agent", "planner"))
    wait_until(lambda: [series["metric"] for series in asked(url, chosen)] == [{"agent": "planner"}])


def test_every_rule_is_evaluated(observed: tuple[str, Any]) -> None:
    """None fails, each recording has something, and what the logs tell of is on its way to be told."""
    url, _ = observed

    def rules() -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{url}/api/v1/rules") as answer:
            return [rule for group in json.load(answer)["data"]["groups"] for rule in group["rules"]]

    wait_until(lambda: all(rule["health"] == "ok" for rule in rules()))
    for rule in rules():
        if rule["type"] == "recording":
            wait_until(lambda rule=rule: asked(url, rule["name"]))  # type: ignore[misc]
    expected = {"AgentToolErrors", "AgentTaskFailures", "OllamaCrashes"}
    wait_until(lambda: expected <= {rule["name"] for rule in rules() if rule.get("state") in ("pending", "firing")})


def test_every_query_of_the_docs_runs(observed: tuple[str, Any]) -> None:
    """Prometheus takes each expression of the runbooks; most have something to show."""
    url, _ = observed
    blocks = re.findall(r"```promql\n(.*?)```", (ROOT / "docs" / "alerts.md").read_text(), re.DOTALL)
    expressions = [line for block in blocks for line in block.splitlines()]
    assert len(expressions) > 30
    shown = [bool(query(url, expression, time.time())) for expression in expressions]
    assert sum(shown) > len(shown) / 2
