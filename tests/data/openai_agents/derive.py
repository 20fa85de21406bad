"""What the spans of the OpenAI Agents SDK here amount to; run it to print expected.json.

The last record of a span id is the span. Tokens are summed from the spans of model calls, and, where a trace has spans
of turns, must come to the same as these say. No span of a call or a tool names its agent, so these belong to the SDK as
a whole; runs belong to the agents they name.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, Record, json_lines, run, seconds_between

SDK = "openai-agents"


def derive(path: Path) -> Expectation:
    expected = Expectation()
    spans: dict[str, Record] = {record["id"]: record for record in json_lines(path) if "span_data" in record}
    of_calls: Counter[str] = Counter()
    of_turns: Counter[str] = Counter()
    for span in spans.values():
        data, seconds = span["span_data"], seconds_between(span["started_at"], span["ended_at"])
        good = span["error"] is None
        outcome = "success" if good else "error"
        turn = data["data"] if data["type"] == "custom" and "agent_name" in data["data"] else None
        if turn:
            expected.see(turn["agent_name"], span["trace_id"])
            of_turns[span["trace_id"]] += turn.get("usage", {}).get("output_tokens", 0)
        elif data["type"] == "agent":
            expected.see(data["name"], span["trace_id"])
            expected.count("agent_tasks_total", data["name"], "success" if good else "failure")
            expected.observe("agent_task_duration_seconds", seconds, data["name"])
        elif data["type"] == "function":
            expected.count("agent_tool_calls_total", SDK, data["name"], outcome)
            expected.observe("agent_tool_duration_seconds", seconds, SDK, data["name"])
        elif data["type"] in ("generation", "response"):
            expected.count("agent_llm_calls_total", SDK, data.get("model", "unknown"), outcome)
            expected.observe("agent_llm_latency_seconds", seconds, SDK)
            usage = data.get("usage") or {}
            of_calls[span["trace_id"]] += usage.get("output_tokens", 0)
            expected.tokens(
                SDK,
                prompt=usage.get("input_tokens"),
                completion=usage.get("output_tokens"),
                prompt_cached=usage.get("input_tokens_details", {}).get("cached_tokens"),
                prompt_cache_write=usage.get("input_tokens_details", {}).get("cache_write_tokens"),
                completion_reasoning=usage.get("output_tokens_details", {}).get("reasoning_tokens"),
            )
    for trace, output in of_turns.items():
        assert output == of_calls[trace], trace
    return expected


if __name__ == "__main__":
    run(__file__, SDK, derive)
