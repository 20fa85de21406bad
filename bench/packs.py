"""What each built-in pack costs: `logmetrics watch --once` without a config over a log of its kind, against the least
that reading such a log takes: `orjson.loads` of each line of JSON, or splitting text into lines.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from bench import figures, limits, repeats, transcripts, workloads
from bench.heads import head_of, rest_s
from bench.measure import Outcome, environment, interleave
from bench.model import Raw, Section, Size, Table
from bench.reference import Expected
from bench.systems import LOGMETRICS_PACKS, PYTHON_ENV, ROOT
from bench.workloads import Workload

DATA = ROOT / "tests" / "data"
SAMPLES = {
    "agent (loguru)": "generic/loguru_serialize.log",
    "agent (pino)": "generic/pino.log",
    "aider": "aider/analytics.jsonl",
    "autogen": "autogen/events.log",
    "claude-code-otel": "claude_code_otel/collector_file.jsonl",
    "codex": "codex/schema_variety_2026-08.jsonl",
    "copilot-cli": "copilot/events_1.0.77.jsonl",
    "droid": "droid/stream_json_with_usage.jsonl",
    "gemini-cli": "gemini/telemetry_one_line_each.jsonl",
    "kimi": "kimi/wire_1.4.jsonl",
    "langgraph-server": "langgraph/server.log",
    "litellm": "litellm/standard_logging_payload.jsonl",
    "llama-server": "llama_server/b4240-journald.log",
    "ollama (journald)": "ollama/027-v0.5.12-v0.6.0-journald.log",
    "openai-agents": "openai_agents/spans.jsonl",
    "openhands": "openhands/events_v1.jsonl",
    "otel-genai (Pydantic AI)": "otel/otlp_spans_pydantic_ai.jsonl",
    "pi": "pi/forked_session.jsonl",
    "qwen": "qwen/session_with_usage.jsonl",
    "tgi": "tgi/text.log",
    "vllm": "vllm/v0.10-data-parallel.log",
}
# Of these the logs have running totals, of which the same ones again add nothing.
RUNNING_TOTALS = {
    "copilot-cli": {"agent_token_usage_total", "agent_token_detail_total"},
    "openhands": {"agent_token_usage_total", "agent_token_detail_total"},
}
FIRST, WHOLE = ", first lines", ", whole log"
# What the lines of the made workloads have on average, to make them of a given size.
BYTES_A_LINE = {"agent": 331, "ollama": 106, "claude": 3400, "otlp": 45_000}


def run(size: Size, directory: Path) -> Raw:
    lines = {kind: max(10, size.pack_bytes // each) for kind, each in BYTES_A_LINE.items()}
    logs = {
        "agent": workloads.agent(directory, lines["agent"]),
        "ollama": workloads.ollama(directory, lines["ollama"]),
        "claude-code": transcripts.claude(directory, lines["claude"] // transcripts.LINES_PER_TURN),
        "otel-genai (a batch in each line)": transcripts.otlp(directory, lines["otlp"]),
        **{pack: _of_sample(pack, DATA / path, directory, size.pack_bytes) for pack, path in SAMPLES.items()},
    }
    runs: dict[str, Callable[[], Outcome]] = {}
    head_lines = {}
    for name, log in logs.items():
        head, head_lines[name] = head_of(log.log, log.lines)
        first = Workload(name, head, head_lines[name], Expected(), Expected())
        for part, workload in ((FIRST, first), (WHOLE, log)):
            runs[f"{name}{part}"] = partial(LOGMETRICS_PACKS.run, workload, directory)
            limit = _limit(log.log)
            runs[f"{name}, limit{part}"] = partial(limits.in_python, limit, workload.log, workload.lines, directory)
    outcomes = interleave(runs, size.curve_rounds)
    return {
        name: {
            "lines": log.lines,
            "head_lines": head_lines[name],
            "megabytes": log.megabytes,
            "limit": _limit(log.log),
            "outcomes": {
                f"{of}{part}": outcomes[f"{name}{of}{part}"] for of in ("", ", limit") for part in (FIRST, WHOLE)
            },
        }
        for name, log in logs.items()
    }


def _of_sample(pack: str, sample: Path, directory: Path, size_bytes: int) -> Workload:
    """The log counts so often what the sample counts once."""
    log = directory / f"{sample.parent.name}-{sample.name}"
    times = repeats.repeated(sample, log, size_bytes)
    expected = Expected()
    command = [sys.executable, "-m", "logmetrics", "watch", "--once", str(sample)]
    once = subprocess.run(command, capture_output=True, text=True, env=environment(PYTHON_ENV), check=True).stdout
    for family in text_string_to_metric_families(once):
        for counted in family.samples:
            ours = counted.name.startswith("logmetrics_") or counted.name in RUNNING_TOTALS.get(pack, ())
            if family.type == "counter" and not ours:
                expected.add(counted.name, counted.labels, counted.value)
    assert expected.samples, sample
    return Workload(pack, log, log.read_bytes().count(b"\n"), expected, expected.times(times))


def _limit(log: Path) -> str:
    with log.open("rb") as file:
        return "orjson" if file.read(1) in (b"{", b"") else "split"


def show(raw: Raw) -> Section:
    rows = []
    for name, found in raw.items():
        outcomes = found["outcomes"]
        if told := next(filter(None, map(figures.trouble, outcomes.values())), ""):
            rows.append([name, told, "", "", "", "", ""])
            continue
        share = found["lines"] / (found["lines"] - found["head_lines"])
        used_s, limit_s = (share * rest_s(outcomes[f"{of}{WHOLE}"], outcomes[f"{of}{FIRST}"]) for of in ("", ", limit"))
        rows.append(
            [
                name,
                f"{1e6 * found['megabytes'] / found['lines']:,.0f}",
                figures.number(1e6 * used_s / found["lines"]),
                figures.number(1e3 * used_s / found["megabytes"]),
                f"{figures.number(1e3 * limit_s / found['megabytes'])} ({found['limit']})",
                figures.times(used_s / limit_s),
                figures.number(figures.median(outcomes[FIRST])),
            ]
        )
    head = ["pack", "bytes a line", "µs a line", "ms a MB", "limit, ms a MB", "times the limit", "start, CPU-s"]
    megabytes = max(found["megabytes"] for found in raw.values())
    return Section(
        "Packs",
        [
            f"CPU without a config, all packs at hand, over logs of {megabytes:.0f} MB that one of them counts. The "
            "limit is a program that does nothing but `orjson.loads` each line, or split text into lines. Both are the "
            "whole log less its first lines, which are shown as the start; a dash is too little to be told from noise. "
            "Samples of tests/data are repeated, each time with ids of its own; values must be as many times those of "
            "the sample.",
            Table(head, rows),
        ],
    )
