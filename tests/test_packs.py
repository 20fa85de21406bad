"""The packs on real logs: totals equal those worked out by other means, however the lines are cut into blocks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from logmetrics.config.expression import parse_expression
from logmetrics.config.loading import merge
from logmetrics.config.specs import LimitsSpec, MetricSpec, RuleSet, RuleSpec, UpdateSpec
from logmetrics.packs import builtin_packs
from logmetrics.rules.compile import compile_rules
from logmetrics.rules.log import Log
from logmetrics.store.store import Store

DATA = Path(__file__).parent / "data"
OLLAMA = json.loads((DATA / "ollama" / "expected.json").read_text())


def _counting(name: str, when: str, **labels: str) -> RuleSet:
    """A rule that counts what the packs fold or leave out."""
    metric = MetricSpec(name, "counter", "h", tuple(labels), raw=frozenset(labels))
    update = UpdateSpec(name, (), parse_expression("1"))
    trees = {label: parse_expression(text) for label, text in labels.items()}
    return RuleSet({name: metric}, (RuleSpec(name, "ollama", parse_expression(when), trees, (update,)),))


COUNTS = merge(
    [
        # The path as logged, where the pack has routes.
        _counting("paths_total", 'kind == "gin"', method="method", path='capture(request_path, "^([^?]*)")'),
        _counting("queries_total", 'kind == "gin" and "?" in request_path'),
        _counting("started_total", '"started in" in msg and kind == "slog"'),
        _counting("loaded_total", 'msg == "loaded runners"'),
    ]
)


def lines_of(path: Path) -> list[bytes]:
    lines = path.read_bytes().split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


def totals(
    lines: list[bytes], block_lines: int, source_format: str = "auto"
) -> Mapping[str, Mapping[tuple[str, ...], Any]]:
    """All packs' metrics over *lines*, given in blocks of *block_lines*."""
    rule_set = merge([*(pack.rule_set for pack in builtin_packs().values()), COUNTS])
    store = Store(rule_set.metrics, LimitsSpec())
    program = compile_rules(rule_set, "test", source_format, store)
    for start in range(0, len(lines), block_lines):
        program.apply(lines[start : start + block_lines], Log("/var/log/x.log", "test"), 0.0)
        store.fold()
    store.commit(0.0)
    found = {name: {} for name in rule_set.metrics}  # those of packs that nothing was counted of are not shown
    return found | {spec.name: {series.labels: frozen for series, frozen in rows} for spec, rows in store.view()[1]}


@pytest.mark.parametrize("name", OLLAMA)
def test_ollama_samples(name: str) -> None:
    """Requests, latency, levels, loads, tokens and truncations equal the counts of an independent script."""
    expected = OLLAMA[name]
    found = totals(lines_of(DATA / "ollama" / name), 100)

    status: Counter[str] = Counter()
    for (_, _, code), count in found["ollama_requests_total"].items():
        status[code] += count
    assert status == expected["by_status"]
    assert {f"{method} {path}": count for (method, path), count in found["paths_total"].items()} == expected[
        "by_method_path"
    ]
    latency = sum(total for _, total, _ in found["ollama_request_duration_seconds"].values())
    assert latency == pytest.approx(float(expected["latency_sum_seconds"]), abs=1e-6)
    levels = Counter(expected["slog_by_level"]) + Counter(expected["stdlog_by_level"])
    assert {level: count for (level,), count in found["ollama_log_messages_total"].items()} == levels
    assert found["queries_total"] == {(): expected["gin_with_query"]}
    assert found["started_total"] == {(): expected["started_lines"]}
    assert found["loaded_total"] == {(): expected["loaded_runners_lines"]}
    assert found["ollama_model_loads_total"] == {(): expected["model_loads"]}
    _, load_seconds, loads = found["ollama_model_load_duration_seconds"][()]
    assert (f"{load_seconds:.2f}", loads) == (expected["model_load_seconds"], expected["model_loads"])
    tokens = found["ollama_tokens_total"]
    assert tokens.get(("prompt",), 0) == expected["prompt_tokens"]
    assert tokens.get(("completion",), 0) == expected["output_tokens"]
    assert found["ollama_completions_total"] == {(): expected["timing_requests"]}
    assert found["ollama_prompts_truncated_total"] == {(): expected["truncations"]}
    assert sum(found["agent_log_records_total"].values()) == 0


@pytest.mark.parametrize("name", OLLAMA)
def test_ollama_samples_in_any_blocks(name: str) -> None:
    """Blocks of one line, of seven and of the whole file give the same, to the last digit."""
    lines = lines_of(DATA / "ollama" / name)

    assert totals(lines, 1) == totals(lines, 7) == totals(lines, len(lines))


