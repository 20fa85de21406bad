"""How much CPU a million lines cost: logmetrics and other programs at the same work, all values checked."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from bench import figures, workloads
from bench.measure import interleave
from bench.model import Raw, Section, Size, Table
from bench.systems import LOGMETRICS, LOGMETRICS_PACKS, PEERS_BY_NAME, System
from bench.workloads import Workload

DAMAGED = 0.3
TITLES = {"agent": "Agents' JSON, six metrics", "ollama": "An Ollama server's log, three metrics"}


def run(size: Size, directory: Path) -> Raw:
    peers = [system for systems in PEERS_BY_NAME.values() for system in systems if system.found()]
    clean = workloads.agent(directory, size.agent_lines)
    measured = {
        workload.kind: _compare([LOGMETRICS, LOGMETRICS_PACKS, *peers], workload, size.rounds, directory)
        for workload in (clean, workloads.ollama(directory, size.ollama_lines))
    }
    damaged = workloads.agent(directory, size.agent_lines, DAMAGED)
    runs = {
        f"{system.name}: {name}": partial(system.run, workload, directory)
        for system in [LOGMETRICS, LOGMETRICS_PACKS]
        for name, workload in (("clean", clean), ("damaged", damaged))
    }
    return {"compared": measured, "damaged": interleave(runs, size.rounds)}


def _compare(systems: list[System], workload: Workload, rounds: int, directory: Path) -> Raw:
    runs = {system.name: partial(system.run, workload, directory) for system in systems}
    return {"lines": workload.lines, "megabytes": workload.megabytes, "outcomes": interleave(runs, rounds)}


def show(raw: Raw) -> Section:
    compared = raw["compared"]
    parts: list[str | Table] = [
        "How many times the CPU of logmetrics the others take for the same log, start-up included. Of mtail's two "
        "settings the better one is taken.",
        Table(["", *(TITLES[kind] for kind in compared)], _ratio_rows(compared)),
    ]
    for kind, found in compared.items():
        per_million = 1e6 / found["lines"]
        parts.append(f"**{TITLES[kind]}**: {found['lines']:,} lines, {found['megabytes']:.0f} MB.")
        parts.append(_table(found["outcomes"], per_million, found["lines"]))
    parts.append(_damaged_text(raw["damaged"]))
    return Section("Throughput beside other programs", parts)


def _ratio_rows(compared: Raw) -> list[list[str]]:
    rows = []
    for peer, systems in PEERS_BY_NAME.items():
        row = [peer]
        for found in compared.values():
            base = found["outcomes"][LOGMETRICS.name]
            tried = [found["outcomes"][system.name] for system in systems if system.name in found["outcomes"]]
            good = [outcomes for outcomes in tried if not figures.trouble(outcomes)]
            if figures.trouble(base):
                row.append("logmetrics WRONG")
            elif good:
                row.append(figures.times(figures.ratio(min(good, key=figures.median), base)))
            else:
                row.append(figures.trouble(tried[0]).split(":")[0] if tried else "not found")
        rows.append(row)
    return rows


def _table(outcomes: Raw, per_million: float, lines: int) -> Table:
    head = ["", "CPU-s per million lines", "wall s per million", "lines/s", "peak MiB"]
    rows = []
    for name, of_system in outcomes.items():
        if told := figures.trouble(of_system):
            rows.append([name, told, "", "", ""])
            continue
        wall_s = figures.median(of_system, "wall_s")
        rows.append(
            [
                name,
                figures.spread(of_system, per_million),
                figures.spread(of_system, per_million, "wall_s"),
                f"{lines / wall_s:,.0f}",
                figures.number(figures.median(of_system, "rss_mib")),
            ]
        )
    return Table(head, rows)


def _damaged_text(outcomes: Raw) -> str:
    told = []
    for system in (LOGMETRICS, LOGMETRICS_PACKS):
        clean, damaged = (outcomes[f"{system.name}: {name}"] for name in ("clean", "damaged"))
        wrong = figures.trouble(clean) or figures.trouble(damaged)
        told.append(f"{system.name} {wrong or figures.times(figures.ratio(damaged, clean))}")
    return (
        f"**Damaged lines**: with {DAMAGED:.0%} of the agents' lines torn, replaced by a traceback or empty, as many "
        f"lines take, of the CPU that they take without: {', '.join(told)}."
    )
