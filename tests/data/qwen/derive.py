"""What Qwen Code's chats here amount to; run it to print expected.json.

Lines copied from another chat (forkedFrom) are that chat's. Every answer of a model is a line of the type assistant,
and one call; what it gave is all tokens less those it was given, or what the line says when there is no total. A tool's
call is asked for in one line (functionCall) and answered in another; this counts the asked ones that have an answer.
Durations, and calls that failed, stand in ui_telemetry only.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, json_lines, run


def derive(path: Path) -> Expectation:
    expected = Expectation()
    asked: dict[str, str] = {}
    for record in json_lines(path):
        if "forkedFrom" in record:
            continue
        who = record.get("agentName", "qwen-code")
        parts = record.get("message", {}).get("parts", [])
        if record["type"] != "system":
            sub = record.get("isSidechain", False)
            expected.see("subagent" if sub else "qwen-code", record["agentId"] if sub else record["sessionId"])
        if record["type"] == "assistant":
            expected.count("agent_llm_calls_total", who, record["model"], "success")
            used = record.get("usageMetadata")
            if used:
                expected.tokens(
                    who,
                    prompt=used["promptTokenCount"],
                    completion=used["totalTokenCount"] - used["promptTokenCount"],
                    prompt_cached=used.get("cachedContentTokenCount"),
                    completion_reasoning=used.get("thoughtsTokenCount"),
                )
        for part in parts:
            if "functionCall" in part:
                asked[part["functionCall"]["id"]] = part["functionCall"]["name"]
        if record["type"] == "tool_result":
            answer = record["toolCallResult"]
            status = "success" if answer["status"] == "success" else "error"
            expected.count("agent_tool_calls_total", who, asked.pop(answer["callId"]), status)
        event = record.get("systemPayload", {}).get("uiEvent", {})
        if event:
            caller = event.get("subagent_type", "qwen-code")
            seconds = event["duration_ms"] / 1000
            if "function_name" in event:
                expected.observe("agent_tool_duration_seconds", seconds, caller, event["function_name"])
            else:
                expected.observe("agent_llm_latency_seconds", seconds, caller)
                if "error_message" in event:
                    expected.count("agent_llm_calls_total", caller, event["model"], "error")
    return expected


if __name__ == "__main__":
    run(__file__, "qwen", derive)
