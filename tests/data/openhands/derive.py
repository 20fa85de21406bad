"""What OpenHands' files here amount to; run it to print expected.json. Each kind of file is read whole and searched.

V1 events: every event id counts once. A tool call is an event that answers a tool_call_id; the ActionEvent with that id
tells when it began. LLM calls are the distinct llm_response_ids, and the errors whose code is an LLM's. Tokens are the
last figures of each usage, for here they only grow. A task begins at a user's message and is over at the first of: a
message of the agent, the finish tool, an error, a state that is final.

V0 events: a tool call is an observation that names its tool in tool_call_metadata, `cause` leads to its action. LLM
calls are the distinct model responses of the actions, and the messages of the agent; their latencies are all in the
last list of them. Tokens are the last total. A task reaches from the latest user's message to finish or an error state.

Resolver output: each line is a task with a history; tools are its observations, LLM calls are its costs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, json_lines, run, seconds_between

AGENT = "openhands"
Event = dict[str, Any]


def by_exit_code(code: int | None, without: str) -> str:
    return without if code is None else {0: "success", -1: "unknown"}.get(code, "error")


def v1(path: Path, expected: Expectation) -> None:
    events = list({event["id"]: event for event in reversed(list(json_lines(path)))}.values())[::-1]
    actions = {event["tool_call_id"]: event for event in events if event["kind"] == "ActionEvent"}
    for event in events:
        if "tool_call_id" in event and event["kind"] != "ActionEvent":
            tool, observation = event["tool_name"], event.get("observation")
            status = "error"
            if observation is not None and not observation["is_error"]:
                status = by_exit_code(observation.get("exit_code"), "success")
            expected.count("agent_tool_calls_total", AGENT, tool, status)
            seconds = seconds_between(actions[event["tool_call_id"]]["timestamp"], event["timestamp"])
            expected.observe("agent_tool_duration_seconds", seconds, AGENT, tool)

    model = next(event["value"]["agent"]["llm"]["model"] for event in events if event.get("key") == "full_state")
    replies = {event["llm_response_id"] for event in events if event.get("llm_response_id")}
    failed = [event for event in events if event.get("code", "").startswith("LLM")]
    expected.count("agent_llm_calls_total", AGENT, model, "success", by=len(replies))
    expected.count("agent_llm_calls_total", AGENT, model, "error", by=len(failed))

    last: dict[str, Event] = {}
    for event in events:
        if event.get("key") == "stats":
            last.update(event["value"]["usage_to_metrics"])
    for usage in (metrics["accumulated_token_usage"] for metrics in last.values()):
        expected.tokens(
            AGENT,
            prompt=usage["prompt_tokens"],
            completion=usage["completion_tokens"],
            prompt_cached=usage["cache_read_tokens"],
            prompt_cache_write=usage["cache_write_tokens"],
            completion_reasoning=usage["reasoning_tokens"],
        )

    asked = [n for n, event in enumerate(events) if (event["kind"], event["source"]) == ("MessageEvent", "user")]
    for begin, stop in zip(asked, [*asked[1:], len(events)], strict=True):
        for event in events[begin + 1 : stop]:
            state = event["value"] if event.get("key") == "execution_status" else ""
            failure = event["kind"] == "ConversationErrorEvent" or state in ("error", "stuck")
            good = event["kind"] == "MessageEvent" or state == "finished"
            good |= (event["kind"], event.get("tool_name")) == ("ActionEvent", "finish")
            if failure or good:
                expected.count("agent_tasks_total", AGENT, "failure" if failure else "success")
                seconds = seconds_between(events[begin]["timestamp"], event["timestamp"])
                expected.observe("agent_task_duration_seconds", seconds, AGENT)
                break


def v0(path: Path, expected: Expectation) -> None:
    events = {event["id"]: event for event in json_lines(path)}
    asked: Event | None = None
    responses: dict[str, str] = {}
    model = ""
    for event in events.values():
        called = event.get("tool_call_metadata")
        if called and "observation" in event:
            status = by_exit_code(event["extras"].get("metadata", {}).get("exit_code"), "success")
            if event["observation"] in ("run_ipython", "error"):
                status = "error" if event["observation"] == "error" else "unknown"
            expected.count("agent_tool_calls_total", AGENT, called["function_name"], status)
            seconds = seconds_between(events[event["cause"]]["timestamp"], event["timestamp"])
            expected.observe("agent_tool_duration_seconds", seconds, AGENT, called["function_name"])
        if called:
            model = called["model_response"]["model"]
            responses[called["model_response"]["id"]] = model
        elif "llm_metrics" in event:
            responses[f"message {event['id']}"] = model
        if event.get("action") == "message" and event["source"] == "user":
            asked = event
        failure = event.get("extras", {}).get("agent_state") == "error"
        if asked and (failure or event.get("action") == "finish"):
            expected.count("agent_tasks_total", AGENT, "failure" if failure else "success")
            seconds = seconds_between(asked["timestamp"], event["timestamp"])
            expected.observe("agent_task_duration_seconds", seconds, AGENT)
            asked = None
    for name in responses.values():
        expected.count("agent_llm_calls_total", AGENT, name, "success")
    last = [event["llm_metrics"] for event in events.values() if "llm_metrics" in event][-1]
    for latency in last["response_latencies"]:
        expected.observe("agent_llm_latency_seconds", latency["latency"], AGENT)
    total = last["accumulated_token_usage"]
    expected.tokens(
        AGENT,
        prompt=total["prompt_tokens"],
        completion=total["completion_tokens"],
        prompt_cached=total["cache_read_tokens"],
        prompt_cache_write=total["cache_write_tokens"],
    )


def documents(path: Path, expected: Expectation) -> None:
    for document in json_lines(path):
        expected.count("agent_tasks_total", AGENT, "success" if document["success"] else "failure")
        expected.count("agent_llm_calls_total", AGENT, "unknown", "success", by=len(document["metrics"]["costs"]))
        for step in document["history"]:
            if "observation" in step:
                status = by_exit_code(step.get("exit_code"), "unknown")
                expected.count("agent_tool_calls_total", AGENT, step["observation"], status)


def derive(path: Path) -> Expectation:
    expected = Expectation()
    if path.name == "log_json.jsonl":
        for record in json_lines(path):
            expected.count("agent_log_records_total", AGENT, record["levelname"].lower())
        return expected
    expected.see(AGENT, path.name)
    read = {"events_v1.jsonl": v1, "events_v0.jsonl": v0}.get(path.name, documents)
    read(path, expected)
    return expected


if __name__ == "__main__":
    run(__file__, "openhands", derive)
