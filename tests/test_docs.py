"""The docs are held to the code: every command, key, function, metric and preset is told, and what is told is true."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml

from logmetrics.authoring.trials.loading import load_tests
from logmetrics.authoring.trials.model import json_schema as schema_of_tests
from logmetrics.authoring.trials.running import run_file
from logmetrics.cli.app import app
from logmetrics.config.changes import AT_START_ONLY
from logmetrics.config.expression import CONTEXT_NAMES, FUNCTIONS, parse_expression
from logmetrics.config.loading import load_config
from logmetrics.config.model import json_schema
from logmetrics.config.specs import BUCKET_PRESETS, LimitsSpec, MetricSpec, RuleSet, RuleSpec, UpdateSpec
from logmetrics.packs import builtin_packs
from logmetrics.rules.compile import compile_rules
from logmetrics.rules.log import Log
from logmetrics.serve.status.data import Status
from logmetrics.store.self_metrics import SELF_METRICS
from logmetrics.store.store import Store

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCS = {path.name: path.read_text() for path in (ROOT / "docs").rglob("*.md")}


def yaml_examples(*texts: str) -> list[str]:
    return [block for text in texts for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]


def commands() -> list[str]:
    return [str(command.callback.__name__) for command in app.registered_commands if command.callback]


@pytest.mark.parametrize("name", commands())
def test_command_is_in_the_readme(name: str) -> None:
    """Every command has a section."""
    assert f"### `logmetrics {name}`" in README


@pytest.mark.parametrize("name", commands())
def test_options_in_the_readme_exist(name: str) -> None:
    """Every option shown for a command is one that it has."""
    section = README.split(f"### `logmetrics {name}`")[1].split("\n## ")[0].split("\n### ")[0]
    command = [sys.executable, "-m", "logmetrics", name, "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env={"COLUMNS": "200"}).stdout
    assert set(re.findall(r"--[a-z][a-z-]+", section)) <= set(re.findall(r"--[a-z][a-z-]+", shown))


def test_every_option_of_replay_is_documented() -> None:
    """Its page names all of them, and no others but those of other programs."""
    command = [sys.executable, "-m", "logmetrics", "replay", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env={"COLUMNS": "200"}).stdout
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", shown)) - {"--help"}
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", DOCS["replay.md"]))
    assert options <= told
    assert told - options <= {"--storage", "--web"}


def status_fields(of: type) -> Iterator[str]:
    """The names in the JSON of a status, those of its parts too."""
    for name, hint in get_type_hints(of).items():
        yield name
        for part in (hint, *get_args(hint)):
            if is_dataclass(part):
                assert isinstance(part, type)
                yield from status_fields(part)


def test_every_field_of_the_status_is_documented() -> None:
    """By its name."""
    assert {name for name in status_fields(Status) if f"`{name}`" not in DOCS["status.md"]} == set()


def test_options_of_top_are_documented() -> None:
    """Its page names all of them and no others."""
    command = [sys.executable, "-m", "logmetrics", "top", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env={"COLUMNS": "200"}).stdout
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", shown)) - {"--help"}
    assert options == set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", DOCS["status.md"]))


def test_options_of_test_are_documented() -> None:
    """Its page names all of them, and those of other programs and commands beside it."""
    command = [sys.executable, "-m", "logmetrics", "test", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env={"COLUMNS": "200"}).stdout
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", shown)) - {"--help"}
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", DOCS["testing.md"]))
    assert options <= told
    assert told - options == {"--pack", "--tests", "--config"}


def test_keys_of_test_files_are_documented() -> None:
    """Each stands in its table."""
    schema = schema_of_tests()
    keys = {key for part in (schema, *schema["$defs"].values()) for key in part["properties"]}
    assert {key for key in keys if not re.search(rf"^\| `{key}[`:]", DOCS["testing.md"], re.MULTILINE)} == set()


@pytest.mark.parametrize("block", [block for block in yaml_examples(README, DOCS["testing.md"]) if "tests:" in block])
def test_test_files_in_the_docs_hold(block: str, tmp_path: Path) -> None:
    """They are run, beside the example config."""
    (tmp_path / "config.yaml").write_text((ROOT / "examples" / "config.yaml").read_text())
    (tmp_path / "t.yaml").write_text(block)
    assert [result.failures for result in run_file(load_tests(str(tmp_path / "t.yaml")))] == [()]


def config_keys() -> list[str]:
    schema = json_schema()
    keys: set[str] = set(schema["properties"])
    for definition in schema["$defs"].values():
        keys |= set(definition["properties"])
    return sorted(keys)


@pytest.mark.parametrize("key", config_keys())
def test_config_key_is_documented(key: str) -> None:
    """Every key stands in the configuration or the rules page."""
    assert re.search(rf"[`\s]{key}[`:]", DOCS["configuration.md"] + DOCS["rules.md"])


def test_what_only_a_start_reads_is_documented() -> None:
    """A reload tells the same."""
    [told] = re.findall(r"^- \*\*(.*)\*\* are read at the start only", DOCS["configuration.md"], re.MULTILINE)
    assert tuple(re.findall(r"`(\w+)`", told)) == AT_START_ONLY


def test_defaults_in_the_docs_are_the_defaults() -> None:
    """The tables of keys tell the real defaults of what is a plain number."""
    schema = json_schema()
    properties: dict[str, Any] = dict(schema["properties"])
    for part in ("LimitsModel", "AlertsModel"):
        properties |= schema["$defs"][part]["properties"]
    for key, told in re.findall(r"^\| `(\w+)` \| `([\d_]+)` \|", DOCS["configuration.md"], re.MULTILINE):
        assert properties[key]["default"] == int(told)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_is_documented(name: str) -> None:
    """Every function of the rule language has an example that the parser takes."""
    examples = re.findall(rf"`({name}\(.*?\))`", DOCS["rules.md"])
    assert examples
    for example in examples:
        parse_expression(example)


RECORD = b'{"x": "abc", "n": 5, "list": [1, 2], "at": "2026-01-01T00:00:00.5Z"}'
RESULTS = re.findall(r"^(\S.*?)  +(\S+)$", DOCS["rules.md"].split("```text\n")[1].split("```")[0], re.MULTILINE)


@pytest.mark.parametrize(("expression", "result"), RESULTS)
def test_example_gives_what_the_docs_say(expression: str, result: str) -> None:
    """Each is run on the record that stands above them."""
    metric = MetricSpec("x_total", "counter", "h", ("v",), raw=frozenset({"v"}))
    update = UpdateSpec("x_total", (), parse_expression("1"))
    rule = RuleSpec("r", None, None, {"v": parse_expression(expression)}, (update,))
    store = Store({"x_total": metric}, LimitsSpec())
    compile_rules(RuleSet({"x_total": metric}, (rule,)), "s", "json", store).apply([RECORD], Log("/a", "s"), 0.0)
    [(value,)] = store.families["x_total"].series
    assert value == result or float(value) == float(result)


def test_every_function_has_an_example_that_runs() -> None:
    """None is left out."""
    assert {name for name in FUNCTIONS if any(f"{name}(" in expression for expression, _ in RESULTS)} == set(FUNCTIONS)


@pytest.mark.parametrize("name", CONTEXT_NAMES)
def test_context_is_documented(name: str) -> None:
    """So is what an expression knows beside the record."""
    assert f"`{name}`" in DOCS["rules.md"]


@pytest.mark.parametrize("metric", SELF_METRICS, ids=lambda metric: metric.name)
def test_self_metric_is_documented(metric: Any) -> None:
    """Name, type and labels stand in the metrics page, and no others do."""
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    assert f"| `{metric.name}` | {metric.type} | {labels} |" in DOCS["metrics.md"]
    assert set(re.findall(r"`(logmetrics_\w+)`", DOCS["metrics.md"])) == {metric.name for metric in SELF_METRICS}


@pytest.mark.parametrize("name", builtin_packs())
def test_pack_is_documented(name: str) -> None:
    """A pack's page names each of its metrics."""
    for metric in builtin_packs()[name].rule_set.metrics:
        assert metric in DOCS[f"{name}.md"], metric


