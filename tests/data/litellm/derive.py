"""What LiteLLM's records here amount to; run it to print expected.json.

A call is all payloads of one call id and start: a payload that stands twice is one call, a request that was tried
twice is two. Only calls that let a model write count: embeddings, reads of stored responses and tools of MCP servers
are not of them. A call that was answered from the cache is a call, but took no tokens and no time of a model. The
latency is the time until the end, also of a stream, where response_time would be the time to its first token. Tools
are what a model asked for; how they ended is unknown. Lines that are no payload are log lines, and have a level only.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, Record, json_lines, run


def writes_text(record: Record) -> bool:
    kind: str = record["call_type"].removeprefix("_").removeprefix("a")
    if kind == "pass_through_endpoint":
        return bool(record["completion_tokens"] > 0)
    # "nthropic_messages" is what is left of the one kind that begins with an a of its own.
    return kind in {"completion", "text_completion", "nthropic_messages", "anthropic_messages", "responses"}


def names_asked_for(response: dict[str, Any]) -> list[str]:
    messages = [choice["message"] for choice in response.get("choices", [])]
    names = [call["function"]["name"] for message in messages for call in message.get("tool_calls") or []]
    return names + [item["name"] for item in response.get("output", []) if item["type"] == "function_call"]


def derive(path: Path) -> Expectation:
    expected = Expectation()
    calls: dict[tuple[str, float], Record] = {}
    for record in json_lines(path):
        if "call_type" in record:
            calls[record.get("litellm_call_id", record["id"]), record["startTime"]] = record
        else:
            expected.count("agent_log_records_total", "litellm", record["level"].lower())
    for call in calls.values():
        about = call["metadata"]
        who = about.get("user_api_key_alias") or about.get("user_api_key_team_alias") or "litellm"
        seconds = call["endTime"] - call["startTime"]
        if call["call_type"] == "call_mcp_tool":
            expected.observe("agent_tool_duration_seconds", seconds, who, about["mcp_tool_call_metadata"]["name"])
        if not writes_text(call):
            continue
        status = {"success": "success", "failure": "error"}[call["status"]]
        expected.count("agent_llm_calls_total", who, call["model"], status)
        expected.see("litellm", call.get("session_id") or who)
        for name in names_asked_for(call["response"] or {}):
            expected.count("agent_tool_calls_total", who, name, "unknown")
        if call["cache_hit"]:
            continue
        expected.observe("agent_llm_latency_seconds", seconds, who)
        usage = about["usage_object"] or {}
        read_or_written = usage.get("prompt_tokens_details", {})
        expected.tokens(
            who,
            prompt=call["prompt_tokens"],
            completion=call["completion_tokens"],
            prompt_cached=read_or_written.get("cached_tokens"),
            prompt_cache_write=read_or_written.get("cache_creation_tokens"),
            completion_reasoning=usage.get("completion_tokens_details", {}).get("reasoning_tokens"),
        )
    return expected


if __name__ == "__main__":
    run(__file__, "litellm", derive)
