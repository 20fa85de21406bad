"""What Codex's rollouts here amount to; run it to print expected.json.

Tokens are totals of the session, written again and again: the sum of the steps between totals that differ, and where a
total fell, what the record's last step says. A tool call is a call and the output with its call_id; blanked times
(the makers of a sample did that) have no duration. A session that names a parent begins with a copy of the parent's
records, with times within a second of its own first record: that copy counts nothing, and its last total is where the
session's own steps begin.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, Record, json_lines, run, seconds_between

TOKENS = {
    "prompt": "input_tokens",
    "completion": "output_tokens",
    "prompt_cached": "cached_input_tokens",
    "completion_reasoning": "reasoning_output_tokens",
}
STATUS = {"completed": "success", "failed": "error"}


def parted(records: list[Record]) -> tuple[list[Record], list[Record]]:
    """The records that were copied from a parent, and the session's own."""
    metas = [record for record in records if record["type"] == "session_meta"]
    own = metas[0]["payload"] if metas else {}
    if not own.get("forked_from_id") and "parent_thread_id" not in json.dumps(own.get("source", "")):
        return [], records
    copied = [r for r in records if seconds_between(metas[0]["timestamp"], r["timestamp"]) < 1]
    return copied, [record for record in records if record not in copied]


def derive(path: Path) -> Expectation:
    expected = Expectation()
    records = list(json_lines(path))
    copied, own = parted(records)
    meta = next((record["payload"] for record in records if record["type"] == "session_meta"), {})
    who, session = meta.get("agent_role") or "codex", meta.get("id") or path.stem
    if any(record["type"] in ("event_msg", "response_item", "turn_context") for record in records):
        expected.see("codex", session)
    counts = [r["payload"]["info"] for r in records if r["payload"].get("type") == "token_count" and r["payload"]["info"]]
    old = sum(record["payload"].get("type") == "token_count" for record in copied)
    before = counts[old - 1]["total_token_usage"] if old else {}
    for info in counts[old:]:
        total, last = info["total_token_usage"], info["last_token_usage"]
        for name, key in TOKENS.items():
            step = total.get(key, 0) - before.get(key, 0)
            expected.tokens(who, **{name: last[key] if step < 0 else step})
        before = total
    asked: dict[str, tuple[str, str]] = {}
    for record in own:
        payload, kind = record["payload"], record["payload"].get("type")
        if kind in ("function_call", "custom_tool_call"):
            asked[payload["call_id"]] = (payload["name"], record["timestamp"])
        if kind in ("function_call_output", "custom_tool_call_output") and payload["call_id"] in asked:
            name, began = asked.pop(payload["call_id"])
            found = re.search(r"exited with code (-?\d+)|\"exit_code\": ?(-?\d+)", json.dumps(payload["output"]))
            code = found and (found[1] or found[2])
            status = "unknown" if code is None else "success" if code == "0" else "error"
            expected.count("agent_tool_calls_total", who, name, status)
            if record["timestamp"][:1].isdigit():
                seconds = seconds_between(began, record["timestamp"])
                expected.observe("agent_tool_duration_seconds", seconds, who, name)
        if kind in ("web_search_call", "image_generation_call"):
            expected.count("agent_tool_calls_total", who, kind, STATUS.get(payload.get("status"), "unknown"))
        if kind in ("task_complete", "turn_aborted"):
            failed = kind == "turn_aborted" or payload.get("error")
            expected.count("agent_tasks_total", who, "failure" if failed else "success")
            expected.observe("agent_task_duration_seconds", payload["duration_ms"] / 1000, who)
    return expected


if __name__ == "__main__":
    run(__file__, "codex", derive)
