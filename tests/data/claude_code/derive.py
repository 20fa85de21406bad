"""What Claude Code's transcripts here amount to; run it to print expected.json.

An API message is all assistant lines of one message id; of each figure of its usage the greatest counts, whatever the
order. A tool call is a tool_use block and the tool_result that names its id; blocks without a partner do not count.
A line of the type progress holds whole messages of a sub-agent, which its own file has too: only lines whose own type
is assistant or user count.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, json_lines, run, seconds_between


def derive(path: Path) -> Expectation:
    expected = Expectation()
    usage: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    agents: dict[str, str] = {}
    models: dict[str, str] = {}
    asked: dict[str, tuple[str, str, str]] = {}
    for record in json_lines(path):
        kind, message = record.get("type"), record.get("message") or {}
        who = record.get("attributionAgent", "claude-code")
        if kind in ("user", "assistant"):
            agent_type = "subagent" if record.get("isSidechain") else "claude-code"
            expected.see(agent_type, record.get("agentId") or record["sessionId"])
        if kind == "assistant":
            failed = record.get("isApiErrorMessage") is True
            if failed:
                expected.count("agent_llm_calls_total", who, "unknown", "error")
            if "usage" in message and message.get("model") != "<synthetic>":
                agents.setdefault(message["id"], who)
                for name, value in message["usage"].items():
                    if isinstance(value, int):
                        usage[message["id"]][name] = max(usage[message["id"]][name], value)
                if not failed:
                    # The makers of a sample blanked ids and models; one id is one call, the first line's.
                    models.setdefault(message["id"], message.get("model", "unknown"))
        content = message.get("content")
        for block in content if isinstance(content, list) and kind in ("assistant", "user") else ():
            if block.get("type") == "tool_use" and "id" in block:
                asked[block["id"]] = (block["name"], record["timestamp"], who)
            elif block.get("type") == "tool_result" and block.get("tool_use_id") in asked:
                name, began, caller = asked.pop(block["tool_use_id"])
                status = "error" if block.get("is_error") is True else "success"
                expected.count("agent_tool_calls_total", caller, name, status)
                seconds = seconds_between(began, record["timestamp"])
                expected.observe("agent_tool_duration_seconds", seconds, caller, name)
        if record.get("subtype") == "turn_duration":
            expected.count("agent_tasks_total", who, "success")
            expected.observe("agent_task_duration_seconds", record["durationMs"] / 1000, who)
    for message_id, model in models.items():
        expected.count("agent_llm_calls_total", agents[message_id], model, "success")
    for message_id, figures in usage.items():
        read, written = figures["cache_read_input_tokens"], figures["cache_creation_input_tokens"]
        expected.tokens(
            agents[message_id],
            prompt=figures["input_tokens"] + read + written,
            completion=figures["output_tokens"],
            prompt_cached=read,
            prompt_cache_write=written,
        )
    return expected


if __name__ == "__main__":
    run(__file__, "claude-code", derive)
