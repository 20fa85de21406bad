"""What the logs of general loggers here amount to; run it to print expected.json.

Each logger's own layout is undone first, by what its documentation says of it (where level, message and fields are, and
in which unit it writes a duration); what is left is one plain event for each line, and events are counted. For
unplanned.log, lines of all sorts that no one layout covers, what each line tells is written down beside its number.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, run

Record = dict[str, Any]
PINO_LEVELS = {10: "trace", 20: "debug", 30: "info", 40: "warning", 50: "error", 60: "critical"}
GO_LEVELS = {"warn": "warning", "fatal": "critical", "dpanic": "critical", "debug-4": "trace", "error+4": "critical"}
GO_SECONDS = {"812.5ms": 0.8125, "1m2.5s": 62.5}
# What the layouts below add: the level in our words, the agent, and how many units of a plain duration make a second.
Layout = Callable[[Record], Record]


def loguru(line: Record) -> Record:
    record = line["record"]
    error = record["exception"]["type"] if record["exception"] else None
    return {**record["extra"], "level": record["level"]["name"].lower(), "error_type": error, "units": 1}


def python(line: Record) -> Record:
    """structlog, python-json-logger: an exception is a list of what was raised, or the traceback's text."""
    level = line.get("level") or line["levelname"].lower()
    raised = line.get("exception", [{"exc_type": None}])[0]["exc_type"]
    if "exc_info" in line:
        raised = line["exc_info"].splitlines()[-1].split(":")[0]
    return {**line, "level": level, "error_type": raised, "units": 1}


def javascript(line: Record) -> Record:
    """pino, bunyan: numbers for levels, and the program's name; winston: words."""
    level = PINO_LEVELS.get(line["level"], line["level"])
    error = line["err"].get("type", "unknown") if "err" in line else None
    return {"agent": line.get("name"), **line, "level": level, "error_type": error, "units": 1}


def go(units: int) -> Layout:
    """zap, zerolog and slog: a group is an object; an error is a text, so that its type is not told."""

    def layout(line: Record) -> Record:
        level = line["level"].lower()
        failed = bool(line.get("error") or line.get("err"))
        agent = line.get("agent", line.get("service"))
        event = {
            **line,
            "level": GO_LEVELS.get(level, level),
            "error_type": "unknown" if failed else None,
            "units": units,
        }
        event |= {"agent": agent["name"], "agent_type": agent["type"]} if isinstance(agent, dict) else {"agent": agent}
        event["event_type"] = line.get("event", line["msg"].replace(" ", "_") if "msg" in line else "")
        groups = [line[name] for name in ("tool", "llm", "task") if name in line]
        for group in groups:
            event |= {key: value for key, value in group.items() if key != "name"}
        if "tool" in line:
            event["tool_name"] = line["tool"]["name"]
        return event

    return layout


LAYOUTS: dict[str, Layout] = {
    "bunyan": javascript,
    "pino": javascript,
    "winston": javascript,
    "loguru_serialize": loguru,
    "python_json_logger": python,
    "structlog_json": python,
    "zap": go(1),
    "zerolog": go(1_000),
    "slog_json": go(1_000_000_000),
}


def seconds(event: Record) -> float | None:
    for key in ("duration", "latency", "elapsed"):
        if f"{key}_ms" in event:
            return float(event[f"{key}_ms"]) / 1000
        if f"{key}_s" in event:
            return float(event[f"{key}_s"])
        if isinstance(event.get(key), str):
            return GO_SECONDS[event[key]]
        if key in event:
            return float(event[key]) / float(event["units"])
    return None


