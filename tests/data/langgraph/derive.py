"""What LangGraph server's log lines here amount to; run it to print expected.json.

A run ends with the last of its lines that has run_exec_ms; an end that is followed by another attempt is none. Calls of
models are requests to addresses that are listed here, whatever came back. Tools are lines of the application about a
tool that tell how it went or how long it took; a line about the start of one does not count.
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, Record, json_lines, run

MODEL_PATHS = ("/v1/chat/completions", "/v1/messages", ":streamGenerateContent", "/x/chat/completions")
RUN_STATUS = {"succeeded": "success", "timed": "timeout"}
TOOL_STATUS = {"success": "success", "ok": "success", None: "error"}


def derive(path: Path) -> Expectation:
    expected = Expectation()
    ends: dict[str, Record] = {}
    for record in json_lines(path):
        who = record.get("graph_id", "langgraph")
        expected.count("agent_log_records_total", who, record["level"])
        if "thread_id" in record and "graph_id" in record:
            expected.see(who, record["thread_id"])
        event = record["event"].split()
        if "run_exec_ms" in record:
            ends[record["run_id"]] = record
        if event[:3] == ["HTTP", "Request:", "POST"] and urlsplit(event[3]).path.endswith(MODEL_PATHS):
            status = "success" if 200 <= int(event[5]) < 300 else "error"
            expected.count("agent_llm_calls_total", who, "unknown", status)
        if record["event"] == "llm_call":
            expected.observe("agent_llm_latency_seconds", record["latency_ms"] / 1000, who)
            expected.tokens(who, prompt=record["prompt_tokens"], completion=record["completion_tokens"])
        if record["event"] == "tool finished":
            expected.count("agent_tool_calls_total", who, record["tool_name"], TOOL_STATUS[record.get("status")])
            if "duration_ms" in record:
                expected.observe("agent_tool_duration_seconds", record["duration_ms"] / 1000, who, record["tool_name"])
    for end in ends.values():
        who, outcome = end.get("graph_id", "langgraph"), end["event"].split()[2]
        expected.count("agent_tasks_total", who, RUN_STATUS.get(outcome, "failure"))
        expected.observe("agent_task_duration_seconds", end["run_exec_ms"] / 1000, who)
    return expected


if __name__ == "__main__":
    run(__file__, "langgraph-server", derive, "*.log")
