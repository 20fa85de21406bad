"""results.json, which keeps what was measured, and RESULTS.md and its plots, which are made of nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from bench import plots
from bench.model import Plot, Raw, Section, Table

HERE = Path(__file__).parent
RESULTS_JSON, RESULTS_MD, PLOTS = HERE / "results.json", HERE / "RESULTS.md", HERE / "plots"
METHOD = """\
`make bench` writes this file; `python -m bench SECTION` measures a part of it again. Each program runs as a
process of its own over a whole log, and each is asked once in turn, A B C A B C; the median of the rounds
stands here, with the least and the most of them in brackets. Ratios are taken within each round, and the median
of those stands here. CPU is user and system time of all threads, from start to end. What each program counted
is compared with counts that were kept while the log was made: a program that counts anything wrong has no time
here, but the word WRONG. logmetrics runs as people run it (`logmetrics watch --once LOG --state-dir DIR`): with
its state on the disk, its cardinality guard, and its metrics about itself. MB are a million bytes."""


def load() -> dict[str, Raw]:
    """What was measured so far, by section."""
    found: dict[str, Raw] = json.loads(RESULTS_JSON.read_text()) if RESULTS_JSON.exists() else {}
    return found


def save(results: Mapping[str, Raw]) -> None:
    """Keep what was measured."""
    RESULTS_JSON.write_text(json.dumps(results, indent=1) + "\n")


def write(results: Mapping[str, Raw], modules: Mapping[str, ModuleType]) -> None:
    """RESULTS.md and the plots of all sections that were measured, in the order of *modules*."""
    measured = [name for name in modules if name in results]
    machine = results[measured[0]]["machine"]
    text = ["# Results", METHOD, _markdown(Table(["", ""], list(machine.items())))]
    for name in measured:
        result = results[name]
        section: Section = modules[name].show(result["raw"])
        told = (
            f"Size {result['size']}, {result['rounds']} rounds of comparisons, {result['curve_rounds']} of curves and "
        )
        told += f"packs. Load of the machine before: {result['load']:.1f}."
        if result["machine"] != machine:
            told += " Measured with other versions or on another machine than stands above."
        text += [f"## {section.title}", *map(_part, section.parts), f"*{told}*"]
    RESULTS_MD.write_text("\n\n".join(text) + "\n")


def _part(part: str | Table | Plot) -> str:
    if isinstance(part, Table):
        return _markdown(part)
    if isinstance(part, Plot):
        # A figure that could not be told from noise has no point.
        known = {name: [point for point in points if math.isfinite(point[1])] for name, points in part.lines.items()}
        plot = replace(part, lines={name: points for name, points in known.items() if points})
        if not plot.lines:
            return "No plot: no figure could be told from noise."
        plots.draw(plot, PLOTS)
        return f"![{plot.title}: {plot.y}, by {plot.x}](plots/{plot.file}.svg)"
    return part


def _markdown(table: Table) -> str:
    """Names to the left, numbers to the right."""
    rule = ["---", *("---:" for _ in table.head[1:])]
    rows = [[cell.replace("|", "\\|") for cell in row] for row in (table.head, rule, *table.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
