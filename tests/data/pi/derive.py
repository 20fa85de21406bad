"""What sessions of pi and OpenClaw here amount to; run it to print expected.json.

What is older than its session was copied from another one. An answer's tokens add up to its totalTokens, which is
checked. It was asked for at the time in its message, and complete at that of its entry. A tool ran from the entry that
asked for it to the entry of its result; a sample has no list in its result, which the pack cannot pair. That sample,
made by hand, tells no usage either: then an answer is not known to be a model's.
"""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, json_lines, run, seconds_between

FAILED = ("error", "aborted")


def derive(path: Path) -> Expectation:
    expected = Expectation()
    header, *entries = json_lines(path)
    own = [entry for entry in entries if "parentSession" not in header or entry["timestamp"] >= header["timestamp"]]
    asked = {}
    for entry in own:
        message = entry.get("message")
        if message is None:
            continue
        expected.see("pi", header["id"])
        used = message.get("usage")
        if used and message["model"] != "delivery-mirror":
            status = "error" if message["stopReason"] in FAILED else "success"
            expected.count("agent_llm_calls_total", "pi", message["model"], status)
            prompt, read, written = used["totalTokens"] - used["output"], used["cacheRead"], used["cacheWrite"]
            assert prompt == used["input"] + read + written
            expected.tokens("pi", prompt=prompt, completion=used["output"])
            expected.tokens("pi", prompt_cached=read, prompt_cache_write=written)
            began = datetime.fromtimestamp(message["timestamp"] / 1000, timezone.utc).isoformat()
            expected.observe("agent_llm_latency_seconds", seconds_between(began, entry["timestamp"]), "pi")
        if message["role"] == "assistant":
            asked |= {block["id"]: entry["timestamp"] for block in message["content"] if block["type"] == "toolCall"}
        if message["role"] == "toolResult":
            name = message["toolName"]
            expected.count("agent_tool_calls_total", "pi", name, "error" if message["isError"] else "success")
            if isinstance(message["content"], list):
                seconds = seconds_between(asked[message["toolCallId"]], entry["timestamp"])
                expected.observe("agent_tool_duration_seconds", seconds, "pi", name)
    return expected


if __name__ == "__main__":
    run(__file__, "pi", derive)
