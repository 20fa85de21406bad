"""Lines of agents for the live benches, with the counts that they must come to; known from how they were made."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator

AGENTS = ("planner", "researcher", "coder", "reviewer", "tester", "browser", "summarizer", "router")
TOOLS = ("read_file", "write_file", "web_search", "shell", "python", "sql", "grep", "diff", "list_dir", "fetch")
WORDS = ("the", "agent", "found", "no", "cached", "plan", "for", "this", "step", "and", "will", "try", "again")

CONFIG = """
packs: []
sources:
  - {name: agents, paths: ["DIRECTORY"]}
metrics:
  log_lines_total: {type: counter, help: Lines by level, labels: [level]}
  agent_tool_calls_total: {type: counter, help: Tool calls, labels: [agent, tool_name, status]}
  agent_token_usage_total: {type: counter, help: Tokens, labels: [agent, token_type]}
  agent_tasks_total: {type: counter, help: Tasks, labels: [agent, status]}
  agent_llm_latency_seconds: {type: histogram, help: Latency, labels: [agent], buckets: [0.1, 0.5, 1, 2, 5, 10, 30]}
  agent_task_duration_seconds: {type: histogram, help: Tasks, labels: [agent], buckets: [0.1, 1, 5, 10, 60, 300, 600]}
rules:
  - {name: levels, when: has(level), labels: {level: level}, update: {log_lines_total: 1}}
  - name: tools
    when: event == "tool_call"
    labels: {agent: agent, tool_name: tool_name, status: status}
    update: {agent_tool_calls_total: 1}
  - name: llm
    when: event == "llm_call"
    labels: {agent: agent}
    update:
      agent_llm_latency_seconds: latency
      agent_token_usage_total{token_type="prompt"}: prompt_tokens
      agent_token_usage_total{token_type="completion"}: completion_tokens
  - name: end
    when: event == "task_end"
    labels: {agent: agent, status: status}
    update: {agent_tasks_total: 1, agent_task_duration_seconds: duration_s}
"""

MTAIL_PROGRAM = r"""
counter log_lines_total by level
counter agent_tool_calls_total by agent, tool_name, status
counter agent_token_usage_total by agent, token_type
counter agent_tasks_total by agent, status
histogram agent_llm_latency_seconds by agent buckets 0.1, 0.5, 1, 2, 5, 10, 30
histogram agent_task_duration_seconds by agent buckets 0.1, 1, 5, 10, 60, 300, 600
/"level": "(?P<level>[^"]*)"/ {
  log_lines_total[$level]++
}
/"event": "(?P<event>tool_call|llm_call|task_end)"/ {
  /"agent": "(?P<agent>[^"]*)"/ {
    $event == "tool_call" {
      /"tool_name": "(?P<tool_name>[^"]*)"/ {
        /"status": "(?P<status>[^"]*)"/ {
          agent_tool_calls_total[$agent][$tool_name][$status]++
        }
      }
    }
    $event == "llm_call" {
      /"latency": (?P<latency>[0-9.]+)/ {
        agent_llm_latency_seconds[$agent] = $latency
      }
      /"prompt_tokens": (?P<prompt>\d+)/ {
        agent_token_usage_total[$agent]["prompt"] += $prompt
      }
      /"completion_tokens": (?P<completion>\d+)/ {
        agent_token_usage_total[$agent]["completion"] += $completion
      }
    }
    $event == "task_end" {
      /"status": "(?P<end>[^"]*)"/ {
        agent_tasks_total[$agent][$end]++
      }
      /"duration_s": (?P<duration>[0-9.]+)/ {
        agent_task_duration_seconds[$agent] = $duration
      }
    }
  }
}
"""


def records() -> Iterator[dict[str, object]]:
    """Records without end, the same each time: tool calls, LLM calls, tasks, and 30 % that is no event."""
    draw = random.Random(7)
    for number in range(10**12):
        kind = draw.choices(("tool_call", "llm_call", "task_end", None), (30, 30, 10, 30))[0]
        status = "success" if draw.random() < 0.95 else "error"
        record: dict[str, object] = {
            "ts": f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.000Z",
            "level": "INFO" if status == "success" else "ERROR",
            "logger": "agent.core",
            "agent": draw.choice(AGENTS),
        }
        if kind is None:
            record["message"] = " ".join(draw.choices(WORDS, k=20))
        elif kind == "tool_call":
            record.update(event=kind, tool_name=draw.choice(TOOLS), status=status, duration_ms=draw.randrange(2000))
        elif kind == "llm_call":
            record.update(event=kind, latency=round(draw.expovariate(0.5), 4), model="llama3.1:8b", status=status)
            record.update(prompt_tokens=draw.randrange(9000), completion_tokens=draw.randrange(900))
        else:
            ended = "success" if status == "success" else "failure"
            record.update(event=kind, task=f"task-{number}", status=ended, duration_s=round(draw.expovariate(0.02), 2))
        record["session_id"] = f"{draw.getrandbits(64):016x}"
        record["trace_id"] = f"{draw.getrandbits(128):032x}"
        record["meta"] = {"host": f"node-{draw.randrange(6)}", "step": draw.randrange(40), "retry": 0}
        yield record


def line(record: dict[str, object]) -> bytes:
    return json.dumps(record).encode() + b"\n"


def expected(made: Iterable[dict[str, object]]) -> Counter[str]:
    """What every system must have counted of these records: the totals that all of them show."""
    totals: Counter[str] = Counter()
    for record in made:
        if record.get("event") == "tool_call":
            totals[f"tools {record['agent']} {record['tool_name']} {record['status']}"] += 1
        elif record.get("event") == "llm_call":
            totals["llm calls"] += 1
            totals[f"prompt tokens {record['agent']}"] += record["prompt_tokens"]  # type: ignore[operator]
        elif record.get("event") == "task_end":
            totals[f"tasks {record['status']}"] += 1
    return totals


def shown(values: dict[str, float]) -> Counter[str]:
    """The same totals as a page shows them, whose *values* are keyed by what stands before them."""
    totals: Counter[str] = Counter()
    for name, value in values.items():
        metric, _, labels = name.partition("{")
        label = dict(part.split("=", 1) for part in labels.removesuffix("}").replace('"', "").split(",") if part)
        key = ""
        if metric == "agent_tool_calls_total":
            key = f"tools {label['agent']} {label['tool_name']} {label['status']}"
        elif metric == "agent_llm_latency_seconds_count":
            key = "llm calls"
        elif metric == "agent_token_usage_total" and label["token_type"] == "prompt":
            key = f"prompt tokens {label['agent']}"
        elif metric == "agent_tasks_total":
            key = f"tasks {label['status']}"
        if key and value:
            totals[key] += int(value)
    return totals