@pytest.mark.parametrize("name", BUCKET_PRESETS)
def test_preset_is_documented(name: str) -> None:
    """A preset's bounds are told as they are."""
    bounds = " ".join(f"{bound:.15g}" for bound in BUCKET_PRESETS[name])
    assert re.search(rf"^\| `{name}` \| {re.escape(bounds)}( \(.*\))? \|$", DOCS["configuration.md"], re.MULTILINE)


def test_metric_types_are_documented() -> None:
    """So are the types."""
    types = json_schema()["$defs"]["MetricModel"]["properties"]["type"]["enum"]
    assert ", ".join(f"`{name}`" for name in types) in DOCS["configuration.md"]


def test_example_config_is_sound() -> None:
    """The example config loads, and what the README shows of it is in the language."""
    assert load_config(str(ROOT / "examples" / "config.yaml"), builtin_packs()).sources


@pytest.mark.parametrize("block", yaml_examples(README, *DOCS.values()))
def test_yaml_examples_are_yaml(block: str) -> None:
    """Every YAML example can be read."""
    assert yaml.safe_load(block)


def test_links_lead_somewhere() -> None:
    """Every relative link in the README and the docs points at a file."""
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{path}: {target}"


def test_every_option_of_doctor_is_documented() -> None:
    """Its page names all of them."""
    command = [sys.executable, "-m", "logmetrics", "doctor", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env={"COLUMNS": "200"}).stdout
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", shown)) - {"--help"}
    assert options <= set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", DOCS["doctor.md"]))


