"""What the guides show is what works: configs load, rules for Prometheus are sound, options of commands exist."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from logmetrics.cli.app import app
from logmetrics.config.loading import load_config
from logmetrics.config.model import json_schema
from logmetrics.packs import builtin_packs

ROOT = Path(__file__).parent.parent
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
# The tutorial is run as it stands, by test_tutorial.py.
PAGES = [*GUIDES, *(ROOT / "docs" / f"{name}.md" for name in ("index", "watch", "operations", "faq"))]
KEYS = set(json_schema()["properties"])
# What other programs' files begin with.
OTHERS = ({"apiVersion", "kind", "metadata"}, {"services"}, {"scrape_configs"}, {"groups"})


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)


def yaml_blocks() -> list[Any]:
    return [
        pytest.param(block, id=f"{path.stem}-{number}")
        for path in GUIDES
        for number, block in enumerate(blocks(path, "yaml"))
    ]


def config_in(block: str) -> str:
    """The config of logmetrics in a block, if there is one."""
    content = yaml.safe_load(block)
    if content.get("kind") == "ConfigMap":
        return str(content["data"]["config.yaml"])
    return block if content.keys() <= KEYS else ""


@pytest.mark.parametrize("block", yaml_blocks())
def test_block_is_sound(block: str, tmp_path: Path) -> None:
    """A config loads and passes check; a file of another program is known to be one."""
    config = config_in(block)
    if not config:
        assert any(keys <= yaml.safe_load(block).keys() for keys in OTHERS)
        return
    file = tmp_path / "config.yaml"
    file.write_text(config)
    assert load_config(str(file), builtin_packs()).sources
    checked = CliRunner().invoke(app, ["check", "--config", str(file)])
    assert checked.exit_code == 0, checked.output


def once(guide: str, block: int, log: str, tmp_path: Path) -> str:
    """What `watch --once` prints with a config of a guide and a log."""
    (tmp_path / "some.log").write_text(log)
    (tmp_path / "config.yaml").write_text(blocks(ROOT / "docs" / "guides" / guide, "yaml")[block])
    command = [sys.executable, "-m", "logmetrics", "watch", "--once", "--config", "config.yaml"]
    config = (tmp_path / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(re.sub(r"paths: \[.*?\]", f"paths: [{tmp_path}/some.log]", config))
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment).stdout


def test_json_guide(tmp_path: Path) -> None:
    """Its config makes of its lines what it says."""
    path = ROOT / "docs" / "guides" / "custom-json.md"
    (log,) = blocks(path, "json")
    told = path.read_text().split("What comes out:")[1].split("```")[1].strip().splitlines()
    shown = once(path.name, 0, log, tmp_path).splitlines()
    assert [line for line in shown if re.match(r"crawler_\w+_total\{", line)] == told
    assert 'crawler_page_duration_seconds_sum{site="docs"} 0.84' in shown


def test_regex_guide(tmp_path: Path) -> None:
    """So does that one's."""
    path = ROOT / "docs" / "guides" / "regex-logs.md"
    (log,) = (block for block in blocks(path, "") if block.startswith("2026"))
    shown = once(path.name, 0, log, tmp_path)
    assert 'steps_total{step="fetch",status="success"} 1' in shown
    assert 'steps_total{step="parse",status="error"} 1' in shown
    assert 'step_duration_seconds_sum{step="fetch"} 0.84' in shown


def test_secrets_guide(tmp_path: Path) -> None:
    """Only causes that it names become labels."""
    lines = [{"status": "error", "agent": "a", "error": {"type": kind}} for kind in ("Timeout", "sk-123", "Timeout")]
    shown = once("secrets.md", 0, "".join(json.dumps(line) + "\n" for line in lines), tmp_path)
    told = [line for line in shown.splitlines() if line.startswith("agent_failures_total{")]
    assert told == [
        'agent_failures_total{agent="a",cause="other"} 1',
        'agent_failures_total{agent="a",cause="timeout"} 2',
    ]


@pytest.mark.parametrize(
    ("number", "line", "shown"),
    [
        (
            0,
            '{"event": "tool_call", "agent": "a", "tool_name": "b"}',
            'agent_tool_calls_total{agent="a",tool_name="b"} 1',
        ),
        (1, "2026 tool=grep took=0.5s", 'tool_duration_seconds_sum{tool="grep"} 0.5'),
    ],
    ids=["mtail", "grok_exporter"],
)
def test_migration_guide(number: int, line: str, shown: str, tmp_path: Path) -> None:
    """Its configs count."""
    assert shown in once("migrate.md", number, line + "\n", tmp_path)


def test_token_budget_rules(tmp_path: Path) -> None:
    """promtool takes them."""
    if shutil.which("promtool") is None:
        assert os.environ.get("CI") != "true", "promtool is missing"
        pytest.skip("promtool is missing; scripts/test_tools.sh installs it")
    file = tmp_path / "token-budget.yaml"
    file.write_text(blocks(ROOT / "docs" / "guides" / "token-budget.md", "yaml")[1])
    checked = subprocess.run(
        ["promtool", "check", "rules", "--lint=all", "--lint-fatal", file], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@lru_cache
def options(command: str) -> set[str]:
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", shown))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_options_exist(path: Path) -> None:
    """Each command that stands in a block, or behind a pipe in one, takes the options that it is given."""
    text = "\n".join(blocks(path, "(?:sh|ini|dockerfile)?")).replace("\\\n", " ")
    for name, rest in re.findall(r"(?:^|[|/] ?|sudo |\$ |=\S*/)logmetrics ([a-z]+)([^|>#\n]*)", text, re.MULTILINE):
        given = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest))
        assert given <= options(name), f"logmetrics {name}{rest}"
