"""How much CPU a million lines cost: logmetrics and other programs at the same work, all values checked."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from bench import figures, workloads
from bench.measure import interleave
from bench.model import Raw, Section, Size, Table
from bench.systems import LOGMETRICS, LOGMETRICS_PACKS, PEERS_BY_NAME, System
from bench.workloads import Workload, empty_workload

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
    """The log, and an empty one of its kind: what each takes to start."""
    empty = empty_workload(workload.kind, directory)
    starts = {system.name: partial(system.run, empty, directory) for system in systems}
    runs = {system.name: partial(system.run, workload, directory) for system in systems}
    return {
        "lines": workload.lines,
        "megabytes": workload.megabytes,
        "starts": interleave(starts, rounds),
        "outcomes": interleave(runs, rounds),
    }


def show(raw: Raw) -> Section:
    compared = raw["compared"]
    head = ["CPU of logmetrics = 1", *(f"{TITLES[kind]}{of}" for kind in compared for of in ("", ", without start-up"))]
    parts: list[str | Table] = [
        "How many times the CPU of logmetrics the others take for the same log. Start-up is in it, but for the columns "
        "that say so; it is a run over an empty log. Of mtail's two settings the better one is taken.",
        Table(head, [[peer, *_ratios(systems, compared)] for peer, systems in PEERS_BY_NAME.items()]),
    ]
    for kind, found in compared.items():
        parts.append(f"**{TITLES[kind]}**: {found['lines']:,} lines, {found['megabytes']:.0f} MB.")
        parts.append(_table(found))
    parts.append(_damaged_text(raw["damaged"]))
    return Section("Throughput beside other programs", parts)


def _ratios(systems: list[System], compared: Raw) -> list[str]:
    """With start-up and without, for each log; or why there is none."""
    told = []
    for found in compared.values():
        outcomes, starts = found["outcomes"], found["starts"]
        tried = [system.name for system in systems if system.name in outcomes]
        good = [name for name in tried if not figures.trouble(outcomes[name]) and not figures.trouble(starts[name])]
        if trouble := figures.trouble(outcomes[LOGMETRICS.name]):
            told += 2 * [f"logmetrics {trouble.split(':')[0]}"]
        elif good:
            best = min(good, key=lambda name: figures.median(outcomes[name]))
            pair = outcomes[best], outcomes[LOGMETRICS.name]
            start_s = [figures.median(starts[name]) for name in (best, LOGMETRICS.name)]
            told += [figures.times(figures.ratio(*pair)), figures.times(figures.ratio(*pair, *start_s))]
        else:
            told += 2 * [figures.trouble(outcomes[tried[0]]).split(":")[0] if tried else "not found"]
    return told


def _table(found: Raw) -> Table:
    head = ["", "CPU-s per million lines", "start-up, CPU-s", "wall s per million lines", "lines/s", "peak MiB"]
    per_million = 1e6 / found["lines"]
    rows = []
    for name, outcomes in found["outcomes"].items():
        if told := figures.trouble(outcomes) or figures.trouble(found["starts"][name]):
            rows.append([name, told, *4 * [""]])
            continue
        rows.append(
            [
                name,
                figures.spread(outcomes, per_million),
                figures.number(figures.median(found["starts"][name])),
                figures.spread(outcomes, per_million, "wall_s"),
                f"{found['lines'] / figures.median(outcomes, 'wall_s'):,.0f}",
                figures.number(figures.median(outcomes, "rss_mib")),
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
