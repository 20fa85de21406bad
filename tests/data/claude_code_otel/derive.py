"""What Claude Code's log events here amount to; run it to print expected.json.

The events are put into a table by session, number within it, and time, so a batch that came twice is there once; each
kind of event is then summed up on its own. A tool that the user refused has a decision and no result, which is checked.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, Record, json_lines, run


def attributes(entry: Record) -> Record:
    return {item["key"]: value for item in entry["attributes"] for value in item["value"].values()}


def events_of(path: Path) -> list[Record]:
    table: dict[Any, Record] = {}
    for line in json_lines(path):
        for of_resource in line["resourceLogs"]:
            for of_scope in of_resource["scopeLogs"]:
                for entry in of_scope["logRecords"]:
                    if entry["body"]["stringValue"].startswith("claude_code."):
                        found = attributes(entry)
                        table[found["session.id"], found["event.sequence"], entry["timeUnixNano"]] = found
    return list(table.values())


def derive(path: Path) -> Expectation:
    expected = Expectation()
    events = events_of(path)
    for event in events:
        expected.see("claude-code", event["session.id"])

    for call in (event for event in events if event["event.name"] in ("api_request", "api_error")):
        who, failed = call.get("agent.name", "claude-code"), "error" in call
        expected.count("agent_llm_calls_total", who, call["model"], "error" if failed else "success")
        expected.observe("agent_llm_latency_seconds", int(call["duration_ms"]) / 1000, who)
        if not failed:
            read, written = int(call["cache_read_tokens"]), int(call["cache_creation_tokens"])
            given, made = int(call["input_tokens"]) + read + written, int(call["output_tokens"])
            expected.tokens(who, prompt=given, completion=made, prompt_cached=read, prompt_cache_write=written)

    results = {event.get("tool_use_id") for event in events if event["event.name"] == "tool_result"}
    for event in events:
        if event["event.name"] == "tool_result":
            mcp = json.loads(event.get("tool_parameters", "{}"))
            name = f"mcp__{mcp['mcp_server_name']}__{mcp['mcp_tool_name']}" if mcp else event["tool_name"]
            status = {"true": "success", "false": "error"}[event["success"]]
            expected.count("agent_tool_calls_total", "claude-code", name, status)
            expected.observe("agent_tool_duration_seconds", int(event["duration_ms"]) / 1000, "claude-code", name)
        elif event.get("decision") == "reject":
            assert event["tool_use_id"] not in results
            expected.count("agent_tool_calls_total", "claude-code", event["tool_name"], "error")
        elif event["event.name"] == "subagent_completed":
            expected.count("agent_tasks_total", event["agent_type"], "success")
            expected.observe("agent_task_duration_seconds", int(event["duration_ms"]) / 1000, event["agent_type"])
    return expected


if __name__ == "__main__":
    run(__file__, "claude-code-otel", derive)
