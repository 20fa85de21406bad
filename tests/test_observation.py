"""`logmetrics dashboard` and `logmetrics alerts`: what they write for packs and configs."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from logmetrics.authoring.observation.agent_rules import agent_alerts
from logmetrics.authoring.observation.dashboard import GRAFANAS
from logmetrics.authoring.observation.in_use import InUse, names_in
from logmetrics.authoring.observation.overview import overview
from logmetrics.authoring.observation.own_alerts import own_alerts
from logmetrics.authoring.observation.rule_file import Alert, Group, alerts_of, duration, rule_file
from logmetrics.authoring.observation.rule_tests import rule_tests
from logmetrics.authoring.observation.rules import beyond_buckets, own_groups, rule_groups
from logmetrics.authoring.observation.server_rules import server_alerts
from logmetrics.authoring.observation.trial import growing
from logmetrics.config.alerts import ALERT_NAMES
from logmetrics.config.changes import changes
from logmetrics.config.loading import merge, parse_config
from logmetrics.config.model import AlertsModel
from logmetrics.config.specs import AlertsSpec, Config
from logmetrics.errors import ConfigError
from logmetrics.packs import builtin_packs
from logmetrics.store.self_metrics import SELF_METRICS
from tests.daemon import ROOT, logmetrics

DOCS = (ROOT / "docs" / "alerts.md").read_text()
OWN = """\
packs: []
metrics:
  retries_total: {type: counter, help: Retries, labels: [agent, job]}
  upload_bytes_total: {type: counter, help: Uploaded}
  queue_depth: {type: gauge, help: Jobs that wait, labels: [queue]}
  job_seconds: {type: histogram, help: How long jobs take, labels: [model], buckets: task_duration}
  users_active: {type: active, help: Users seen}
  app_build_info: {type: info, help: Version, labels: [version]}
  unfed_total: {type: counter, help: Nothing counts it}
rules:
  - name: all of them
    labels: {agent: agent, job: job, queue: queue, model: model, version: version}
    update:
      retries_total: 1
      upload_bytes_total: bytes
      queue_depth: depth
      job_seconds: seconds
      users_active: user
      app_build_info: 1
"""
# Every threshold is another one than by default.
CHANGED = """\
alerts:
  job: my "agents"
  runbooks: https://wiki.example/alerts
  labels: {team: ai, job: mine}
  severity: {AgentSilent: critical}
  disable: [OllamaCrashes]
  min_rate: 0
  error_ratio: 0.9
  slo: 0.95
  llm_latency_p95: 150s
  tool_duration_p95: 10ms
  task_failure_ratio: 0.01
  token_budget_per_day: 1000
  token_rise: 1.5
  stuck_after: 5m
  silent_after: 7h
  server_error_ratio: 0.5
  server_duration_p95: 299s
  requests_waiting: 1
  lag: 1kB
  unparsable_ratio: 0.9
  unmatched_ratio: 0.01
  series_ratio: 0.99
