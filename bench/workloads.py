"""The logs of the comparisons: agents' JSON and an Ollama server's log, the same bytes each time.

    agent   331 bytes a line, in three orders of keys: 30 % tool calls, 30 % LLM calls, 10 % starts and ends of tasks,
            30 % free text
    ollama  70 % access lines, 30 % messages

A log is made once for a directory. Expected values are written beside it.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from bench.reference import Expected

SEED = 7
BEGAN_S = 1731402672.0
AGENTS = ["planner", "researcher", "coder", "reviewer", "tester", "browser", "summarizer", "router"]
TOOL_NAMES = (
    "read_file write_file web_search http_get shell python sql_query grep git_diff git_commit list_dir vector_search "
    "send_email calendar browser_open browser_click image_gen calculator translate memory_store"
)
TOOLS = TOOL_NAMES.split()
MODELS = ["llama3.1:8b", "qwen2.5-coder:14b", "mistral-nemo:12b", "phi3.5:3.8b"]
LOGGERS = [f"agent.{part}" for part in ("core", "tools", "llm", "memory", "scheduler")]
# Texts name events and fields too, as texts of real logs do.
TEXT = (
    "the agent could not find a cached plan for this step so it will retry with a shorter context window after loading "
    "memory chunk from vector store and waiting on lock held by another worker thread received heartbeat from "
    "scheduler queue depth is within limits flushing buffer to disk done event tool_call skipped because policy "
    "denied llm_call budget exceeded for session"
)
WORDS = TEXT.split()
WORDS_MAX = 26
LATENCY_S = (0.1, 0.5, 1, 2, 5, 10, 30, 60)
TASK_S = (*LATENCY_S, 120, 300, 600)
# Method, path, share.
ROUTES = [
    ("POST", "/api/chat", 45),
    ("POST", "/api/generate", 20),
    ("GET", "/api/tags", 10),
    ("POST", "/api/embed", 10),
    ("POST", "/v1/chat/completions", 8),
    ("POST", "/api/show", 4),
    ("GET", "/api/ps", 2),
    ("HEAD", "/", 1),
]
MESSAGES = [
    ("server.go:105", "INFO", "system memory", 'total="{gib:.1f} GiB"'),
    ("memory.go:326", "INFO", "offload to cuda", "layers.requested=-1 layers.model=33 layers.offload=33"),
    (
        "server.go:388",
        "INFO",
        "starting llama server",
        'cmd="/usr/bin/ollama_llama_server --ctx-size 8192 --port {gib:.0f}"',
    ),
    ("sched.go:507", "DEBUG", "evaluating already loaded", "model=/root/.ollama/models/blobs/sha256-8eeb52dfb3bb"),
    ("routes.go:1189", "WARN", "truncating input prompt", "limit=2048 prompt=4011 keep=5"),
    ("server.go:621", "ERROR", "llama runner process no longer running: -1", 'error="signal: killed"'),
]

Fields = list[tuple[str, Any]]


@dataclass(frozen=True)
class Workload:
    """A log, how long it is, and what it amounts to by rules of one's own and by the built-in packs."""

    kind: str
    log: Path
    lines: int
    expected: Expected
    by_packs: Expected

    @property
    def megabytes(self) -> float:
        return self.log.stat().st_size / 1e6


def empty_workload(kind: str, directory: Path) -> Workload:
    """A log without a line."""
    log = directory / f"empty-{kind}.log"
    log.touch()
    return Workload(kind, log, 0, Expected(), Expected())


def made(kind: str, log: Path, lines: int, write: Callable[[Expected, Expected], Iterator[str]]) -> Workload:
    """The log that *write* gives the lines of, from an earlier time or made now."""
    paths = [log.with_name(f"{log.name}.{name}.json") for name in ("expected", "by-packs")]
    if not all(path.exists() for path in paths):
        log.parent.mkdir(parents=True, exist_ok=True)
        counts = Expected(), Expected()
        with log.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(write(*counts))
        for path, expected in zip(paths, counts, strict=True):
            expected.save(path)
    return Workload(kind, log, lines, *map(Expected.load, paths))


