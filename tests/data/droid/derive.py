"""What Droid's sessions and streams here amount to; run it to print expected.json.

Both forms are brought to one list of tools asked for and one of their results, with a time and an outcome each.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, Record, json_lines, run


def seconds(time: str | int) -> float:
    return time / 1000 if isinstance(time, int) else datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()


def outcome(failed: bool | None, exit_code: int | None) -> str:
    if failed is None:
        failed = None if exit_code is None else exit_code != 0
    return "unknown" if failed is None else "error" if failed else "success"


def blocks(records: list[Record], kind: str) -> list[tuple[Record, float]]:
    messages = [record for record in records if "message" in record]
    found = [(block, record["timestamp"]) for record in messages for block in record["message"]["content"]]
    return [(block, seconds(time)) for block, time in found if block["type"] == kind]


def derive(path: Path) -> Expectation:
    expected = Expectation()
    records = list(json_lines(path))
    expected.see("droid", records[0].get("session_id") or records[0]["id"])
    asked = {block["id"]: (block["name"], time) for block, time in blocks(records, "tool_use")}
    ended = {
        block["tool_use_id"]: (time, outcome(block.get("is_error"), None))
        for block, time in blocks(records, "tool_result")
    }
    for record in records:
        call = record.get("toolCallId") or record.get("id")
        if record["type"] == "tool_call":
            asked[call] = (record["toolName"], seconds(record["timestamp"]))
        if record["type"] == "tool_result":
            value = record["value"]
            exit_code = value.get("exitCode") if isinstance(value, dict) else None
            ended[call] = (seconds(record["timestamp"]), outcome(record.get("isError"), exit_code))
        if record["type"] == "completion":
            expected.count("agent_tasks_total", "droid", "success")
            if "durationMs" in record:
                expected.observe("agent_task_duration_seconds", record["durationMs"] / 1000, "droid")
            used = record.get("usage")
            if used:
                read, written = used["cache_read_input_tokens"], used["cache_creation_input_tokens"]
                prompt = used["input_tokens"] + read + written
                expected.tokens("droid", prompt=prompt, completion=used["output_tokens"])
                expected.tokens("droid", prompt_cached=read, prompt_cache_write=written)
    for call, (name, began) in asked.items():
        if call in ended:
            expected.count("agent_tool_calls_total", "droid", name, ended[call][1])
            expected.observe("agent_tool_duration_seconds", ended[call][0] - began, "droid", name)
    return expected


if __name__ == "__main__":
    run(__file__, "droid", derive)
