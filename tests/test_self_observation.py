"""Alerts and dashboard about logmetrics itself: sound, and true of a daemon that runs."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from logmetrics.authoring.observation.own_alerts import own_alerts
from logmetrics.config.specs import AlertsSpec
from logmetrics.serve.process import ProcessMetrics
from logmetrics.service.reload import put_in_force
from logmetrics.store.self_metrics import SELF_METRICS
from tests.daemon import ROOT, Daemon, wait_until
from tests.servers import prometheus
from tests.world import World, config_for

ALERTS = ROOT / "examples" / "prometheus" / "logmetrics-alerts.yaml"
OWN_ALERTS = tuple(own_alerts(AlertsSpec()))
TESTS = ALERTS.with_suffix(".test.yaml")
DASHBOARD = json.loads((ROOT / "examples" / "grafana" / "logmetrics.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
# What Prometheus and node_exporter tell by themselves.
OF_OTHERS = {"up", "scrape_duration_seconds", "node_textfile_mtime_seconds"}


def metrics_in(expression: str) -> set[str]:
    """The names of metrics: words that are no functions, labels, or texts."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"(?:by|without|on|ignoring) \([^)]*\)", "", bare)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
    return set(re.findall(r"\b[a-z]+(?:_[a-z0-9]+)+\b|\bup\b", bare))


def known_metrics() -> set[str]:
    process = re.findall(r"^(process_\w+) ", ProcessMetrics().render(openmetrics=False), re.MULTILINE)
    return {metric.name for metric in SELF_METRICS} | set(process) | OF_OTHERS


def promtool(*arguments: str) -> str:
    binary = shutil.which("promtool")
    if binary is None:
        pytest.fail("promtool is missing; make test installs Debian's package")
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, cwd=ALERTS.parent, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# -- alerts


def test_alert_rules_pass_every_lint() -> None:
    """As Prometheus sees them."""
    assert f"{len(OWN_ALERTS)} rules found" in promtool("check", "rules", "--lint=all", "--lint-fatal", ALERTS.name)


def test_alerts_fire_when_they_should() -> None:
    """Each has a unit test in which it fires, and one in which it does not."""
    promtool("test", "rules", TESTS.name)
    tested: dict[str, set[bool]] = {}
    for test in yaml.safe_load(TESTS.read_text())["tests"]:
        series = len(test["input_series"])
        for case in test["alert_rule_test"]:
            fired = len(case["exp_alerts"])
            tested.setdefault(case["alertname"], set()).update([fired > 0] + ([False] if fired < series else []))
    assert tested == {alert.name: {True, False} for alert in OWN_ALERTS}


@pytest.mark.parametrize("alert", OWN_ALERTS, ids=lambda alert: alert.name)
def test_alerts_ask_for_metrics_that_exist(alert: Any) -> None:
    """A misspelt name would never fire."""
    assert metrics_in(alert.expr)
    assert metrics_in(alert.expr) <= known_metrics()


def test_metrics_of_an_expression() -> None:
    """The search above finds all of them and nothing else."""
    expression = 'sum by (job, rule_name) (rate(a_total{x_y=~"z_z"}[5m_])) / on (l_l) b_c > 0 or up'
    assert metrics_in(expression) == {"a_total", "b_c", "up"}


# -- the dashboard


def expressions() -> list[tuple[str, str]]:
    return [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]