def agent(directory: Path, lines: int, damaged: float = 0.0) -> Workload:
    """Agents' JSON. Of the lines, the share *damaged* is none; the others are those of a log without damage."""
    log = directory / f"agent-{lines}-{round(100 * damaged)}.jsonl"

    def write(expected: Expected, by_packs: Expected) -> Iterator[str]:
        draw, damage = random.Random(SEED), random.Random(SEED + 2)
        sessions = [(str(uuid.UUID(int=draw.getrandbits(128), version=4)), draw.choice(AGENTS)) for _ in range(400)]
        now_s = BEGAN_S
        for _ in range(lines):
            now_s += draw.expovariate(200)
            session, name = draw.choice(sessions)
            event = _draw_event(draw, name)
            trace = [("session_id", session), ("trace_id", f"{draw.getrandbits(128):032x}"), ("meta", event.meta)]
            at = datetime.fromtimestamp(now_s, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            line = _as_json(draw, [("ts", at), ("level", event.level), *event.fields], trace)
            if damage.random() < damaged:
                yield _damage(damage, line)
            else:
                _count_event(expected, by_packs, name, event)
                yield line

    return made("agent", log, lines, write)


@dataclass(frozen=True)
class Event:
    """What was drawn for one line."""

    kind: str
    level: str
    fields: Fields
    meta: dict[str, Any]
    status: str = ""
    tool: str = ""
    seconds: float = 0.0
    tokens: tuple[int, int] = (0, 0)


def _draw_event(draw: random.Random, agent_name: str) -> Event:
    what = draw.random()
    if what < 0.3:
        status = "ok" if draw.random() < 0.93 else draw.choice(["error", "timeout"])
        tool, took_ms = draw.choice(TOOLS), round(draw.lognormvariate(4.5, 1.2), 3)
        fields = [*_head("agent.tools", agent_name, "tool_call"), ("tool_name", tool), ("status", status)]
        meta = {"step": draw.randrange(40), "retry": draw.randrange(3), "host": f"node-{draw.randrange(6)}"}
        level = "INFO" if status == "ok" else "ERROR"
        return Event("tool_call", level, [*fields, ("duration_ms", took_ms)], meta, status, tool)
    if what < 0.6:
        status = "ok" if draw.random() < 0.97 else "error"
        latency_s = round(draw.lognormvariate(0.6, 1.1), 4)
        prompt, completion = draw.randrange(50, 8000), draw.randrange(1, 1500)
        fields = [*_head("agent.llm", agent_name, "llm_call"), ("model", draw.choice(MODELS)), ("latency", latency_s)]
        fields += [("prompt_tokens", prompt), ("completion_tokens", completion), ("status", status)]
        level = "INFO" if status == "ok" else "WARNING"
        meta = {"temperature": 0.7, "stream": draw.random() < 0.5}
        return Event("llm_call", level, fields, meta, status, seconds=latency_s, tokens=(prompt, completion))
    if what < 0.7:
        meta = {"priority": draw.randrange(5), "source": draw.choice(["api", "cron", "cli"])}
        task = ("task", f"task-{draw.randrange(10**6):06d}")
        if draw.random() < 0.5:
            return Event("task_start", "INFO", [*_head("agent.core", agent_name, "task_start"), task], meta)
        status = draw.choices(["completed", "failed", "cancelled"], [90, 8, 2])[0]
        took_s = round(draw.lognormvariate(3.0, 1.3), 3)
        fields = [*_head("agent.core", agent_name, "task_end"), task, ("status", status), ("duration_s", took_s)]
        return Event("task_end", "ERROR" if status == "failed" else "INFO", fields, meta, status, seconds=took_s)
    begin = draw.randrange(len(WORDS) - WORDS_MAX)
    text = " ".join(WORDS[begin : begin + draw.randrange(4, WORDS_MAX)])
    text += draw.choices(["", ' "quoted" path C:\\tmp\\x', " größe → ok"], [85, 10, 5])[0]
    meta = {"line": draw.randrange(2000), "file": f"worker_{draw.randrange(12)}.py"}
    fields = [("logger", draw.choice(LOGGERS)), ("agent", agent_name), ("message", text)]
    return Event("text", "DEBUG" if draw.random() < 0.7 else "INFO", fields, meta)


def _head(logger: str, agent_name: str, event: str) -> Fields:
    return [("logger", logger), ("agent", agent_name), ("event", event)]


def _as_json(draw: random.Random, fields: Fields, trace: Fields) -> str:
    """One line; services differ in the order of their keys, and in the spaces between them."""
    style = draw.random()
    ordered = [*trace, *fields] if 0.35 <= style < 0.5 else [*fields, *trace]
    if style < 0.35:
        draw.shuffle(ordered)
    separators = (",", ":") if style > 0.2 else (", ", ": ")
    return json.dumps(dict(ordered), separators=separators, ensure_ascii=False) + "\n"


def _damage(draw: random.Random, line: str) -> str:
    """What stands in a log beside its records: a torn one, a traceback, JSON that is no object, nothing."""
    torn = line[: draw.randrange(5, len(line) - 2)] + "\n"
    return draw.choice([torn, "Traceback (most recent call last):\n", "[1, 2, 3]\n", '"just a text"\n', "\n"])


def _count_event(expected: Expected, by_packs: Expected, name: str, event: Event) -> None:
    expected.count("log_lines_total", level=event.level)
    by_packs.count("agent_log_records_total", agent=name, level=event.level.lower())
    if event.kind == "tool_call":
        expected.count("agent_tool_calls_total", agent=name, tool_name=event.tool, status=event.status)
        status = "success" if event.status == "ok" else "error"
        by_packs.count("agent_tool_calls_total", agent=name, tool_name=event.tool, status=status)
    elif event.kind == "llm_call":
        expected.observe("agent_llm_latency_seconds", event.seconds, LATENCY_S, agent=name)
        by_packs.observe("agent_llm_latency_seconds", event.seconds, agent=name)
        for token_type, tokens in zip(("prompt", "completion"), event.tokens, strict=True):
            for counts in (expected, by_packs):
                counts.add("agent_token_usage_total", {"agent": name, "token_type": token_type}, tokens)
    elif event.kind in ("task_start", "task_end"):
        expected.count("agent_tasks_total", agent=name, status=event.status or "started")
        if event.kind == "task_end":
            expected.observe("agent_task_duration_seconds", event.seconds, TASK_S, agent=name)
            by_packs.observe("agent_task_duration_seconds", event.seconds, agent=name)


def ollama(directory: Path, lines: int) -> Workload:
    """The log of an Ollama server."""

    def write(expected: Expected, by_packs: Expected) -> Iterator[str]:
        draw = random.Random(SEED + 1)
        now_s = BEGAN_S
        shares = [share for _, _, share in ROUTES]
        for _ in range(lines):
            now_s += draw.expovariate(5)
            if draw.random() >= 0.7:
                source, level, text, rest = draw.choice(MESSAGES)
                at = datetime.fromtimestamp(now_s, timezone(timedelta(hours=1))).isoformat(timespec="milliseconds")
                yield f'time={at} level={level} source={source} msg="{text}" {rest.format(gib=draw.random() * 64)}\n'
                expected.count("ollama_log_lines_total", level=level)
                by_packs.count("ollama_log_messages_total", level=level)
                continue
            method, path, _ = draw.choices(ROUTES, shares)[0]
            status = str(draw.choices([200, 404, 400, 500], [94, 3, 2, 1])[0])
            slow = method == "POST" and path != "/api/show"
            shown, took_s = _go_duration(draw.lognormvariate(0.5, 1.2) if slow else draw.lognormvariate(-7, 1))
            client = draw.choice(["127.0.0.1", f"192.168.1.{draw.randrange(2, 60)}"])
            at = datetime.fromtimestamp(now_s, timezone.utc).strftime("%Y/%m/%d - %H:%M:%S")
            yield f'[GIN] {at} | {status} | {shown:>13} | {client:>15} | {method:<7}  "{path}"\n'
            expected.count("ollama_requests_total", method=method, path=path, status=status)
            expected.observe("ollama_request_duration_seconds", took_s, LATENCY_S, path=path)
            by_packs.count("ollama_requests_total", method=method, route=path, status=status)
            by_packs.observe("ollama_request_duration_seconds", took_s, method=method, route=path)

    return made("ollama", directory / f"ollama-{lines}.log", lines, write)


def _go_duration(seconds: float) -> tuple[str, float]:
    """As gin prints it, and the seconds that are left of it by that."""
    if seconds >= 60:
        minutes, rest_s = divmod(seconds, 60)
        return f"{minutes:.0f}m{rest_s:.9f}s", 60 * minutes + round(rest_s, 9)
    for unit, unit_s, digits in (("s", 1.0, 9), ("ms", 1e-3, 6), ("µs", 1e-6, 3)):
        if seconds >= unit_s or unit == "µs":
            return f"{seconds / unit_s:.{digits}f}{unit}", round(seconds / unit_s, digits) * unit_s
    raise AssertionError(seconds)
