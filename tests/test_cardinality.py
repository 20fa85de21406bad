"""Who fills the series: the report, the command, the page, and what `check` says before it happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from logmetrics.config.loading import parse_config
from logmetrics.packs import builtin_packs
from tests.daemon import Daemon, logmetrics

CONFIG = """
packs: []
limits: {values_per_label: 20, series_per_metric: 30}
metrics:
  tools_total: {type: counter, help: h, labels: [agent, tool]}
  sessions_total: {type: counter, help: h, labels: [session_id], allow_unbounded: true}
  pairs_total: {type: counter, help: h, labels: [left, right]}
  long_total: {type: counter, help: h, labels: [name]}
  calm_total: {type: counter, help: h, labels: [agent]}
rules:
  - {name: t, when: has(tool), labels: {agent: agent, tool: tool}, update: {tools_total: 1, calm_total: 1}}
  - {name: s, when: has(session), labels: {session_id: session}, update: {sessions_total: 1}}
  - {name: p, when: has(left), labels: {left: left, right: right}, update: {pairs_total: 1}}
  - {name: l, when: has(name), labels: {name: name}, update: {long_total: 1}}
"""


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Each metric has its own trouble: more tools than allowed, endless sessions, too many pairs, long names."""
    records: list[dict[str, Any]] = [{"agent": "a", "tool": f"tool-{n % 30}"} for n in range(300)]
    records += [{"session": f"s{n}"} for n in range(5000)]
    records += [{"left": f"l{n % 10}", "right": f"r{n % 11}"} for n in range(200)]
    records += [{"name": "x" * 200}, {"name": "short"}]
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text("".join(json.dumps(record) + "\n" for record in records))
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path


def test_the_report_and_what_to_do(logs: Path) -> None:
    """The same of a running daemon and of its state; each metric with its driver and a remedy that works."""
    state = str(logs / "state")
    with Daemon(str(logs / "logs"), "-c", str(logs / "config.yaml"), "--state-dir", state) as daemon:
        daemon.wait_until_ready()
        live = logmetrics("cardinality", daemon.url)
        while_running = logmetrics("cardinality", state, "--json")
        page = daemon.get("/")[1]
        assert json.loads(daemon.get("/api/cardinality")[1]) == json.loads(while_running.stdout)
    kept = logmetrics("cardinality", state)
    assert (live.returncode, live.stdout) == (0, kept.stdout)

    reports = {report["metric"]: report for report in json.loads(while_running.stdout)}
    found = {name: (report["driver"], report["config"]) for name, report in reports.items()}
    assert found == {
        "tools_total": ("tool", "limits: {metrics: {tools_total: {values: {tool: 40}}}}"),
        "sessions_total": ("session_id", "labels: []"),
        "pairs_total": ("right", "limits: {metrics: {pairs_total: {series: 60}}}"),
        "long_total": ("name", "limits: {metrics: {long_total: {bytes: {name: 200}}}}"),
        "calm_total": ("agent", ""),
    }
    sessions = reports["sessions_total"]["labels"][0]
    assert 4_400 < sessions["distinct"] < 5_600
    assert sessions["refused"] == {"values": 4_980}
    assert len(sessions["samples"]) == 5
    for words in ("20 of 30 series", "seen", "such as 's", "measurements overflowed", "to do: "):
        assert words in kept.stdout
    assert "sessions_total" in page
    assert ">4,980<" in page

    for report in reports.values():
        if report["config"].startswith("limits"):
            base = yaml.safe_load(CONFIG)
            base["limits"].update(yaml.safe_load(report["config"])["limits"])
            spec = parse_config(yaml.safe_dump(base), "c", builtin_packs()).rule_set.metrics[report["metric"]]
            assert spec.series_max or spec.values_max or spec.bytes_max


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("cardinality", "/no/such/dir"), 2, "neither an http:// address nor a state directory"),
        (("cardinality", "."), 3, "holds no state of logmetrics"),
        (("cardinality", "http://127.0.0.1:9"), 1, "is logmetrics running?"),
        (("cardinality", "http://localhost:abc"), 2, "an address is like"),
        (("check", "-c", "/no/config.yaml"), 2, "cannot be read"),
    ],
)
def test_what_cannot_be_looked_at(arguments: tuple[str, ...], code: int, words: str) -> None:
    """One line that says what and what to do."""
    done = logmetrics(*arguments)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)
    assert words in done.stderr