def count(event: Record, expected: Expectation) -> None:
    who, kind, took = event["agent"], event.get("event_type", ""), seconds(event)
    expected.count("agent_log_records_total", who, event["level"])
    if event["error_type"]:
        expected.count("agent_log_errors_total", who, event["error_type"])
    words = {"ok": "success", True: "success", "failed": "failure"}
    told = words.get(event.get("status", event.get("success")), event.get("status"))
    if kind == "tool_call":
        status = "error" if told in ("timeout", "failure") or event["error_type"] else told
        expected.count("agent_tool_calls_total", who, event["tool_name"], status)
        expected.observe("agent_tool_duration_seconds", took or 0, who, event["tool_name"])
    elif kind == "llm_call":
        status = told or ("error" if event["error_type"] else "unknown")
        expected.count("agent_llm_calls_total", who, event["model"], status)
        expected.observe("agent_llm_latency_seconds", took or 0, who)
        usage = event.get("usage", event)
        read, written = usage.get("cache_read_input_tokens", 0), usage.get("cache_creation_input_tokens", 0)
        prompt = usage.get("prompt_tokens", usage.get("input_tokens", 0) + read + written)
        cached = read or usage.get("prompt_tokens_details", {}).get("cached_tokens", 0)
        completion = usage.get("completion_tokens", usage.get("output_tokens", 0))
        expected.tokens(who, prompt=prompt, completion=completion, prompt_cached=cached, prompt_cache_write=written)
    elif kind.startswith("task_"):
        expected.count("agent_tasks_total", who, told or {"task_completed": "success"}[kind])
        expected.observe("agent_task_duration_seconds", took or 0, who)
    elif "method" in event:
        expected.count("agent_http_requests_total", who, event["method"], f"{event['status'] // 100}xx")
        expected.observe("agent_http_request_duration_seconds", took or 0, who)


# Of each line of unplanned.log: level, whose it is, whether that is an agent (or service) that is active, the rest.
UNPLANNED: list[tuple[str, str, str | None, dict[str, tuple[Any, ...]]]] = [
    ("info", "unknown", None, {}),
    ("warning", "unknown", None, {}),
    ("error", "app.sync", None, {"error": ("app.errors.SyncError",)}),
    ("error", "app.web", None, {"error": ("ValueError",)}),
    ("error", "gateway", None, {"error": ("TypeError",)}),
    ("info", "gateway", None, {"http": ("GET", "2xx", 0.0075)}),
    ("info", "gateway", None, {"http": ("POST", "5xx", 1.2)}),
    ("error", "unknown", None, {"error": ("RangeError",)}),
    ("info", "unknown", None, {"tool": ("parse", "success", 0.0025)}),
    ("info", "unknown", None, {}),
    ("info", "chat", "chat", {"tool": ("search", "success", 0.75)}),
    ("info", "chat", "chat", {"llm": ("gpt-4o", "unknown", 1.5, 900, 30)}),
    ("info", "chat", "chat", {}),  # the start of a call
    ("info", "chat", "chat", {}),  # a sum over a session
    ("error", "router", "router", {}),
    ("info", "js-agent", "js-agent", {"tool": ("read", "error", 0.042)}),
    ("info", "unknown", "0f8fad5b-d9cb-469f-a165-70867728950e", {"tool": ("lookup", "error", 0.0015)}),
    ("info", "reviewer", "reviewer", {"tool": ("lookup", "success", 0.0025)}),
    ("info", "reviewer", "reviewer", {"llm": ("o3", "success", 3.5, 10, 20)}),
]


def unplanned(expected: Expectation) -> None:
    for level, who, active, facts in UNPLANNED:
        expected.count("agent_log_records_total", who, level)
        if active:
            expected.see("unknown", active)
        for kind, fact in facts.items():
            if kind == "error":
                expected.count("agent_log_errors_total", who, *fact)
            elif kind == "http":
                expected.count("agent_http_requests_total", who, *fact[:2])
                expected.observe("agent_http_request_duration_seconds", fact[2], who)
            elif kind == "tool":
                expected.count("agent_tool_calls_total", who, *fact[:2])
                expected.observe("agent_tool_duration_seconds", fact[2], who, fact[0])
            else:
                expected.count("agent_llm_calls_total", who, *fact[:2])
                expected.observe("agent_llm_latency_seconds", fact[2], who)
                expected.tokens(who, prompt=fact[3], completion=fact[4])


def derive(path: Path) -> Expectation:
    expected = Expectation()
    if path.stem == "unplanned":
        unplanned(expected)
        return expected
    # Not splitlines(): a text here holds a U+2028, which that would take for the end of a line.
    for line in map(json.loads, path.read_text(encoding="utf-8").rstrip("\n").split("\n")):
        event = LAYOUTS[path.stem](line)
        if line.get("name") != event.get("agent") or "agent" in line:
            expected.see(event.get("agent_type", "unknown"), event["agent"])
        count(event, expected)
    return expected


if __name__ == "__main__":
    run(__file__, "agent", derive, "*.log")
