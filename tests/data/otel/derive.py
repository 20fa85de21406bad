"""What the spans and log records here amount to; run it to print expected.json.

All spans of a file are read first and put together as trees by their ids, so a span that was written twice is one. A
call of a model is a span that names a model and has no span with a model beneath it: what stands above it, such as an
agent, an invocation, or a second instrumentation's span of the same call, only repeats its tokens. Where an agent's
span has totals, those are compared with the sum of its calls. A tool is a span with a tool's name, an agent a span
that says it is one. Left out are spans written for a call that has not ended, a server's span of a tool call, the span
of several tool calls at a time, and spans of Claude Code, whose log events are the source.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))
from expectation import Expectation, Record, run

LEVELS = ["trace", "debug", "info", "warning", "error", "critical"]
MODELS = ("gen_ai.response.model", "gen_ai.request.model", "llm.model_name")
NOT_OF_A_CALL = ("embedding", "aggregated")


class Span(NamedTuple):
    key: tuple[str, str]
    parent: tuple[str, str] | None
    name: str
    attributes: Record
    seconds: float
    failed: bool
    exception: str
    service: str
    scope: str
    is_server: bool


def objects(text: str) -> Iterator[Record]:
    """One object after another, over however many lines each goes."""
    decoder, text = json.JSONDecoder(), text.strip()
    while text:
        record, end = decoder.raw_decode(text)
        yield record
        text = text[end:].lstrip()


def plain(attributes: Any) -> Record:
    """OTLP's list of keys and typed values as a mapping; others write one."""
    if isinstance(attributes, dict):
        return attributes
    found = {}
    for item in attributes or []:
        [(kind, value)] = item["value"].items()
        found[item["key"]] = int(value) if kind == "intValue" else value
    return found


def nanoseconds(time: Any) -> int:
    if isinstance(time, list):
        return int(time[0]) * 10**9 + int(time[1])
    if "T" not in time:
        return int(time)
    moment = datetime.fromisoformat(time.replace("Z", "+00:00"))
    return int(moment.replace(microsecond=0).timestamp()) * 10**9 + moment.microsecond * 1000


def span_of(raw: Record, resource: Record, scope: str) -> Span:
    context = raw.get("context", {})
    trace = raw.get("traceId") or context["trace_id"]
    parent = raw.get("parentSpanId") or raw.get("parent_id")
    attributes = plain(raw["attributes"])
    start = raw.get("startTimeUnixNano") or raw.get("start_time") or raw["startTime"]
    end = raw.get("endTimeUnixNano") or raw.get("end_time") or raw["endTime"]
    exceptions = [plain(event["attributes"]).get("exception.type", "") for event in raw.get("events", [])]
    return Span(
        key=(trace, raw.get("spanId") or context["span_id"]),
        parent=(trace, parent) if parent else None,
        name=raw["name"],
        attributes=attributes,
        seconds=(nanoseconds(end) - nanoseconds(start)) / 10**9,
        failed="error.type" in attributes or not {2, "ERROR"}.isdisjoint(raw.get("status", {}).values()),
        exception=attributes.get("error.type") or "".join(exceptions),
        service=plain(resource.get("attributes")).get("service.name", ""),
        scope=scope,
        is_server=raw.get("kind") in ((1,) if "startTime" in raw else (2, "SpanKind.SERVER")),
    )


def spans_in(record: Record) -> Iterator[Span]:
    for of_resource in record.get("resourceSpans", []):
        for of_scope in of_resource["scopeSpans"]:
            for raw in of_scope["spans"]:
                yield span_of(raw, of_resource["resource"], of_scope["scope"]["name"])
    if "start_time" in record or "startTime" in record:
        yield span_of(record, record["resource"], "")