"""


def config_of(text: str) -> Config:
    return parse_config(text, "config.yaml", builtin_packs())


@cache
def in_use(*packs: str, text: str = "") -> InUse:
    """What these packs feed, all of them by default, or a config."""
    if text:
        return InUse.of(config_of(text).rule_set, builtin_packs())
    chosen = [builtin_packs()[name].rule_set for name in packs or builtin_packs()]
    return InUse.of(merge(chosen), builtin_packs())


USES = {"all": in_use(), "own": in_use(text=OWN), **{name: in_use(name) for name in builtin_packs()}}
each_use = pytest.mark.parametrize("use", USES.values(), ids=USES.keys())


def queries(use: InUse) -> Iterator[str]:
    for row in overview(use).rows:
        for panel in row.panels:
            yield from (query.expr for query in panel.queries)


def test_examples_are_what_the_commands_write(tmp_path: Path) -> None:
    """Nobody changed one without the other: make observation writes them."""
    spec = importlib.util.spec_from_file_location("observation", ROOT / "scripts" / "observation.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.write_all(tmp_path)
    written = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert set(written) == {*module.COMMANDS, "prometheus/agents-alerts.test.yaml"}
    for name, text in written.items():
        assert (ROOT / "examples" / name).read_text() == text, name


# -- dashboards


@each_use
def test_every_metric_in_use_is_shown(use: InUse) -> None:
    """And none that is not in use is asked for."""
    asked = {name for query in queries(use) for name in names_in(query)}
    assert set(use.known) | set(use.own) <= asked
    assert not asked & set(use.absent)
    assert "unfed_total" not in asked


@each_use
def test_variables_filter_what_has_their_label(use: InUse) -> None:
    """There is a variable for agents and for models where a metric has such a label, and these metrics go by it."""
    board = overview(use)
    shapes = {**use.known, **use.own}
    for label in ("agent", "model"):
        having = {name for name, spec in shapes.items() if label in spec.labels}
        assert (label in [variable.name for variable in board.variables]) == bool(having)
        for query in queries(use):
            for name, labels in re.findall(r"(\w+)\{([^}]*)\}", query):
                base = next((n for n in names_in(name) if n in shapes), "")
                assert (f'{label}=~"${label}"' in labels) == (base in having), query
    for query in queries(use):
        for labels in re.findall(r"\{([^}]*)\}", query):
            assert 'job=~"$job",instance=~"$instance"' in labels


@each_use
def test_dashboards_are_laid_out(use: InUse) -> None:
    """Unique ids, nothing over anything else or past the edge; everything says what it shows and in which unit."""
    document = json.loads(overview(use).to_json(GRAFANAS[12]))
    taken: set[tuple[int, int]] = set()
    for panel in document["panels"]:
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= 24
        cells = {(grid["x"] + x, grid["y"] + y) for x in range(grid["w"]) for y in range(grid["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["legendFormat"] for target in panel["targets"])
        for target in panel["targets"]:
            assert set(re.findall(r"\[([^\]]*)\]", target["expr"])) <= {"$__rate_interval", "$__range"}
    assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])
    titles = [panel["title"] for panel in document["panels"] if panel["type"] == "row"]
    assert len(set(titles)) == len(titles)


def test_rows_are_of_what_is_in_use() -> None:
    """A pack that is not in use adds none."""
    rows = {name: [row.title for row in overview(use).rows] for name, use in USES.items()}
    assert rows["ollama"] == ["Ollama", "Ollama: models and GPUs", "Health of logmetrics"]
    assert rows["aider"] == ["Agents", "LLM latency", "Tokens", "Pack aider", "Health of logmetrics"]
    assert rows["own"] == ["Metrics of this config", "Health of logmetrics"]
    assert set(rows["all"]) >= {title for titles in rows.values() for title in titles} - set(rows["own"])


def test_panels_of_metrics_of_ones_own() -> None:
    """By their types: rates by labels, heat map and quantiles, values; labels as Prometheus will call them."""
    [own] = [row for row in overview(in_use(text=OWN)).rows if row.title == "Metrics of this config"]
    where = 'job=~"$job",instance=~"$instance"'
    assert [(panel.title, panel.kind, panel.unit, panel.queries[0].expr) for panel in own.panels] == [
        (
            "retries_total",
            "timeseries",
            "cps",
            "topk(20, sum by (agent, exported_job) "
            f'(rate(retries_total{{{where},agent=~"$agent"}}[$__rate_interval])))',
        ),
        (
            "upload_bytes_total",
            "timeseries",
            "Bps",
            f"sum(rate(upload_bytes_total{{{where}}}[$__rate_interval]))",
        ),
        ("queue_depth", "timeseries", "short", f"topk(20, sum by (instance, queue) (queue_depth{{{where}}}))"),
        (
            "job_seconds",
            "heatmap",
            "s",
            f'sum by (le) (increase(job_seconds_bucket{{{where},model=~"$model"}}[$__rate_interval]))',
        ),
        (
            "job_seconds, quantiles",
            "timeseries",
            "s",
            "histogram_quantile(0.5, sum by (le, model) "
            f'(rate(job_seconds_bucket{{{where},model=~"$model"}}[$__rate_interval]))) > -Inf',
        ),
        ("users_active", "timeseries", "short", f"topk(20, sum by (instance) (users_active{{{where}}}))"),
        ("app_build_info", "bargauge", "none", f"count by (version) (app_build_info{{{where}}})"),
    ]


def test_a_metric_may_be_called_like_a_label() -> None:
    """It is shown all the same."""
    text = "metrics: {model: {type: gauge, help: h}}\nrules: [{name: r, update: {model: n}}]\n"
    [own] = [row for row in overview(in_use(text=text)).rows if row.title == "Metrics of this config"]
    assert [panel.title for panel in own.panels] == ["model"]


def test_a_metric_of_another_shape_is_ones_own() -> None:
    """What is made for a pack's metric would show nothing of one that has only its name."""
    text = OWN.split("metrics:")[0] + (
        "metrics:\n"
        "  agent_tool_calls_total: {type: counter, help: h, labels: [agent]}\n"
        "  agent_llm_latency_seconds: {type: histogram, help: h, labels: [agent], buckets: [1, 2]}\n"
        "rules:\n"
        "  - {name: r, labels: {agent: a}, update: {agent_tool_calls_total: 1, agent_llm_latency_seconds: s(n)}}\n"
    )
    use = in_use(text=text)
    assert (set(use.own), set(use.known)) == ({"agent_tool_calls_total"}, {"agent_llm_latency_seconds"})
    assert [row.title for row in overview(use).rows][:2] == ["LLM latency", "Metrics of this config"]
    # 30 seconds are beyond its buckets, and nothing would ever be slow.
    assert list(beyond_buckets(AlertsSpec(), use)) == [("llm_latency_p95", "agent_llm_latency_seconds")]
    assert "AgentLlmSlow" not in [alert.name for alert in alerts_of(rule_groups(AlertsSpec(), use))]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--grafana", "9"], "--grafana: there are dashboards for 11 and 12, not for 9"),
        (["--self", "--title", "x"], "goes without --config, --pack and --title"),
        (["--title", " "], "--title is empty"),
        (["--pack", "olama"], "no pack is called 'olama' (did you mean 'ollama'?)"),
        (["--config", "missing.yaml"], "missing.yaml: cannot be read: No such file or directory"),
    ],
    ids=["grafana", "self", "title", "pack", "config"],
)
def test_what_dashboard_refuses(arguments: list[str], told: str) -> None:
    """In words, with nothing on stdout."""
    done = logmetrics("dashboard", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_title_and_version(tmp_path: Path) -> None:
    """Another title is another dashboard; a file is written as stdout is."""
    file = tmp_path / "board.json"
    done = logmetrics("dashboard", "--pack", "vllm", "--title", "GPU farm, Bonn", "--grafana", "12", "-o", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    board = json.loads(file.read_text())
    assert (board["title"], board["uid"], board["schemaVersion"]) == ("GPU farm, Bonn", "logmetrics-gpu-farm-bonn", 42)
    assert (
        file.read_text()
        == logmetrics("dashboard", "--pack", "vllm", "--title", "GPU farm, Bonn", "--grafana", "12").stdout
    )
    done = logmetrics("dashboard", "-o", str(tmp_path / "missing" / "x.json"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be written: No such file or directory" in done.stderr


# -- alerts


def promtool(directory: Path, *arguments: str) -> None:
    binary = shutil.which("promtool")
    if binary is None:
        pytest.fail("promtool is missing; make test installs Debian's package")
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, cwd=directory, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def write(directory: Path, name: str, settings: AlertsSpec, use: InUse) -> list[Group]:
    """The rules and their tests as the command writes them."""
    groups = rule_groups(settings, use)
    (directory / f"{name}.yaml").write_text(rule_file(groups, settings, ""))
    (directory / f"{name}.test.yaml").write_text(rule_tests(groups, settings, use, f"{name}.yaml", ""))
    return groups


@pytest.mark.parametrize("text", ["", CHANGED, OWN], ids=["default", "changed thresholds", "own metrics only"])
def test_alerts_fire_when_they_should(tmp_path: Path, text: str) -> None:
    """promtool finds nothing to complain about, and each alert fires for what provokes it and nothing else."""
    config = config_of(text)
    groups = write(tmp_path, "rules", config.alerts, InUse.of(config.rule_set, builtin_packs()))
    promtool(tmp_path, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")
    promtool(tmp_path, "test", "rules", "rules.test.yaml")
    tests = yaml.safe_load((tmp_path / "rules.test.yaml").read_text())["tests"]
    assert {test["name"].split()[0] for test in tests} == {alert.name for alert in alerts_of(groups)}


def test_alerts_of_single_packs(tmp_path: Path) -> None:
    """The same for what each of them has; many have the same, and what is about logmetrics itself is tested above."""
    settings = AlertsSpec(disable=frozenset(name for name in ALERT_NAMES if name.startswith("Logmetrics")))
    rules: dict[str, str] = {}
    for name in builtin_packs():
        groups = write(tmp_path, name, settings, USES[name])
        assert list(alerts_of(groups))
        rules.setdefault((tmp_path / f"{name}.yaml").read_text(), name)
    assert len(rules) > 5
    promtool(tmp_path, "check", "rules", "--lint=all", "--lint-fatal", *(f"{name}.yaml" for name in rules.values()))
    promtool(tmp_path, "test", "rules", *(f"{name}.test.yaml" for name in rules.values()))


def test_a_test_of_rules_can_fail(tmp_path: Path) -> None:
    """Rules for other thresholds than the tests are for do not pass them."""
    use = in_use("codex")
    settings = AlertsSpec(disable=frozenset(set(ALERT_NAMES) - {"AgentToolErrors", "AgentTokenBudget"}))
    write(tmp_path, "rules", settings, use)
    text = (tmp_path / "rules.yaml").read_text()
    for before, after in (("> 0.2 ", "> 0.7 "), ("> 0.2 ", "> 0.05 "), ("> 0.01", "> 0"), ("> 10000000", "> 1000000")):
        assert before in text
        (tmp_path / "rules.yaml").write_text(text.replace(before, after))
        with pytest.raises(AssertionError, match="FAILED"):
            promtool(tmp_path, "test", "rules", "rules.test.yaml")


def all_alerts(use: InUse) -> list[Alert]:
    settings = AlertsSpec()
    rules = [*agent_alerts(settings, use), *server_alerts(settings), *own_alerts(settings)]
    return [rule for rule in rules if isinstance(rule, Alert)]


def test_names_of_alerts() -> None:
    """The config knows those that there are, in whatever order."""
    assert sorted(alert.name for alert in all_alerts(in_use())) == sorted(ALERT_NAMES)


@pytest.mark.parametrize("use", [USES["all"], USES["codex"]], ids=["all", "codex"])
def test_alerts_tell_what_to_do(use: InUse) -> None:
    """Each has a summary, a description and its section; and what they name of the labels is what was found."""
    groups = rule_groups(AlertsSpec(), use)
    tests = yaml.safe_load(rule_tests(groups, AlertsSpec(), use, "rules.yaml", ""))["tests"]
    found = {test["name"].split()[0]: test["promql_expr_test"][0]["exp_samples"] for test in reversed(tests)}
    for alert in alerts_of(groups):
        assert alert.summary and alert.description.endswith(".")
        needed = re.findall(r"\{\{ \$labels\.(\w+)", f"{alert.summary} {alert.description}")
        for label in needed:
            assert f"{label}=" in found[alert.name][0]["labels"], (alert.name, label)
    [asked] = [alert.expr for alert in alerts_of(groups) if alert.name == "AgentStuck"]
    assert ("agent_log_records_total" in asked) == ("agent_log_records_total" in use.known)


def test_own_alerts_ask_for_metrics_that_exist() -> None:
    """With whatever thresholds."""
    known = {metric.name for metric in SELF_METRICS} | {"up", "node_textfile_mtime_seconds"}
    for alert in alerts_of(own_groups(AlertsSpec())):
        assert known & set(names_in(alert.expr)), alert.name


def test_what_a_config_says_of_alerts() -> None:
    """Job, labels, severities, runbooks and what is left out."""
    config = config_of(CHANGED)
    document = yaml.safe_load(rule_file(rule_groups(config.alerts, in_use()), config.alerts, ""))
    alerts = {rule["alert"]: rule for group in document["groups"] for rule in group["rules"] if "alert" in rule}
    assert "OllamaCrashes" not in alerts
    assert alerts["AgentSilent"]["labels"] == {"severity": "critical", "team": "ai", "job": "mine"}
    assert alerts["AgentSilent"]["annotations"]["runbook_url"] == "https://wiki.example/alerts#agentsilent"
    assert alerts["LogmetricsDown"]["expr"] == 'up{job="my \\"agents\\""} == 0'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("disable: [AgentToolError]", "2:13: alerts.disable[0]: no alert is called 'AgentToolError' (did you mean"),
        ("severity: {Agent: info}", "2:14: alerts.severity.Agent: no alert is called 'Agent'"),
        ("severity: {AgentStuck: loud}", "2:26: alerts.severity.AgentStuck: expected 'critical', 'warning' or 'info'"),
        ("labels: {severity: x}", "2:12: alerts.labels.severity: is what each alert has itself"),
        ("labels: {team: '{{ $labels.agent }}'}", "2:19: alerts.labels.team: is taken as it stands"),
        (
            "llm_latency_p95: 400s",
            "2:20: alerts.llm_latency_p95: agent_llm_latency_seconds has buckets from 0.1s to 300s",
        ),
        ("tool_duration_p95: 1", "2:22: alerts.tool_duration_p95: expected a duration"),
        ("slo: 0.9", "2:8: alerts.slo: expected greater than or equal to 0.95"),
        ("error_ratio: 20", "2:16: alerts.error_ratio: expected less than 1"),
        ("silent_after: 5s", "2:17: alerts.silent_after: the least that makes sense here is 5m"),
        ("eror_ratio: 0.1", "2:3: alerts.eror_ratio: unknown key (did you mean 'error_ratio'?)"),
    ],
    ids=lambda text: text.split(":")[0] if not text[0].isdigit() else "",
)
def test_what_alerts_cannot_be(text: str, told: str) -> None:
    """With its place."""
    with pytest.raises(ConfigError) as refused:
        config_of(f"alerts:\n  {text}\n")
    [problem] = refused.value.problems
    assert str(problem).startswith(f"config.yaml:{told}")


def test_defaults_are_the_same() -> None:
    """Of a config without alerts, and of none."""
    assert config_of("").alerts == AlertsSpec()


def test_a_reload_for_alerts_changes_nothing() -> None:
    """A daemon has nothing to do with them."""
    assert changes(config_of(""), config_of(CHANGED)) == []


def test_alerts_command(tmp_path: Path) -> None:
    """Rules on stdout or in a file, and their tests beside it."""
    config, file = tmp_path / "config.yaml", tmp_path / "rules.yml"
    config.write_text("packs: [aider]\nalerts: {llm_latency_p95: 20s}\n")
    done = logmetrics("alerts", "--config", str(config), "--tests", "-o", str(file))
    tests = tmp_path / "rules.test.yml"
    next_ = f"logmetrics: next: promtool test rules {tests}, and name {file} under rule_files of Prometheus\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, "", next_)
    assert "p95_rate15m > 20 and" in file.read_text()
    assert file.read_text() == logmetrics("alerts", "--config", str(config)).stdout
    assert yaml.safe_load((tmp_path / "rules.test.yml").read_text())["rule_files"] == ["rules.yml"]
    for arguments, told in (
        (["--tests"], "--tests needs --output FILE"),
        (["--self", "--pack", "pi"], "without --pack"),
    ):
        done = logmetrics("alerts", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert told in done.stderr
    config.write_text(
        "packs: []\nmetrics:\n"
        "  agent_llm_latency_seconds: {type: histogram, help: h, labels: [agent], buckets: [1, 2]}\n"
        "rules: [{name: r, labels: {agent: a}, update: {agent_llm_latency_seconds: s(n)}}]\n"
    )
    done = logmetrics("alerts", "--config", str(config))
    assert done.returncode == 0
    assert "alerts.llm_latency_p95 is not within the buckets of agent_llm_latency_seconds" in done.stderr


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(300, "5m"), (5400, "90m"), (86_400, "1d"), (604_800, "1w"), (90, "90s"), (0.25, "250ms")],
    ids=str,
)
def test_durations(seconds: float, text: str) -> None:
    """As Prometheus reads them."""
    assert duration(seconds) == text


def test_growing_series() -> None:
    """Phases follow each other without a gap: 0 2 4, then 5 6 7."""
    assert growing((2, 2), (1, 3)) == "0+2x2 5+1x2"


# -- what is told


def sections() -> list[str]:
    return re.findall(r"^### (\w+)$", DOCS, re.MULTILINE)


def test_every_alert_has_a_section() -> None:
    """And every section is of one: runbook_url leads there."""
    assert sorted(sections()) == sorted(ALERT_NAMES)


@pytest.mark.parametrize("name", ALERT_NAMES)
def test_sections_help(name: str) -> None:
    """With what it means, how to look closer and what to do; and they name the keys that tune them."""
    section = DOCS.split(f"### {name}\n")[1].split("\n### ")[0].split("\n## ")[0]
    assert "**Look:**" in section and "**Do:**" in section
    assert re.search(r"```promql\n|`logmetrics \w+", section)


@pytest.mark.parametrize("key", AlertsModel.model_fields)
def test_every_key_of_alerts_is_told(key: str) -> None:
    """Where alerts are told of, and where the config is."""
    assert f"`{key}`" in DOCS
    assert re.search(rf"^\| `{key}` \|", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE)


def test_defaults_in_the_docs_are_the_defaults() -> None:
    """Of all thresholds that are plain numbers."""
    told = dict(
        re.findall(r"^\| `(\w+)` \| `([\d._]+)` \|", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE)
    )
    for key, field in AlertsModel.model_fields.items():
        if isinstance(field.default, (int, float)) and field.annotation in (int, float) and key in told:
            assert float(told[key]) == field.default, key
    assert {"error_ratio", "slo", "token_budget_per_day", "series_ratio"} <= set(told)
