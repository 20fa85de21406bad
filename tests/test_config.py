"""Config files: what they may say, and what is said about those that may not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from logmetrics.authoring.lint import lint
from logmetrics.cli.app import app
from logmetrics.config.document import parse_document
from logmetrics.config.exposed_names import OWN_PREFIX, PROCESS_METRICS
from logmetrics.config.expression import ExpressionError, parse_expression
from logmetrics.config.loading import load_config, parse_config
from logmetrics.config.rule_sets import parse_template
from logmetrics.config.units import parse_duration, parse_size
from logmetrics.engine import Engine
from logmetrics.errors import ConfigError
from logmetrics.packs import builtin_packs
from logmetrics.serve.process import ProcessMetrics
from logmetrics.store.self_metrics import SELF_METRICS

BAD = sorted((Path(__file__).parent / "config_bad").glob("*.yaml"))


@pytest.mark.parametrize("path", BAD, ids=[path.stem for path in BAD])
def test_bad_config_is_explained(path: Path) -> None:
    """Each bad file gives exactly the errors that its first comments announce, with line and column."""
    text = path.read_text()
    expected = [line[2:] for line in text.splitlines() if line.startswith("# ")]

    with pytest.raises(ConfigError) as caught:
        parse_config(text, "config.yaml", builtin_packs())

    assert str(caught.value).splitlines() == [f"config.yaml:{line}" for line in expected]
    assert caught.value.exit_code == 2


def test_missing_file_is_explained(tmp_path: Path) -> None:
    """A config that is not there is one clear line."""
    with pytest.raises(ConfigError, match=r"no\.yaml: cannot be read: No such file or directory$"):
        load_config(str(tmp_path / "no.yaml"), {})


def test_binary_file_is_explained(tmp_path: Path) -> None:
    """A config that is no text is one clear line."""
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(ConfigError, match=r"is not UTF-8 text"):
        load_config(str(path), {})


def test_empty_config_takes_the_defaults() -> None:
    """An empty file is a valid config without sources."""
    config = parse_config("", "config.yaml", builtin_packs())

    assert config.sources == ()
    assert config.packs == tuple(builtin_packs())
    assert config.listen == ("127.0.0.1:8001",)
    assert (config.limits.series, config.limits.series_per_metric) == (20_000, 2_000)


def test_whole_config_is_understood() -> None:
    """Every key ends up where it belongs."""
    config = parse_config(
        """
listen: [127.0.0.1:9000, "unix:/run/x.sock"]
packs: []
commit_interval: 500ms
poll_interval: 1m
watchdog: false
sources:
  - name: agents
    paths: [/var/log/agents, "/srv/**/*.log"]
    exclude: ["*.tmp"]
    format: json
    max_line_bytes: 64KiB
    from: end
limits: {series: 10_000, series_per_metric: 50, values_per_label: 7, label_value_bytes: 64}
define:
  who: agent or "nobody"
metrics:
  calls_total:
    type: counter
    help: Calls
    labels: [agent, kind]
    init: [{kind: a, agent: b}]
    limits: {series: 5, values: {agent: 3}}
rules:
  - name: call
    when: event in ["a", "b"]
    labels: {agent: who}
    update:
      calls_total{kind="x"}: 1
""",
        "config.yaml",
        {},
    )

    source = config.sources[0]
    assert (config.listen, config.commit_interval_s, config.poll_interval_s) == (
        ("127.0.0.1:9000", "unix:/run/x.sock"),
        0.5,
        60.0,
    )
    assert (source.paths, source.exclude, source.format) == (("/var/log/agents", "/srv/**/*.log"), ("*.tmp",), "json")
    assert (source.max_line_bytes, source.start_at_end, config.watchdog) == (65536, True, False)
    assert (config.limits.series, config.limits.label_value_bytes) == (10_000, 64)
    metric = config.rule_set.metrics["calls_total"]
    assert (metric.labels, metric.init, metric.series_max) == (("agent", "kind"), (("b", "a"),), 5)
    assert metric.values_max == {"agent": 3}
    assert config.rule_set.rules[0].updates[0].constants == (("kind", "x"),)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("5s", 5), ("1.5h", 5400), ("1h30m", 5400), ("7d", 604800), ("2w", 1209600)],
)
def test_duration(text: str, seconds: float) -> None:
    """Durations are written with their units."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["5", 5, "", "5 s", "s5", "5x", "-5s", None, "5s!"])
