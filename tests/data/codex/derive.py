"""What Codex's rollouts here amount to; run it to print expected.json.

Tokens are totals of the session, written again and again: the sum of the steps between totals that differ, and where a
total fell, what the record's last step says. A tool call is a call and the output with its call_id; blanked times
(the makers of a sample did that) have no duration.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, json_lines, run, seconds_between

TOKENS = {
    "prompt": "input_tokens",
    "completion": "output_tokens",
    "prompt_cached": "cached_input_tokens",
    "completion_reasoning": "reasoning_output_tokens",
}
STATUS = {"completed": "success", "failed": "error"}


def derive(path: Path) -> Expectation:
    expected = Expectation()
    before: dict[str, int] = {}
    asked: dict[str, tuple[str, str]] = {}
    who, session = "codex", path.stem
    for record in json_lines(path):
        payload, kind = record["payload"], record["payload"].get("type")
        if record["type"] == "session_meta":
            who, session = payload.get("agent_role") or who, payload.get("id") or session
        if record["type"] in ("event_msg", "response_item", "turn_context"):
            expected.see("codex", session)
        if kind == "token_count" and payload.get("info"):
            total, last = payload["info"]["total_token_usage"], payload["info"]["last_token_usage"]
            for name, key in TOKENS.items():
                step = total.get(key, 0) - before.get(key, 0)
                expected.tokens(who, **{name: last[key] if step < 0 else step})
            before = total
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
