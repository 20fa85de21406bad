"""The whole exposition of every example log, byte for byte, and its numbers against those that were drawn."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parent.parent
LOGS = ROOT / "examples" / "logs"
GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(path.relative_to(LOGS) for path in LOGS.rglob("*") if path.is_file())
TOOL_STATUS = {"success": "success", "error": "error", "timeout": "error"}


def logmetrics(*arguments: str) -> str:
    """Standard output of a command that succeeds, and says no more on stderr than what each log was taken for."""
    command = [sys.executable, "-m", "logmetrics", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0
    assert all(line.startswith("logmetrics: examples/logs/") for line in done.stderr.splitlines())
    return done.stdout


def golden_of(path: Path) -> Path:
    return GOLDEN / f"{str(path).replace('/', '-')}.prom"


@pytest.mark.parametrize("path", FILES, ids=map(str, FILES))
def test_exposition_of_an_example(path: Path) -> None:
    """`make golden` writes these files anew; a change of any byte is a change of behaviour to look at."""
    assert logmetrics("watch", f"examples/logs/{path}", "--once") == golden_of(path).read_text()


def test_golden_files_are_those_of_the_examples() -> None:
    """No golden file is left over."""
    assert sorted(GOLDEN.iterdir()) == sorted(map(golden_of, FILES))


def test_replay_equals_watch_once() -> None:
    """Both read the same logs to the same totals, and print nothing else."""
    assert logmetrics("replay", "examples/logs", "--format", "prometheus") == logmetrics(
        "watch", "examples/logs", "--once"
    )


def test_replay_formats() -> None:
    """The table shows families by name; JSON holds every series."""
    table = logmetrics("replay", "examples/logs")
    document = json.loads(logmetrics("replay", "examples/logs", "--format", "json"))

    assert "agent_tool_calls_total" in table
    assert "researcher" in table
    families = {family["name"]: family for family in document}
    loads = families["ollama_model_load_duration_seconds"]["series"][0]
    assert loads["count"] == loads["buckets"]["+Inf"] == families["ollama_model_loads_total"]["series"][0]["value"]


def test_promtool_has_one_known_complaint() -> None:
    """`agent_active_count` is the guide's name, which the linter dislikes; there is nothing else."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.fail("promtool is missing; make test installs Debian's prometheus")
    page = logmetrics("watch", "examples/logs", "--once")
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, timeout=60)

    complaints = (done.stdout + done.stderr).strip().splitlines()
    assert complaints == ['agent_active_count non-histogram and non-summary metrics should not have "_count" suffix']


def test_numbers_are_those_that_were_drawn() -> None:
    """The script that wrote the logs knows the truth without parsing them."""
    done = subprocess.run(
        [sys.executable, "examples/make_logs.py", "--expect"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    truth = json.loads(done.stdout)
    page: dict[str, dict[frozenset[tuple[str, str]], float]] = defaultdict(dict)
    for family in text_string_to_metric_families(logmetrics("watch", "examples/logs", "--once")):
        for sample in family.samples:
            page[sample.name][frozenset(sample.labels.items())] = sample.value

    def value(name: str, **labels: str) -> float:
        return page[name].get(frozenset(labels.items()), 0)

    calls: dict[tuple[str, str, str], int] = defaultdict(int)
    for agent, tool, status, count in _leaves(truth["tool_calls"]):
        calls[agent, tool, TOOL_STATUS[status]] += count
    assert len(calls) == len(page["agent_tool_calls_total"])
    for (agent, tool, status), count in calls.items():
        assert value("agent_tool_calls_total", agent=agent, tool_name=tool, status=status) == count
    for agent, token_type, count in _leaves(truth["tokens"]):
        assert value("agent_token_usage_total", agent=agent, token_type=token_type) == count
    for agent, status, count in _leaves(truth["tasks"]):
        assert value("agent_tasks_total", agent=agent, status=status) == count
    for agent, level, count in _leaves(truth["records"]):
        assert value("agent_log_records_total", agent=agent, level=level.lower()) == count
    for name, key in (("agent_llm_latency_seconds", "llm_latency"), ("agent_task_duration_seconds", "task_duration")):
        for agent, drawn in truth[key].items():
            assert value(f"{name}_count", agent=agent) == drawn["count"]
            assert value(f"{name}_sum", agent=agent) == pytest.approx(drawn["sum_seconds"], abs=1e-6)
    cut = sum(kinds["cut_record"] for kinds in truth["malformed_lines"].values())
    assert value("logmetrics_source_unparsable_lines_total", source="logs") == cut
    loads = truth["ollama"]["model_loads"]
    assert value("ollama_model_loads_total") == loads["count"]
    assert value("ollama_model_load_duration_seconds_sum") == pytest.approx(loads["sum_seconds"], abs=1e-6)
    requests = sum(drawn["count"] for *_, drawn in _leaves(truth["ollama"]["requests"], depth=3))
    assert sum(page["ollama_requests_total"].values()) == requests


def _leaves(tree: dict[str, Any], depth: int = 99) -> list[tuple[Any, ...]]:
    """(key, ..., value) for each leaf at most *depth* keys deep."""
    if not isinstance(tree, dict) or depth == 0:
        return [(tree,)]
    return [(key, *rest) for key, inner in tree.items() for rest in _leaves(inner, depth - 1)]
