"""The logs of packs that are unlike an agent's own: Claude Code's transcripts, and spans as OTLP JSON.

    claude   one turn in ten lines of half a kilobyte to some ten: a message in two parts that calls a tool, what the
             tool gave, and noise: progress and snapshots
    otlp     a batch of spans in each line, as the Collector's file exporter writes them

Their shapes are those of tests/data/claude_code and tests/data/otel.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bench.reference import Expected
from bench.workloads import BEGAN_S, SEED, WORDS, Workload, made

CLAUDE_TOOLS = ["Read", "Bash", "Edit", "Grep", "Write", "Glob", "WebFetch", "TodoWrite"]
CLAUDE_MODELS = ["claude-opus-4-6", "claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001"]
LINES_PER_TURN = 10
SPANS_PER_LINE = 64
OTLP_AGENTS = ["planner", "researcher", "coder", "reviewer"]
OTLP_MODELS = ["gpt-4o-2024-08-06", "claude-sonnet-4-5-20250929"]

Record = dict[str, Any]


def claude(directory: Path, turns: int) -> Workload:
    """One session of so many turns."""

    def write(_expected: Expected, by_packs: Expected) -> Iterator[str]:
        draw = random.Random(SEED + 3)
        session = _uuid(draw)
        now_s = BEGAN_S
        for _ in range(turns):
            now_s += draw.expovariate(0.1)
            for record in _turn(draw, session, now_s, by_packs):
                yield _compact(record)

    return made("claude", directory / f"claude-{turns}.jsonl", turns * LINES_PER_TURN, write)


def _turn(draw: random.Random, session: str, now_s: float, by_packs: Expected) -> Iterator[Record]:
    """The figures of a message's first part are those of its second but for the output, which grows."""
    message_id, tool_id = f"msg_01{draw.getrandbits(110):022x}", f"toolu_01{draw.getrandbits(110):022x}"
    tool, model = draw.choice(CLAUDE_TOOLS), draw.choice(CLAUDE_MODELS)
    fresh, written, cached, output = (draw.randrange(1, top) for top in (50, 9000, 150_000, 2500))
    failed = draw.random() < 0.06
    by_packs.count("agent_llm_calls_total", agent="claude-code", model=model, status="success")
    _count_tokens(by_packs, "claude-code", fresh + written + cached, output)
    status = "error" if failed else "success"
    by_packs.count("agent_tool_calls_total", agent="claude-code", tool_name=tool, status=status)

    head = {
        "parentUuid": _uuid(draw),
        "isSidechain": False,
        "userType": "external",
        "cwd": "/home/dev/projects/webapp",
        "sessionId": session,
        "version": "2.1.38",
        "gitBranch": "main",
    }

    def part(block: Record, output_tokens: int) -> Record:
        usage = {"input_tokens": fresh, "cache_creation_input_tokens": written, "cache_read_input_tokens": cached}
        usage["output_tokens"] = output_tokens
        message: Record = {"model": model, "id": message_id, "type": "message", "role": "assistant", "content": [block]}
        message |= {"stop_reason": None, "stop_sequence": None, "usage": usage}
        return {**head, "message": message, "requestId": "req_" + message_id[4:], "type": "assistant"} | _tail(
            draw, now_s
        )

    yield part({"type": "text", "text": _text(draw, 60)}, min(output, 8))
    call = {"file_path": "/home/dev/projects/webapp/src/app.py", "command": _text(draw, 40)}
    yield part({"type": "tool_use", "id": tool_id, "name": tool, "input": call}, output)
    for _ in range(LINES_PER_TURN - 4):
        data = {"type": "hook_progress", "hookEvent": "PreToolUse", "hookName": f"PreToolUse:{tool}"}
        data["output"] = _text(draw, draw.choice([5, 5, 100, 800]))
        yield {**head, "type": "progress", "data": data, "toolUseID": tool_id} | _tail(draw, now_s)
    # What a tool gives is written twice, for the model and for the screen.
    given = _text(draw, draw.choice([10, 50, 400, 1500]))
    result = {"tool_use_id": tool_id, "type": "tool_result", "content": given, "is_error": failed}
    shown = {"stdout": given, "stderr": "", "interrupted": False, "isImage": False}
    message = {"role": "user", "content": [result]}
    yield {**head, "type": "user", "message": message, "toolUseResult": shown} | _tail(
        draw, now_s + draw.uniform(0.1, 9)
    )
    snapshot = {"messageId": message_id, "trackedFileBackups": {}, "timestamp": _iso(now_s)}
    yield {"type": "file-history-snapshot", "messageId": message_id, "snapshot": snapshot, "isSnapshotUpdate": False}


