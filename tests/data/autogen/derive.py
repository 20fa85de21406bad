"""What AutoGen's events here amount to; run it to print expected.json.

The ends of calls and streams are the LLM calls; each has its tokens, and in Anthropic's own form of usage (which has
input_tokens) the cached ones come on top. Every ToolCall returned. Tools that raised an error are found in whatever
message tells of them, copies included, and each id of such a call counts once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, run


def name_of(agent_id: str | None) -> str:
    if agent_id is None:
        return "autogen"
    kind = agent_id.partition("/")[0]
    name, _, tail = kind.rpartition("_")
    try:
        UUID(tail)
    except ValueError:
        return kind
    return name


def executions(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if node.get("type") == "ToolCallExecutionEvent":
            yield node
        node = list(node.values())
    for child in node if isinstance(node, list) else ():
        yield from executions(child)


def derive(path: Path) -> Expectation:
    expected = Expectation()
    failed: set[tuple[str, str, str]] = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        event = json.loads(line[line.index("{") :])
        kind, who = event["type"], name_of(event.get("agent_id"))
        if kind in ("LLMCall", "LLMStreamEnd", "ToolCall"):
            expected.see(who, event["agent_id"] or "no agent")
        if kind == "ToolCall":
            expected.count("agent_tool_calls_total", who, event["tool_name"], "success")
        elif kind in ("LLMCall", "LLMStreamEnd"):
            response, usage = event["response"], event["response"]["usage"]
            expected.count("agent_llm_calls_total", who, response.get("model", "unknown"), "success")
            parts = usage.get("prompt_tokens_details") or {}
            read, written = parts.get("cached_tokens") or 0, parts.get("cache_write_tokens") or 0
            prompt = event["prompt_tokens"]
            if "input_tokens" in usage:
                read, written = usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]
                prompt += read + written
            reasoning = usage.get("completion_tokens_details", {}).get("reasoning_tokens")
            expected.tokens(who, prompt=prompt, completion=event["completion_tokens"])
            expected.tokens(who, prompt_cached=read, prompt_cache_write=written, completion_reasoning=reasoning)
        elif kind == "Message" and event["payload"].startswith("{"):
            for execution in executions(json.loads(event["payload"])):
                calls = [call for call in execution["content"] if call["is_error"]]
                failed |= {(execution["source"], call["name"], call["call_id"]) for call in calls}
    for who, tool, _ in failed:
        expected.count("agent_tool_calls_total", who, tool, "error")
    return expected


if __name__ == "__main__":
    run(__file__, "autogen", derive, "*.log")