@pytest.mark.parametrize("label", ["session_id", "trace_id", "request_id", "prompt", "message", "Trace_ID"])
def test_check_refuses_classic_unbounded_labels(tmp_path: Path, label: str) -> None:
    """With its place and the ways out; `watch` says so too, and works."""
    config = tmp_path / "config.yaml"
    text = f"packs: []\nmetrics:\n  x_total:\n    type: counter\n    help: h\n    labels: [agent, {label}]\n"
    text += f"rules:\n  - {{name: r, labels: {{agent: a, {label}: b}}, update: {{x_total: 1}}}}\n"
    config.write_text(text)
    done = logmetrics("check", "-c", str(config))
    assert done.returncode == 2
    assert f"{config}:6:21: error: metrics.x_total.labels[1]: {label} is new in each event" in done.stdout
    assert "allow_unbounded: true" in done.stdout
    (tmp_path / "a.log").write_text('{"a": "x", "b": "y"}\n')
    watched = logmetrics("watch", str(tmp_path / "a.log"), "-c", str(config), "--once")
    assert (watched.returncode, "warning: " in watched.stderr) == (0, True)
    assert f'x_total{{agent="x",{label}="y"}} 1' in watched.stdout

    config.write_text(text.replace("help: h\n", "help: h\n    allow_unbounded: true\n"))
    done = logmetrics("check", "-c", str(config))
    assert (done.returncode, done.stdout.split(": ", 1)[1]) == (
        0,
        "good; 0 sources, 1 metric, 1 rule, those of packs included\n",
    )


def test_limits_of_single_metrics(tmp_path: Path) -> None:
    """Those of a pack too; wrong names are told with their place."""
    config = parse_config(
        "limits: {idle: 1h, admission: first, parked: 7, metrics: {agent_tool_calls_total:"
        " {series: 9, values: {tool_name: 3}, bytes: {agent: 8}, idle: never, admission: heavy}}}",
        "c",
        builtin_packs(),
    )
    spec = config.rule_set.metrics["agent_tool_calls_total"]
    assert (spec.series_max, spec.values_max, spec.bytes_max) == (9, {"tool_name": 3}, {"agent": 8})
    assert (spec.idle_s, spec.admission) == (float("inf"), "heavy")
    assert (config.limits.idle_s, config.limits.admission, config.limits.parked) == (3600.0, "first", 7)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        "limits:\n  metrics:\n    agent_tool_call_total: {series: 9}\n    agent_tasks_total: {values: {agnt: 1}}\n"
    )
    done = logmetrics("check", "-c", str(wrong))
    assert "wrong.yaml:3:5: limits.metrics.agent_tool_call_total: no metric is called" in done.stderr
    assert "(did you mean 'agent_tool_calls_total'?)" in done.stderr
    assert "wrong.yaml:4:34: limits.metrics.agent_tasks_total.values.agnt: 'agnt' is not a label" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "metrics: {x_total: {type: counter, help: h, labels: [id]}}\n"
        "rules: [{name: r, update: {'x_total{id=\"a\"}': 1}}]",
        "metrics: {x_total: {type: counter, help: h, labels: [id]}}\n"
        "rules: [{name: r, labels: {id: '\"a\"'}, update: {x_total: 1}}]",
        "metrics: {x_info: {type: info, help: h, labels: [id]}}\n"
        "rules: [{name: r, labels: {id: a}, update: {x_info: 1}}]",
    ],
    ids=["in the template", "a literal", "info"],
)
def test_check_accepts_what_is_bounded(tmp_path: Path, text: str) -> None:
    """The name alone does not make a label unbounded."""
    config = tmp_path / "config.yaml"
    config.write_text(f"packs: []\n{text}\n")
    done = logmetrics("check", "-c", str(config), "--strict")
    assert (done.returncode, "unbounded-label" in done.stdout) == (0, False), done.stdout


def test_a_remedy_that_was_applied_is_not_told_again(tmp_path: Path) -> None:
    """What overflowed before a limit was raised is history."""
    config, logs, state = tmp_path / "config.yaml", tmp_path / "a.log", str(tmp_path / "state")
    logs.write_text("".join(json.dumps({"agent": "a", "tool": f"tool {n % 30}"}) + "\n" for n in range(60)))
    for limit in (20, 60):
        config.write_text(CONFIG.replace("values_per_label: 20", f"values_per_label: {limit}").replace("30}", "900}"))
        assert logmetrics("watch", str(logs), "-c", str(config), "--state-dir", state, "--once").returncode == 0
        with logs.open("a") as file:
            file.writelines(json.dumps({"agent": "a", "tool": f"tool {n % 30}"}) + "\n" for n in range(60))
        report = json.loads(logmetrics("cardinality", state, "--json").stdout)
        remedies = {each["metric"]: each["config"] for each in report if each["remedy"]}
        assert bool(remedies) == (limit == 20), remedies


def test_a_pack_metric_gets_a_remedy_that_can_be_pasted(tmp_path: Path) -> None:
    """Its labels are the pack's; its limits are the user's."""
    config, logs, state = tmp_path / "config.yaml", tmp_path / "a.log", str(tmp_path / "state")
    lines = (json.dumps({"event": "tool_call", "agent": "a", "tool_name": f"t {n:x}"}) for n in range(4_000))
    logs.write_text("\n".join(lines) + "\n")
    config.write_text("{}\n")
    assert logmetrics("watch", str(logs), "-c", str(config), "--state-dir", state, "--once").returncode == 0
    report = json.loads(logmetrics("cardinality", state, "--json").stdout)[0]
    assert report["metric"] == "agent_tool_calls_total"
    assert "logmetrics packs agent" in report["remedy"]
    config.write_text(report["config"] + "\n")
    assert logmetrics("check", "-c", str(config)).returncode == 0
