"""What Gemini CLI's files here amount to; run it to print expected.json.

Chat: read to its end, the last line of each message id is the message (a rewind takes back what was said, not what was
used). Its tokens: input and tool are what the model was given, output and thoughts what it gave; Google's total is the
sum of these four, which is checked. One message with tokens is one call of a model. Tool calls that ended count.

Telemetry: what the program logs as gemini_cli.*; records of other names, spans and metrics say the same again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, Record, run

ENDED = {"success": "success", "error": "error", "cancelled": "error"}
TASKS = {"GOAL": "success", "TIMEOUT": "timeout"}


def objects(text: str) -> Iterator[Record]:
    """One object after another, over however many lines each goes."""
    decoder, text = json.JSONDecoder(), text.strip()
    while text:
        record, end = decoder.raw_decode(text)
        yield record
        text = text[end:].lstrip()


def tokens(expected: Expectation, figures: tuple[int, int, int, int, int]) -> None:
    given, tool, cached, answer, thought = figures
    expected.tokens(
        "gemini-cli",
        prompt=given + tool,
        prompt_cached=cached,
        completion=answer + thought,
        completion_reasoning=thought,
    )


def of_chat(records: list[Record]) -> Expectation:
    expected = Expectation()
    header = records[0]
    messages = {record["id"]: record for record in records if "id" in record}
    kind = "subagent" if header["kind"] == "subagent" else "gemini-cli"
    expected.see(kind, header["sessionId"])
    for message in messages.values():
        used = message.get("tokens")
        if used:
            figures = (used["input"], used["tool"], used["cached"], used["output"], used["thoughts"])
            assert used["total"] == sum(figures) - used["cached"]
            tokens(expected, figures)
            expected.count("agent_llm_calls_total", "gemini-cli", message["model"], "success")
        for call in message.get("toolCalls", ()):
            if call["status"] in ENDED:
                expected.count("agent_tool_calls_total", "gemini-cli", call["name"], ENDED[call["status"]])
    return expected


def of_telemetry(records: list[Record]) -> Expectation:
    expected = Expectation()
    for fields in [record["attributes"] for record in records if "_body" in record]:
        event = fields["event.name"].removeprefix("gemini_cli.")
        seconds = fields.get("duration_ms", 0) / 1000
        if event in ("api_response", "api_error"):
            status = "success" if event == "api_response" else "error"
            expected.count("agent_llm_calls_total", "gemini-cli", fields["model"], status)
            expected.observe("agent_llm_latency_seconds", seconds, "gemini-cli")
            expected.see("gemini-cli", fields["session.id"])
        if event == "api_response":
            kinds = ("input", "tool", "cached_content", "output", "thoughts")
            tokens(expected, tuple(fields[f"{kind}_token_count"] for kind in kinds))
        if event == "tool_call":
            name, status = fields["function_name"], "success" if fields["success"] else "error"
            expected.count("agent_tool_calls_total", "gemini-cli", name, status)
            expected.observe("agent_tool_duration_seconds", seconds, "gemini-cli", name)
        if event == "agent.finish":
            status = TASKS.get(fields["terminate_reason"], "failure")
            expected.count("agent_tasks_total", fields["agent_name"], status)
            expected.observe("agent_task_duration_seconds", seconds, fields["agent_name"])
    return expected


def derive(path: Path) -> Expectation:
    records = list(objects(path.read_text(encoding="utf-8")))
    return of_chat(records) if "projectHash" in records[0] else of_telemetry(records)


if __name__ == "__main__":
    run(__file__, "gemini-cli", derive)
