"""Writes the logs in logs/, next to this file: two hours of four agents and of an Ollama server.

    python examples/make_logs.py [DIR]       write them, into DIR if it is given
    python examples/make_logs.py --expect    print, as JSON, what was drawn: what a correct reader must count

The bytes are the same on every Python: of random, only random() is used, and floats are only added and multiplied.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

START = datetime(2026, 11, 20, 9, 0, tzinfo=timezone.utc)
LENGTH_MS = 2 * 3_600_000
# How often something was drawn, by names: ("tool_calls", "planner", "search", "success").
Truth = Counter[tuple[str, ...]]


class Log:
    """One log file in the making: its lines, its clock and its random choices."""

    def __init__(self, seed: int, truth: Truth) -> None:
        self.random = random.Random(seed).random
        self.truth = truth
        self.now_ms = 412
        self.lines: list[str] = []

    def now(self, form: str) -> str:
        return (START + timedelta(milliseconds=self.now_ms)).strftime(form)

    def rfc3339(self) -> str:
        return self.now("%Y-%m-%dT%H:%M:%S.") + f"{self.now_ms % 1000:03d}Z"

    def evenly(self, low: int, high: int) -> int:
        return low + int((high - low + 1) * self.random())

    def mostly_low(self, low: int, high: int) -> int:
        """Near *low* mostly, near *high* seldom, as durations and sizes are."""
        share = self.random()
        return low + int((high - low) * share * share * share)

    def one_of(self, choices: Sequence[str]) -> str:
        """The first of *choices* most often, the last one most seldom."""
        share = self.random()
        return choices[int(len(choices) * share * (0.5 + 0.5 * share))]

    def observe(self, *names: str, ns: int) -> None:
        self.truth.update({(*names, "count"): 1, (*names, "sum_seconds"): ns})


class Agent(NamedTuple):
    name: str
    kind: str
    nested: bool  # writes objects in objects, without blanks
    crashes: bool
    tools: tuple[str, ...]
    tool_failures: float
    task_failures: float
    models: tuple[str, ...]
    llm_ms: tuple[int, int]
    remarks: tuple[str, ...]


AGENTS = {
    "agents/planner.log": Agent(
        "planner", "orchestrator", False, False, ("search", "sql_query", "read_file", "send_email"), 0.04, 0.07,
        ("llama3.1:8b", "qwen2.5:14b"), (600, 21_000),
        ("INFO plan has 4 steps", "DEBUG step handed to researcher", "WARNING waiting for coder for 60 s")),
    "agents/researcher.log": Agent(
        "researcher", "research", False, True, ("search", "browser", "http_get", "read_file"), 0.21, 0.2,
        ("llama3.1:8b", "mistral-nemo:12b"), (900, 72_000),
        ("INFO summary of “Café Zürich” written", "DEBUG page kept in cache", "WARNING robots.txt refuses crawling")),
    "agents/coder.log": Agent(
        "coder", "coding", True, False, ("read_file", "python", "write_file", "search"), 0.12, 0.14,
        ("qwen2.5-coder:14b", "llama3.1:8b"), (1_500, 64_000),
        ("INFO tests pass", "DEBUG diff has 31 lines", "WARNING 2 tests fail, trying again")),
    "agents/support.jsonl": Agent(
        "support", "support", True, True, ("sql_query", "search", "send_email", "http_get"), 0.07, 0.1,
        ("llama3.2:3b",), (300, 16_000),
        ("INFO customer answered", "DEBUG ticket has 3 messages", "WARNING nothing found in the manual")),
}  # fmt: skip
TOOL_MS = {
    "search": (90, 4_000), "browser": (400, 28_000), "sql_query": (4, 2_500), "python": (60, 45_000),
    "send_email": (120, 3_000), "read_file": (1, 90), "write_file": (2, 160), "http_get": (30, 9_000),
}  # fmt: skip
ERRORS = ("HTTPError: 503 Service Unavailable", "ConnectionError: connection reset by peer", "ValueError: no rows")
# What agents that write flat records call keys in objects; the others keep their name.
FLAT = {"agent.name": "agent", "agent.type": "agent_type", "tool.name": "tool_name", "task.id": "task_id"}
# What a process leaves that dies while it writes a record, by kind.
BROKEN = {
    "cut_record": ['{"level": "INFO", "event": "tool_call", "tool'],
    "traceback": ["Traceback (most recent call last):", '  File "loop.py", line 214, in step', "MemoryError"],
    "empty": [""],
}


class AgentLog(Log):
    """Idle, then a task of LLM calls, remarks and tool calls, then idle again."""

    def __init__(self, agent: Agent, seed: int, truth: Truth) -> None:
        super().__init__(seed, truth)
        self.agent = agent
        number = 0
        while self.now_ms < LENGTH_MS:
            number += 1
            self.task(f"{agent.name}-{number:04d}")
            self.now_ms += self.mostly_low(15_000, 520_000)
            if agent.crashes and number in (7, 16):
                for what, lines in BROKEN.items():
                    self.lines += lines
                    self.truth["malformed_lines", agent.name, what] += len(lines)

    def record(self, level: str, **fields: Any) -> None:
        start = {"level": level, "agent": {"name": self.agent.name, "type": self.agent.kind}}
        if self.agent.nested:
            line = json.dumps({"ts": self.rfc3339(), **start, **fields}, separators=(",", ":"))
        else:
            flat = {"timestamp": self.rfc3339()}
            for key, value in {**start, **fields}.items():
                for name, inner in value.items() if isinstance(value, dict) else [(key, value)]:
                    flat[FLAT.get(f"{key}.{name}", name)] = inner
            line = json.dumps(flat, ensure_ascii=False)
        self.lines.append(line)
        self.truth["records", self.agent.name, level] += 1

    def task(self, task_id: str) -> None:
        begin_ms = self.now_ms
        self.record("INFO", event="task_start", task={"id": task_id})
        for _ in range(self.evenly(2, 6)):
            self.llm_call()
            if self.random() < 0.5:
                level, _, message = self.one_of(self.agent.remarks).partition(" ")
                self.record(level, message=message)
            for _ in range(self.evenly(0, 3)):
                self.tool_call()
        self.now_ms += self.evenly(5, 400)
        took_ms = self.now_ms - begin_ms
        status = self.one_of(("failure", "timeout")) if self.random() < self.agent.task_failures else "success"
        end = {"id": task_id, "status": status, "duration_s": took_ms / 1000}
        self.record("INFO" if status == "success" else "ERROR", event="task_end", task=end)
        self.truth["tasks", self.agent.name, status] += 1
        self.observe("task_duration", self.agent.name, ns=took_ms * 1_000_000)

    def llm_call(self) -> None:
        took_ms = self.mostly_low(*self.agent.llm_ms)
        self.now_ms += took_ms + self.evenly(1, 9)
        self.observe("llm_latency", self.agent.name, ns=took_ms * 1_000_000)
        llm = {"model": self.one_of(self.agent.models), "latency_ms": took_ms}
        if self.random() < 0.03:
            self.record("WARNING", event="llm_call", llm=llm, status="error")  # what it used is not known
        else:
            usage = {"prompt_tokens": self.mostly_low(180, 7_000), "completion_tokens": self.mostly_low(8, 1_400)}
            self.record("INFO", event="llm_call", llm=llm, usage=usage, status="success")
            self.truth["tokens", self.agent.name, "prompt"] += usage["prompt_tokens"]
            self.truth["tokens", self.agent.name, "completion"] += usage["completion_tokens"]

    def tool_call(self) -> None:
        name = self.one_of(self.agent.tools)
        status = self.one_of(("error", "timeout")) if self.random() < self.agent.tool_failures else "success"
        took_ms = 30_000 if status == "timeout" else self.mostly_low(*TOOL_MS[name])
        self.now_ms += took_ms + self.evenly(1, 40)
        level = "INFO" if status == "success" else "WARNING"
        tool = {"name": name, "status": status}
        self.record(level, event="tool_call", tool=tool, duration_ms=took_ms, message=f"{name} called")
        self.truth["tool_calls", self.agent.name, name, status] += 1
        if status == "error":
            self.record("ERROR", message=f"{name} failed", error=self.one_of(ERRORS))


BOOT = """\
images.go:432 msg="total blobs: 19"
routes.go:1238 msg="Listening on 127.0.0.1:11434 (version 0.5.7)"
routes.go:1267 msg="Dynamic LLM libraries" runners="[cpu cpu_avx cpu_avx2 cuda_v11_avx cuda_v12_avx rocm_avx]"
types.go:131 msg="inference compute" id=GPU-5e0c2d31-7a64-4b8e-9a11-3c0f6d2b8e47 library=cuda variant=v12 \
compute=8.6 driver=12.4 name="NVIDIA GeForce RTX 3060" total="11.8 GiB" available="11.6 GiB"
"""
LOAD = """\
server.go:376 msg="starting llama server" cmd="/usr/lib/ollama/runners/cuda_v12_avx/ollama_llama_server runner \
--model BLOB --ctx-size 8192 --batch-size 512 --n-gpu-layers 33 --threads 8 --parallel 4 --port 41765"
sched.go:449 msg="loaded runners" count=1
runner.go:936 msg="starting go runner"
.:0 msg="Server listening on 127.0.0.1:41765"
server.go:589 msg="waiting for server to become available" status="llm server loading model"
"""
TRUNCATED = 'runner.go:129 msg="truncating input prompt" limit=2048 prompt={} keep=4 new=2048'
CLOSED = 'server.go:562 msg="client connection closed before server finished loading, aborting load"'
POLLS = ("GET /api/tags 200", "HEAD / 200", "GET /api/ps 200") * 3 + ("POST /api/chat 404", "GET /favicon.ico 404")


def go_duration(ns: int) -> str:
    """As Go prints durations below an hour: "713.052µs", "1.5s", "1m17s"."""
    if ns >= 60_000_000_000:
        return f"{ns // 60_000_000_000}m{ns // 1_000_000_000 % 60}s"
    unit, digits = ("s", 9) if ns >= 1_000_000_000 else ("ms", 6) if ns >= 1_000_000 else ("µs", 3)
    return f"{ns // 10**digits}.{ns % 10**digits:0{digits}d}".rstrip("0").rstrip(".") + unit


class OllamaLog(Log):
    """Version 0.5.7, not in a terminal: one request after the other, and a model load when one needs it."""

    def __init__(self, seed: int, truth: Truth) -> None:
        super().__init__(seed, truth)
        self.model = ""
        self.lines = ['2026/11/20 09:00:00 routes.go:1187: INFO server config env="map[OLLAMA_KEEP_ALIVE:5m0s]"']
        self.truth["ollama", "stdlog_lines", "INFO"] += 1
        self.infos(BOOT)
        while self.now_ms < LENGTH_MS:
            self.now_ms += self.mostly_low(900, 80_000)
            if self.random() < 0.4:
                method, path, status = self.one_of(POLLS).split()
                self.request(method, path, status, self.mostly_low(9_800, 4_000_000))
            else:
                self.inference(self.one_of(("/api/chat", "/api/generate", "/api/embed")))

    def slog(self, level: str, source_and_message: str) -> None:
        self.lines.append(f"time={self.rfc3339()} level={level} source={source_and_message}")
        self.truth["ollama", "slog_lines", level] += 1

    def infos(self, text: str) -> None:
        for line in text.splitlines():
            self.slog("INFO", line)
            self.now_ms += self.evenly(0, 60)

    def request(self, method: str, path: str, status: str, took_ns: int) -> None:
        if took_ns > 60_000_000_000:
            took_ns -= took_ns % 1_000_000_000  # as Gin does before it prints
        start = f"[GIN] {self.now('%Y/%m/%d - %H:%M:%S')} | {status} | {go_duration(took_ns):>13}"
        self.lines.append(f'{start} |       127.0.0.1 | {method:<7}  "{path}"')
        self.observe("ollama", "requests", method, path, status, ns=took_ns)

    def inference(self, path: str) -> None:
        begin_ms, status = self.now_ms, "200"
        model = "nomic-embed-text" if path == "/api/embed" else self.one_of(("llama3.1:8b", "qwen2.5-coder:14b"))
        if not self.model or (model != self.model and self.random() < 0.2):
            status = self.load(model)
        if status == "200":
            if self.random() < 0.06:
                self.slog("WARN", TRUNCATED.format(self.mostly_low(2_060, 9_000)))
                self.truth["ollama", "truncated_prompts"] += 1
            self.now_ms += self.mostly_low(12, 400) if path == "/api/embed" else self.mostly_low(350, 95_000)
            status = "500" if self.random() < 0.02 else "200"
        self.request("POST", path, status, (self.now_ms - begin_ms) * 1_000_000 + self.evenly(0, 999_999))

    def load(self, model: str) -> str:
        """Load *model* and return "200", or the status of the request that cannot have it."""
        begin_ms = self.now_ms
        blob = f"/root/.ollama/models/blobs/sha256-{hashlib.sha256(model.encode()).hexdigest()}"
        self.infos(LOAD.replace("BLOB", blob))
        self.now_ms += self.mostly_low(900, 14_000)
        if self.random() < 0.15:
            self.model, error = "", "llama runner process has terminated: cudaMalloc failed: out of memory"
            if canceled := self.random() < 0.5:
                self.slog("WARN", CLOSED)
                error = "timed out waiting for llama runner to start: context canceled"
            self.slog("ERROR", f'sched.go:455 msg="error loading llama server" error="{error}"')
            self.truth["ollama", "failed_loads"] += 1
            return "499" if canceled else "500"
        self.model = model
        took_ms = (self.now_ms - begin_ms) // 10 * 10
        self.lines.append("llm_load_tensors: offloaded 33/33 layers to GPU")
        self.slog("INFO", f'server.go:594 msg="llama runner started in {took_ms / 1000:.2f} seconds"')
        self.observe("ollama", "model_loads", ns=took_ms * 1_000_000)
        return "200"


def nested(truth: Truth) -> dict[str, Any]:
    """By one name after the other. Times were added up in whole ns, so seconds carry no rounding but the last."""
    tree: dict[str, Any] = {}
    for names, count in sorted(truth.items()):
        branch = tree
        for name in names[:-1]:
            branch = branch.setdefault(name, {})
        branch[names[-1]] = count / 1_000_000_000 if names[-1] == "sum_seconds" else count
    return tree


def main(arguments: list[str]) -> None:
    truth: Truth = Counter()
    logs = {path: AgentLog(agent, seed, truth).lines for seed, (path, agent) in enumerate(AGENTS.items())}
    logs["ollama/server.log"] = OllamaLog(33, truth).lines
    if arguments == ["--expect"]:
        print(json.dumps(nested(truth), indent=2))
        return
    directory = Path(arguments[0]) if arguments else Path(__file__).parent / "logs"
    for path, lines in logs.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes("".join(f"{line}\n" for line in lines).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