def count_levels(record: Record, expected: Expectation) -> None:
    for of_resource in record.get("resourceLogs", []):
        service = plain(of_resource["resource"]["attributes"])["service.name"]
        for of_scope in of_resource["scopeLogs"]:
            for entry in of_scope["logRecords"]:
                if "severityNumber" in entry:
                    expected.count("agent_log_records_total", service, LEVELS[(entry["severityNumber"] - 1) // 4])
                elif "severityText" in entry:
                    expected.count("agent_log_records_total", service, entry["severityText"].lower())


def tokens(attributes: Record, *endings: str) -> int | None:
    """The figure under the first key that ends so; the dialects differ before it."""
    for ending in endings:
        for key, value in attributes.items():
            if key.endswith(ending) and not any(word in key for word in NOT_OF_A_CALL):
                return int(value)
    return None


def is_agent(span: Span) -> bool:
    says = {
        span.attributes.get(key) for key in ("gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind")
    }
    return bool(says & {"invoke_agent", "AGENT", "agent", "workflow"}) or span.name == "agent run"


def tool_of(span: Span) -> str | None:
    if span.attributes.get("traceloop.span.kind") == "tool":
        return str(span.attributes["traceloop.entity.name"])
    return span.attributes.get("gen_ai.tool.name") or span.attributes.get("tool.name")


def count_call(span: Span, expected: Expectation) -> None:
    found = span.attributes
    who = found.get("gen_ai.agent.name") or found.get("traceloop.workflow.name") or span.service
    model = next(str(found[key]) for key in MODELS if key in found)
    expected.count("agent_llm_calls_total", who, model, "error" if span.failed else "success")
    expected.observe("agent_llm_latency_seconds", span.seconds, who)
    expected.tokens(
        who,
        prompt=tokens(found, "usage.input_tokens", "usage.prompt_tokens", "token_count.prompt"),
        completion=tokens(found, "usage.output_tokens", "usage.completion_tokens", "token_count.completion"),
        prompt_cached=tokens(found, "cache_read.input_tokens", "cache_read_input_tokens", "cache_read"),
        prompt_cache_write=tokens(found, "cache_creation.input_tokens"),
        completion_reasoning=tokens(found, "reasoning.output_tokens", "reasoning_tokens", "details.reasoning"),
    )
    session = next((found[key] for key in found if key.endswith(("conversation.id", "session.id", "session_id"))), None)
    expected.see(who, session or span.key[0])


def derive(path: Path) -> Expectation:
    expected = Expectation()
    spans: dict[tuple[str, str], Span] = {}
    for record in objects(path.read_text(encoding="utf-8")):
        count_levels(record, expected)
        for span in spans_in(record):
            if "pending_span" not in span.attributes.values() and "claude_code" not in span.scope:
                spans[span.key] = span
    beneath: dict[tuple[str, str], list[Span]] = {key: [] for key in spans}
    for span in spans.values():
        above = span.parent
        while above in spans:
            beneath[above].append(span)
            above = spans[above].parent
    with_model = {key for key, span in spans.items() if any(name in span.attributes for name in MODELS)}
    calls = [key for key in with_model if not any(span.key in with_model for span in beneath[key])]
    for key, span in spans.items():
        tool, found = tool_of(span), span.attributes
        status = "error" if span.failed else "success"
        if key in calls and not any("embed" in str(value) for value in found.values()):
            count_call(span, expected)
        elif tool and not span.is_server and not tool.startswith("("):
            who = found.get("gen_ai.agent.name") or found.get("traceloop.workflow.name") or span.service
            expected.count("agent_tool_calls_total", who, tool, status)
            expected.observe("agent_tool_duration_seconds", span.seconds, who, tool)
        elif is_agent(span):
            who = found.get("gen_ai.agent.name") or found.get("agent_name") or span.name.removesuffix(".run")
            who = who.removesuffix(".workflow").removeprefix("invoke_agent ")
            ended = "success" if not span.failed else "timeout" if "Timeout" in span.exception else "failure"
            expected.count("agent_tasks_total", who, ended)
            expected.observe("agent_task_duration_seconds", span.seconds, who)
            check_total(span, [spans[call] for call in calls if spans[call] in beneath[key]])
    return expected


def check_total(agent: Span, calls: list[Span]) -> None:
    """An agent's own total, where it has one, is the sum of its calls."""
    endings = ("usage.input_tokens", "token_count.prompt")
    total = next((int(value) for key, value in agent.attributes.items() if key.endswith(endings)), None)
    parts = sum(tokens(call.attributes, "usage.input_tokens", "token_count.prompt") or 0 for call in calls)
    assert total is None or total == parts, (agent.name, total, parts)


if __name__ == "__main__":
    # All but this script, what it prints, and SOURCE.md.
    run(__file__, "otel-genai", derive, "[!eS]*.[!pm]*")
