"""What Kimi's wire logs here amount to; run it to print expected.json.

Kimi Code: one usage.record is one answer of a model; those of a turn say what the steps' ends say, which is checked,
and those of the session (compactions) stand alone. A request with an attempt follows a failed one. A step's end has the
time to the first token and of the stream. A turn is a prompt and, before the next one, the last thing that ended it.

Kimi CLI: of the statuses of one message the last is the message's. Events of sub-agents stand in files of their own.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, Record, json_lines, run

ENDS = {"end_turn": "success", "max_tokens": "failure", "filtered": "failure"}


def tokens(expected: Expectation, who: str, other: int, read: int, written: int, output: int) -> None:
    prompt = other + read + written
    expected.tokens(who, prompt=prompt, completion=output, prompt_cached=read, prompt_cache_write=written)


def tool(expected: Expectation, who: str, call: tuple[str, float], ended: float, failed: bool) -> None:
    expected.count("agent_tool_calls_total", who, call[0], "error" if failed else "success")
    expected.observe("agent_tool_duration_seconds", round(ended - call[1], 6), who, call[0])


def of_kimi_code(records: list[Record], key: str) -> Expectation:
    expected = Expectation()
    profiles = {record["profileName"] for record in records if "profileName" in record} - {"agent"}
    who = profiles.pop() if profiles else "kimi"
    expected.see("kimi", key)
    told = [record for record in records if record["type"] == "usage.record"]
    loop = [(record["event"], record["time"]) for record in records if record["type"] == "context.append_loop_event"]
    ends = [event for event, _ in loop if event["type"] == "step.end"]
    assert [record["usage"] for record in told if record["usageScope"] == "turn"] == [end["usage"] for end in ends]
    for record in told:
        used = record["usage"]
        tokens(expected, who, *(used[k] for k in ("inputOther", "inputCacheRead", "inputCacheCreation", "output")))
        expected.count("agent_llm_calls_total", who, record["model"], "success")
    for record in records:
        if record["type"] == "llm.request" and "attempt" in record:
            expected.count("agent_llm_calls_total", who, record["modelAlias"], "error")
    for end in ends:
        seconds = (end["llmFirstTokenLatencyMs"] + end["llmStreamDurationMs"]) / 1000
        expected.observe("agent_llm_latency_seconds", seconds, who)
    results = {event["toolCallId"]: (event, time) for event, time in loop if event["type"] == "tool.result"}
    for event, time in loop:
        if event["type"] == "tool.call" and event["toolCallId"] in results:
            result, ended = results[event["toolCallId"]]
            failed = result["result"].get("isError", False)
            tool(expected, who, (event["name"], time / 1000), ended / 1000, failed)
    prompts = [place for place, record in enumerate(records) if record["type"] == "turn.prompt"]
    for start, stop in zip(prompts, [*prompts[1:], len(records)], strict=True):
        ended = [record for record in records[start:stop] if outcome(record)]
        if ended:
            expected.count("agent_tasks_total", who, outcome(ended[-1]))
            seconds = (ended[-1]["time"] - records[start]["time"]) / 1000
            expected.observe("agent_task_duration_seconds", seconds, who)
    return expected


def outcome(record: Record) -> str:
    """How the turn ended with *record*, or an empty text."""
    if record["type"] == "turn.cancel":
        return "failure"
    return ENDS.get(record.get("event", {}).get("finishReason"), "")


def of_kimi_cli(records: list[Record], key: str) -> Expectation:
    expected = Expectation()
    expected.see("kimi", key)
    statuses: dict[object, dict[str, int]] = {}
    calls: dict[str, tuple[str, float]] = {}
    began = 0.0
    for place, record in enumerate(records[1:]):
        time, kind, payload = record["timestamp"], record["message"]["type"], record["message"]["payload"]
        if kind == "StatusUpdate" and payload["token_usage"]:
            statuses[payload["message_id"] or place] = payload["token_usage"]
        elif kind == "ToolCall":
            calls[payload["id"]] = (payload["function"]["name"], time)
        elif kind == "ToolResult":
            tool(expected, "kimi", calls[payload["tool_call_id"]], time, payload["return_value"]["is_error"])
        elif kind == "TurnBegin":
            began = time
        elif kind == "TurnEnd":
            expected.count("agent_tasks_total", "kimi", "success")
            expected.observe("agent_task_duration_seconds", time - began, "kimi")
    for used in statuses.values():
        kinds = ("input_other", "input_cache_read", "input_cache_creation", "output")
        tokens(expected, "kimi", *(used[kind] for kind in kinds))
        expected.count("agent_llm_calls_total", "kimi", "unknown", "success")
    return expected


def derive(path: Path) -> Expectation:
    records = list(json_lines(path))
    return (of_kimi_cli if "message" in records[1] else of_kimi_code)(records, path.name)


if __name__ == "__main__":
    run(__file__, "kimi", derive)