def test_bad_duration(text: object) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("500B", 500), ("64KiB", 65536), ("1MiB", 1048576), ("1kB", 1000), ("1.5GiB", 1610612736)]
)
def test_size(text: str, size: int) -> None:
    """KiB is 1024 and kB is 1000."""
    assert parse_size(text) == size


def test_yaml_surprises_are_off() -> None:
    """What PyYAML reads as booleans, base-60 numbers, octals and dates stays what was written."""
    document = parse_document("[no, on, 12:30:45, 1e3, 2024-01-01, 017, 20_000, true, ~]", "x.yaml")

    assert document.values == ["no", "on", "12:30:45", 1000.0, "2024-01-01", "017", 20000, True, None]


def test_template_with_escapes() -> None:
    """A series template is read as Prometheus reads a series."""
    assert parse_template(r'a_total{x="q\"\\\n",y="}"}') == ("a_total", {"x": 'q"\\\n', "y": "}"})


def test_packs_are_sound() -> None:
    """Every built-in pack loads, and says what it is for."""
    for name, pack in builtin_packs().items():
        assert pack.description, name
        assert pack.rule_set.rules, name


def test_rules_that_are_nested_too_deeply(tmp_path: Path) -> None:
    """Definitions that build on each other can be more than Python takes; `check` tells, before any log is read."""
    steps = "".join(f"  d{n}: number(d{n - 1} or 1)\n" for n in range(1, 90))
    path = tmp_path / "config.yaml"
    path.write_text(
        f"packs: []\nsources: [{{name: a, paths: [/x]}}]\ndefine:\n  d0: x\n{steps}"
        "metrics: {n_total: {type: counter, help: N}}\n"
        "rules: [{name: r, update: {n_total: d89}}]\n"
    )
    with pytest.raises(ConfigError, match="nested too deeply to be compiled"):
        lint(str(path), builtin_packs())


@pytest.mark.parametrize("text", ["x < 1e999", "source.agent or 1e400"])
def test_numbers_that_are_too_large(text: str) -> None:
    with pytest.raises(ExpressionError, match="too large"):
        parse_expression(text)


@pytest.mark.parametrize(
    ("agent", "problem"),
    [
        ("source.agent or 'x'", "neither what came before nor itself"),
        ("once(x)", "neither what came before nor itself"),
        ("path.stm", "only a field|has parts|no .stm"),
    ],
)
def test_agents_of_sources_are_checked(agent: str, problem: str) -> None:
    text = f'packs: []\nsources: [{{name: a, paths: [/x], agent: "{agent}"}}]\n'
    with pytest.raises(ConfigError, match=problem):
        parse_config(text, "config.yaml", builtin_packs())


def test_an_agent_can_be_a_word(tmp_path: Path) -> None:
    """YAML takes the quotes off, so a word is a name."""
    log = tmp_path / "claude.jsonl"
    log.write_text(
        '{"type":"assistant","sessionId":"s","message":{"id":"m","model":"x","usage":{"output_tokens":5}}}\n'
    )
    for agent in ("support", '"support"', "support-bot", "path.parent"):
        config = parse_config(f"sources: [{{name: a, paths: [{log}], agent: {agent}}}]\n", "c.yaml", builtin_packs())
        engine = Engine(config)
        engine.run_once()
        name = tmp_path.name if agent == "path.parent" else agent.strip('"')
        rows = {spec.name: {s.labels: v for s, v in rows} for spec, rows in engine.view().families}
        assert rows["agent_token_usage_total"][name, "completion"] == 5


def test_names_of_the_process_are_reserved() -> None:
    """Those that are shown, all of them and no other."""
    shown = re.findall(r"^# TYPE (\S+)", ProcessMetrics().render(openmetrics=False), re.MULTILINE)
    assert set(shown) == PROCESS_METRICS
    assert all(metric.name.startswith(OWN_PREFIX) for metric in SELF_METRICS)


@pytest.mark.parametrize("text", ["", "sources: []\n"])
def test_check_tells_that_there_is_nothing_to_read(tmp_path: Path, text: str) -> None:
    """Such a config is good beside paths on the command line; alone `watch` refuses it."""
    path = tmp_path / "config.yaml"
    path.write_text(text)
    done = CliRunner().invoke(app, ["check", "--config", str(path)])
    assert done.exit_code == 0
    assert "note: it names nothing to read" in done.stderr


def test_a_config_without_end() -> None:
    """What is too long is not read to its end."""
    with pytest.raises(ConfigError, match="longer than"):
        load_config("/dev/zero", builtin_packs())
