"""How much Python a line costs, in bytecode instructions: a count that no other load on the machine changes.

Time is measured by `make bench`. These limits hold what it found fast: each is a tenth or so above what it is today.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from bench import transcripts, workloads
from logmetrics.config.loading import parse_config
from logmetrics.config.specs import Config, SourceSpec
from logmetrics.formats.framing import PLAIN
from logmetrics.packs import builtin_packs
from logmetrics.rules.compile import compiled
from logmetrics.rules.log import Log
from logmetrics.sources.tail import BLOCK_BYTES
from logmetrics.store.store import Store

PEERS_CONFIG = Path(__file__).parents[1] / "bench" / "peers" / "logmetrics"


def instructions(function: Callable[[], object]) -> int:
    """How many bytecode instructions *function* executes, those of what it calls included."""
    executed = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal executed
        frame.f_trace_opcodes = True
        executed += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return executed


def blocks(data: bytes) -> list[bytes]:
    """*data* in blocks of whole lines, as logs are read."""
    found, start = [], 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + BLOCK_BYTES) + 1 or data.index(b"\n", start) + 1
        found.append(data[start:end])
        start = end
    return found


def per_line(config: Config, data: bytes) -> float:
    """Instructions for each line of *data* from block to cells, once the log and its series are known."""
    [source] = config.sources
    program = compiled(config, source, Store(config.rule_set.metrics, config.limits))
    log = Log("/logs/x.log", source.name)

    def apply(some: Iterable[bytes]) -> None:
        for block in some:
            program.apply(PLAIN.take(block, b"").records, log, 0.0)

    apply(blocks(data) * 2)
    return instructions(lambda: apply(blocks(data))) / data.count(b"\n")


def config_of(text: str = "") -> Config:
    config = parse_config(text, "config.yaml", builtin_packs())
    return replace(config, sources=(SourceSpec("logs", ("/logs",)),))


def six_metrics() -> Config:
    return config_of((PEERS_CONFIG / "agent.yaml").read_text())


def three_metrics() -> Config:
    return config_of((PEERS_CONFIG / "ollama.yaml").read_text())


DAMAGED = 0.3
LOGS: dict[str, tuple[Callable[[], Config], Callable[[Path], workloads.Workload], int]] = {
    "agents' JSON, six metrics": (six_metrics, lambda place: workloads.agent(place, 1_000), 85),
    "agents' JSON, damaged": (six_metrics, lambda place: workloads.agent(place, 1_000, DAMAGED), 210),
    "agents' JSON, all packs": (config_of, lambda place: workloads.agent(place, 1_000), 200),
    "agents' JSON, damaged, all packs": (config_of, lambda place: workloads.agent(place, 1_000, DAMAGED), 320),
    "Ollama, three metrics": (three_metrics, lambda place: workloads.ollama(place, 1_000), 230),
    "Ollama, all packs": (config_of, lambda place: workloads.ollama(place, 1_000), 370),
    "Claude Code": (config_of, lambda place: transcripts.claude(place, 60), 400),
    "OTLP": (config_of, lambda place: transcripts.otlp(place, 20), 125_000),
}


@pytest.mark.parametrize(("config", "log", "most"), LOGS.values(), ids=LOGS)
def test_instructions_of_a_line(
    config: Callable[[], Config], log: Callable[[Path], workloads.Workload], most: int, tmp_path: Path
) -> None:
    """No line costs more than it did."""
    assert per_line(config(), log(tmp_path).log.read_bytes()) <= most


def rules(number: int, when: str) -> Config:
    lines = ["packs: []", "metrics:", "  found_total: {type: counter, help: h, labels: [agent]}", "rules:"]
    for index in range(number):
        lines += [
            f"  - name: rule {index}",
            f"    when: {when.format(index)}",
            "    labels: {agent: agent}",
            "    update: {found_total: 1}",
        ]
    return config_of("\n".join(lines))


def calls(number: int, *, agents: int = 8) -> bytes:
    """Lines that one of *number* rules matches, of so many agents."""
    records = [f'{{"event": "e{index % number}", "agent": "a {index % agents} a"}}\n' for index in range(4_000)]
    return "".join(records).encode()


def test_a_hundred_times_the_rules_cost_less_than_twice() -> None:
    """Rules that ask one field for equality are found by it."""
    few, many = (per_line(rules(number, 'event == "e{}"'), calls(number)) for number in (5, 500))

    assert many <= 2 * few


def test_series_cost_nothing() -> None:
    """A line of a series that is known costs the same whatever number of series there is."""
    few, many = (per_line(rules(5, 'event == "e{}"'), calls(5, agents=agents)) for agents in (1, 100))

    assert many <= 1.1 * few