def test_dashboard_asks_for_metrics_that_exist() -> None:
    """In panels and in variables."""
    queries = [
        variable["query"]["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"
    ]
    for query in [*(expr for _, expr in expressions()), *queries]:
        names = metrics_in(query) - {"label_values", "logmetrics_instance"}
        assert names, query
        assert names <= known_metrics(), query


def test_dashboard_names_no_data_source_of_its_own() -> None:
    """It works wherever it is imported."""
    queried = PANELS + [target for panel in PANELS for target in panel["targets"]]
    queried += [variable for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"]
    assert all(one["datasource"] == {"type": "prometheus", "uid": "${datasource}"} for one in queried)
    assert json.dumps(DASHBOARD).count('"datasource": ') == len(queried)
    assert DASHBOARD["templating"]["list"][0]["type"] == "datasource"


def test_dashboard_is_laid_out() -> None:
    """Unique ids, nothing over anything else or past the edge, and no holes above."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        grid = panel["gridPos"]
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken, panel["title"]
        assert grid["x"] + grid["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len(taken) == 24 * (1 + max(y for _, y in taken))


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: f"{panel['id']}-{panel['title']}")
def test_panels_say_what_they_show(panel: dict[str, Any]) -> None:
    """A description, a unit, names for series; and rates over an interval that fits the scrapes."""
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    for target in panel["targets"]:
        assert target["legendFormat"]
        assert set(re.findall(r"\[([^\]]*)\]", target["expr"])) <= {"$__rate_interval", "$__range"}
        assert 'instance=~"$instance"' in target["expr"]
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Prometheus with the alerts that scrapes a daemon to which a bit of everything happens."""
    directory = tmp_path_factory.mktemp("observed")
    logs = directory / "logs"
    logs.mkdir()
    config = directory / "config.yaml"
    config.write_text(f"sources: [{{name: agents, paths: [{logs}]}}]\nlimits: {{values_per_label: 3}}\n")

    def write(start: int) -> None:
        with (logs / "a.log").open("a") as file:
            for number in range(start, start + 10):
                file.write(f'{{"event": "tool_call", "agent": "a{chr(97 + number % 26)}", "tool_name": "python"}}\n')
            file.write("no record\n")

    write(0)
    with Daemon("--config", str(config)) as daemon:
        scraped = f"static_configs: [{{targets: ['{daemon.url.removeprefix('http://')}']}}]"
        text = f"global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}\nrule_files: ['{ALERTS}']\n"
        text += f"scrape_configs: [{{job_name: logmetrics, {scraped}}}]\n"
        with prometheus(directory, text) as url:
            wait_until(lambda: ask(url, "logmetrics_build_info"))
            (logs / "a.log").rename(logs / "a.log.1")
            write(10)
            wait_until(lambda: ask(url, "sum(logmetrics_source_rotations_total) > 0"))
            config.write_text("nonsense: true\n")
            daemon.process.send_signal(signal.SIGHUP)
            wait_until(lambda: ask(url, "logmetrics_config_last_reload_successful == 0"))
            yield url


def ask(url: str, expression: str) -> list[dict[str, Any]]:
    """The vector that an instant query gives; a query that Prometheus refuses fails the test with its words."""
    fields = urllib.parse.urlencode({"query": expression, "time": time.time()})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{fields}") as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return result
    except urllib.error.HTTPError as error:
        with error:
            pytest.fail(f"{expression}: {error.read().decode()}")


def filled_in(expression: str) -> str:
    """As Grafana does before it asks, with all chosen."""
    for name, value in {"$__rate_interval": "1m", "$__range": "1h"}.items():
        expression = expression.replace(name, value)
    return re.sub(r"\$(job|instance|name)\b", ".*", expression)


@pytest.mark.slow
@pytest.mark.parametrize(("title", "expression"), expressions())
def test_panels_show_something(observed: str, title: str, expression: str) -> None:
    """Each query gives series from a daemon that runs, and each name of a series has what it names."""
    query = filled_in(expression)
    assert "$" not in query
    result = ask(observed, query)
    assert result, f"{title}: nothing for {query}"
    [panel] = [p for p in PANELS if any(t["expr"] == expression for t in p["targets"]) and p["title"] == title]
    [legend] = {t["legendFormat"] for t in panel["targets"] if t["expr"] == expression}
    for label in set(re.findall(r"\{\{(\w+)\}\}", legend)) - {"logmetrics_instance"}:
        assert all(label in entry["metric"] for entry in result), f"{title}: {label}"


@pytest.mark.slow
def test_variables_have_values(observed: str) -> None:
    """What they ask for has the labels that they list, but for the instance, which only targets from files have."""
    for variable in DASHBOARD["templating"]["list"][1:3]:
        selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]
        assert all(entry["metric"][label] for entry in ask(observed, filled_in(selector)))
        assert ask(observed, filled_in(selector))


@pytest.mark.slow
def test_alerts_are_evaluated(observed: str) -> None:
    """Prometheus has taken all of them, none fails, and what happened is on its way to be told."""

    def rules() -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{observed}/api/v1/rules") as answer:
            return list(json.load(answer)["data"]["groups"][0]["rules"])

    wait_until(lambda: all(rule["health"] == "ok" for rule in rules()))
    assert [rule["name"] for rule in rules()] == [alert.name for alert in OWN_ALERTS]
    wait_until(lambda: {"LogmetricsReloadFailed"} <= {r["name"] for r in rules() if r["state"] == "pending"})
    # Nothing is wrong with the daemon but what was done to it.
    active = {rule["name"] for rule in rules() if rule["state"] != "inactive"}
    assert active <= {
        "LogmetricsReloadFailed",
        "LogmetricsOverflow",
        "LogmetricsSeriesNearLimit",
        "LogmetricsUnparsable",
    }


# -- what they need


def test_when_lines_were_read_last(tmp_path: Path) -> None:
    """The start until then; a reload does not change it."""
    world = World(tmp_path)
    name = "logmetrics_source_last_record_timestamp_seconds"

    def last_s() -> float:
        world.engine.commit()
        [series] = world.engine.self_metrics.family(name).series.values()
        return float(series.value)  # type: ignore[union-attr]

    try:
        assert last_s() == 1000
        world.now_s = 1010
        assert last_s() == 1000
        (tmp_path / "a.log").write_text('{"n": "x"}\n')
        world.now_s = 1020
        while world.engine._pass(scrape_waits=False):
            pass
        assert last_s() == 1020
        world.now_s = 1030
        assert last_s() == 1020
        put_in_force(world.engine, config_for(tmp_path))
        assert last_s() == 1020
    finally:
        world.close()