def otlp(directory: Path, lines: int) -> Workload:
    """Batches of spans of four agents: LLM calls, tools, agents' runs, and spans that count for nothing."""

    def write(_expected: Expected, by_packs: Expected) -> Iterator[str]:
        draw = random.Random(SEED + 4)
        now_s = BEGAN_S
        for _ in range(lines):
            now_s += draw.expovariate(1)
            spans = [_span(draw, now_s, by_packs) for _ in range(SPANS_PER_LINE)]
            service = {"attributes": [_attribute("service.name", "trip-service"), _attribute("host.name", "node-1")]}
            scope = {"name": "opentelemetry.instrumentation.agents", "version": "1.4.0"}
            yield _compact({"resourceSpans": [{"resource": service, "scopeSpans": [{"scope": scope, "spans": spans}]}]})

    return made("otlp", directory / f"otlp-{lines}.jsonl", lines, write)


def _span(draw: random.Random, now_s: float, by_packs: Expected) -> Record:
    agent, model = draw.choice(OTLP_AGENTS), draw.choice(OTLP_MODELS)
    operation = draw.choices(["chat", "execute_tool", "invoke_agent", "embeddings", ""], [35, 30, 5, 5, 25])[0]
    failed = draw.random() < 0.05
    status = "error" if failed else "success"
    began_ns = int((now_s + draw.random()) * 1e9)
    attributes: Record = {}
    if operation:
        attributes = {"gen_ai.operation.name": operation, "gen_ai.agent.name": agent, "gen_ai.provider.name": "openai"}
    if operation == "chat":
        prompt, completion = draw.randrange(50, 8000), draw.randrange(1, 1500)
        attributes |= {"gen_ai.request.model": model, "gen_ai.response.model": model}
        attributes |= {"gen_ai.response.id": f"chatcmpl-{draw.getrandbits(96):024x}"}
        attributes |= {"gen_ai.usage.input_tokens": prompt, "gen_ai.usage.output_tokens": completion}
        attributes |= {"gen_ai.conversation.id": f"conversation-{draw.randrange(200)}"}
        by_packs.count("agent_llm_calls_total", agent=agent, model=model, status=status)
        _count_tokens(by_packs, agent, prompt, completion)
    elif operation == "execute_tool":
        tool = draw.choice(CLAUDE_TOOLS)
        attributes |= {"gen_ai.tool.name": tool, "gen_ai.tool.call.id": f"call_{draw.getrandbits(96):024x}"}
        attributes |= {"gen_ai.tool.description": _text(draw, 8)}
        by_packs.count("agent_tool_calls_total", agent=agent, tool_name=tool, status=status)
    elif operation == "invoke_agent":
        by_packs.count("agent_tasks_total", agent=agent, status="failure" if failed else "success")
    else:
        attributes |= {"http.request.method": "POST", "url.full": "https://api.example.com/v1/items"}
    return {
        "traceId": f"{draw.getrandbits(128):032x}",
        "spanId": f"{draw.getrandbits(64):016x}",
        "parentSpanId": f"{draw.getrandbits(64):016x}",
        "name": f"{operation} {model}".strip(),
        "kind": 3,
        "startTimeUnixNano": str(began_ns),
        "endTimeUnixNano": str(began_ns + int(draw.lognormvariate(0.6, 1.1) * 1e9)),
        "attributes": [_attribute(name, value) for name, value in attributes.items()],
        "status": {"code": 2, "message": "it failed"} if failed else {"code": 1},
    }


def _count_tokens(by_packs: Expected, agent: str, prompt: int, completion: int) -> None:
    by_packs.add("agent_token_usage_total", {"agent": agent, "token_type": "prompt"}, prompt)
    by_packs.add("agent_token_usage_total", {"agent": agent, "token_type": "completion"}, completion)


def _attribute(name: str, value: str | int) -> Record:
    return {"key": name, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}


def _tail(draw: random.Random, at_s: float) -> Record:
    return {"uuid": _uuid(draw), "timestamp": _iso(at_s)}


def _text(draw: random.Random, words: int) -> str:
    """So many words with the quotes and line ends of source text, as JSON has to escape them."""
    return "\n".join(
        f'    print("{word}")' if number % 8 == 0 else word for number, word in enumerate(draw.choices(WORDS, k=words))
    )


def _uuid(draw: random.Random) -> str:
    return str(uuid.UUID(int=draw.getrandbits(128), version=4))


def _iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _compact(record: Record) -> str:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False) + "\n"