@pytest.mark.parametrize("name", [name for name in OLLAMA if not name.startswith("001-")])
def test_format_ollama_equals_auto(name: str) -> None:
    """Naming the format gives what recognising it gives (001 has JSON lines of the runner, which only auto reads)."""
    lines = lines_of(DATA / "ollama" / name)

    assert totals(lines, 50, "ollama") == totals(lines, 50)


def test_failures_and_crashes() -> None:
    """Failed loads and crashed runners have a reason, never free text."""
    failed = totals(lines_of(DATA / "ollama" / "009-v0.3.6-journald-cuda-error.log"), 50)
    crashed = totals(lines_of(DATA / "ollama" / "054-v0.12.6-sigabrt-gotrace.log"), 50)

    assert failed["ollama_model_load_failures_total"] == {("crash",): 1}
    assert failed["ollama_runner_crashes_total"] == {("gpu_error",): 1}
    assert crashed["ollama_runner_crashes_total"] == {("exit_status",): 1}
    assert crashed["ollama_build_info"] == {("0.12.6",): 1}


GENERIC = ["bunyan", "loguru_serialize", "pino", "python_json_logger", "structlog_json", "winston"]


@pytest.mark.parametrize("name", GENERIC)
def test_generic_loggers(name: str) -> None:
    """The same events through six loggers give the same metrics, equal to a plain count of the records."""
    lines = lines_of(DATA / "generic" / f"{name}.log")
    events = [json.loads(line) for line in lines]
    events = [event["record"]["extra"] if name == "loguru_serialize" else event for event in events]
    found = totals(lines, 3)

    tools = [event for event in events if event["event_type"] == "tool_call"]
    calls = [event for event in events if event["event_type"] == "llm_call"]
    tasks = [event for event in events if event["event_type"] == "task_end"]
    words = {"success": "success", "error": "error", "timeout": "timeout", "failure": "failure", "failed": "failure"}
    assert tools and calls and tasks
    assert found["agent_tool_calls_total"] == Counter((e["agent"], e["tool_name"], e["status"]) for e in tools)
    assert found["agent_tasks_total"] == Counter((e["agent"], words[e["status"]]) for e in tasks)
    for agent in {event["agent"] for event in calls}:
        mine = [event for event in calls if event["agent"] == agent]
        _, latency, count = found["agent_llm_latency_seconds"][agent,]
        assert (latency, count) == (pytest.approx(sum(e["latency"] for e in mine)), len(mine))
        tokens = found["agent_token_usage_total"]
        assert tokens[agent, "prompt"] == sum(e["usage"]["prompt_tokens"] for e in mine)
        assert tokens[agent, "completion"] == sum(e["usage"]["completion_tokens"] for e in mine)
    assert sum(found["agent_log_records_total"].values()) == len(events)
    assert all(level != "unknown" for _, level in found["agent_log_records_total"])


def feed(*records: dict[str, Any]) -> Mapping[str, Mapping[tuple[str, ...], Any]]:
    return totals([json.dumps(record).encode() for record in records], 10)


@pytest.mark.parametrize(
    "record",
    [
        {"event": "tool_call", "agent": "a", "tool_name": "search", "status": "ok", "duration_ms": 1500},
        {"event_type": "tool_call", "agent_name": "a", "tool": "search", "success": True, "duration_s": 1.5},
        {
            "type": "tool_call",
            "agent": {"name": "a"},
            "tool": {"name": "search", "status": "success", "duration_ms": 1500},
        },
        {"event": "tool_end", "agent_id": "a", "tool_name": "search", "outcome": "completed", "elapsed_ms": "1500"},
    ],
    ids=["flat", "other spellings", "nested", "numbers as text"],
)
def test_spellings_of_a_tool_call(record: dict[str, Any]) -> None:
    """The usual spellings, flat and nested, mean the same."""
    found = feed(record)

    assert found["agent_tool_calls_total"] == {("a", "search", "success"): 1}
    assert found["agent_tool_duration_seconds"]["a", "search"][1:] == (1.5, 1)


def test_what_a_log_does_not_say_is_unknown() -> None:
    """No status is no success; an error field is an error; no agent has no name."""
    found = feed(
        {"event": "tool_call", "agent": "a", "tool_name": "t"},
        {"event": "tool_call", "agent": "a", "tool_name": "t", "error": "boom"},
        {"event": "tool_call", "tool_name": "t", "status": "weird"},
    )

    assert found["agent_tool_calls_total"] == {
        ("a", "t", "unknown"): 1,
        ("a", "t", "error"): 1,
        ("unknown", "t", "unknown"): 1,
    }


def test_active_agents() -> None:
    """Agents are told apart by id, else by name, and grouped by type."""
    found = feed(
        {"agent": "a", "agent_type": "llm"},
        {"agent": "a", "agent_type": "llm"},
        {"agent": {"name": "b", "type": "llm"}},
        {"agent": "c"},
    )

    assert found["agent_active_count"] == {("llm",): 2, ("unknown",): 1}