def test_every_topic_of_doctor_is_documented() -> None:
    """In the order in which they are told."""
    source = (ROOT / "logmetrics/doctor/examination.py").read_text()
    topics = re.findall(r'^        \("(\w+)", lambda', source, re.MULTILINE)
    told = re.findall(r"^\| (\w+) \|", DOCS["doctor.md"].split("## What is looked at")[1], re.MULTILINE)
    assert told == ["topic", *topics]


def modules_told() -> set[str]:
    """The modules that the tables of the architecture name, as paths."""
    told = set()
    for room, rows in re.findall(
        r"^\| module(?: of `([\w/]+)/`)? \| holds \|\n((?:\|.*\n)+)", DOCS["architecture.md"], re.MULTILINE
    ):
        told |= {f"{room}/{name}".strip("/") for name in re.findall(r"`([\w/]+?)/?`", rows)}
    return told


def test_every_module_has_its_place_in_the_architecture() -> None:
    """In the table of its room, so that a newcomer finds it."""
    package = ROOT / "logmetrics"
    modules = {str(path.relative_to(package)).removesuffix(".py") for path in package.rglob("*/*.py")}
    wanted = {module for module in modules if not module.endswith("__init__") and not module.startswith("packs/")}
    told = modules_told()
    assert {module for module in wanted if module not in told and str(Path(module).parent) not in told} == set()


def test_every_module_in_the_architecture_is_there() -> None:
    """What the first column of a table names."""
    package = ROOT / "logmetrics"
    rooms = re.findall(r"^\| module of `([\w/]+)/` \| holds \|\n((?:\|.*\n)+)", DOCS["architecture.md"], re.MULTILINE)
    told = [f"{room}/{name}" for room, rows in rooms for row in rows.splitlines() for name in _first_column(row)]

    assert {name for name in told if not (package / f"{name}.py").exists() and not (package / name).is_dir()} == set()
    assert {name for name in told if told.count(name) > 1} == set()


def _first_column(row: str) -> list[str]:
    return re.findall(r"`([\w/]+?)/?`", row.split("|")[1])
