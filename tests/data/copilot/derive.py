"""What Copilot CLI's events here amount to; run it to print expected.json.

An answer is one call of a model; events with the same apiCallId are one answer, and tell its output tokens again. The
tokens that a model was given stand in session.shutdown, apart for those read from and written to the cache; here each
of these ends a run of its own (its sessionStartTime), so they add up. A tool's name stands where it starts and how it
went where it completes: every complete is looked up among the starts before it, each start once. The makers of a
sample blanked ids and times: blanked ids are equal, blanked times have no difference.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, Record, json_lines, run, seconds_between

AGENT = "copilot-cli"


def tools(records: list[Record], expected: Expectation) -> None:
    starts = [(place, record) for place, record in enumerate(records) if record["type"] == "tool.execution_start"]
    for place, record in enumerate(records):
        data = record["data"]
        if record["type"] == "tool.execution_complete":
            found = [s for s in starts if s[0] < place and s[1]["data"]["toolCallId"] == data["toolCallId"]]
            if found:
                starts.remove(found[-1])
                start = found[-1][1]
                name = start["data"]["toolName"]
                expected.count("agent_tool_calls_total", AGENT, name, "success" if data["success"] else "error")
                took = data.get("toolTelemetry", {}).get("metrics", {}).get("durationMs")
                if took is not None:
                    expected.observe("agent_tool_duration_seconds", took / 1000, AGENT, name)
                elif record["timestamp"][:1].isdigit():
                    seconds = seconds_between(start["timestamp"], record["timestamp"])
                    expected.observe("agent_tool_duration_seconds", seconds, AGENT, name)


def derive(path: Path) -> Expectation:
    expected = Expectation()
    records = list(json_lines(path))
    session = records[0]["data"]["sessionId"]
    answers: dict[str, tuple[str, int]] = {}
    model = "unknown"
    for record in records:
        kind, data = record["type"], record["data"]
        model = data.get("newModel") or data.get("chosenModel") or data.get("selectedModel") or model
        parent = data.get("parentToolCallId")
        if kind in ("user.message", "assistant.message") or kind.startswith("tool.execution"):
            expected.see("subagent" if parent else AGENT, parent or session)
        if kind == "assistant.message":
            answer = data.get("apiCallId") or data["messageId"]
            used = data.get("model") or ("unknown" if parent else model)
            answers.setdefault(answer, (used, data["outputTokens"]))
        if kind == "session.error" and "statusCode" in data:
            expected.count("agent_llm_calls_total", AGENT, model, "error")
        if kind == "session.shutdown":
            told = {name: detail["tokenCount"] for name, detail in data["tokenDetails"].items()}
            read, written = told.get("cache_read", 0), told.get("cache_write", 0)
            prompt = told["input"] + read + written
            expected.tokens(AGENT, prompt=prompt, prompt_cached=read, prompt_cache_write=written)
        if kind in ("subagent.completed", "subagent.failed"):
            status = "success" if kind == "subagent.completed" else "failure"
            expected.count("agent_tasks_total", data["agentName"], status)
            expected.observe("agent_task_duration_seconds", data["durationMs"] / 1000, data["agentName"])
        if kind == "session.task_complete":
            expected.count("agent_tasks_total", AGENT, "success" if data["success"] else "failure")
    for used, output in answers.values():
        expected.count("agent_llm_calls_total", AGENT, used, "success")
        expected.tokens(AGENT, completion=output)
    tools(records, expected)
    return expected


if __name__ == "__main__":
    run(__file__, "copilot-cli", derive)
