"""The words that all benchmarks share: how much to measure, and what a result is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# What `run` gives and results.json keeps: dictionaries, lists, texts and numbers.
Raw = Any


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    name: str
    # Interleaved rounds of the comparisons, and of the many points of curves and packs.
    rounds: int
    curve_rounds: int
    agent_lines: int
    ollama_lines: int
    # Lines of the curves that do not grow in lines; bytes of the one that grows in their length.
    curve_lines: int
    curve_bytes: int
    lines_max: int
    series_max: int
    files_max: int
    rule_counts: tuple[int, ...]
    # Each pack's log.
    pack_bytes: int
    # How long live logs are followed, and how long nothing happens; how often a line is waited for.
    live_s: float
    idle_s: float
    probes: int
    # Files that hardly anybody writes to; series of a page.
    quiet_files: int
    page_series: int
    soak_minutes: float
    # Length of the log that is replayed; a day has 200 MB.
    replay_days: int


QUICK = Size(
    name="quick",
    rounds=2,
    curve_rounds=1,
    agent_lines=100_000,
    ollama_lines=50_000,
    curve_lines=100_000,
    curve_bytes=16_000_000,
    lines_max=100_000,
    series_max=10_000,
    files_max=1_000,
    rule_counts=(5, 50, 500),
    pack_bytes=4_000_000,
    live_s=3,
    idle_s=5,
    probes=50,
    quiet_files=1_000,
    page_series=10_000,
    soak_minutes=0.3,
    replay_days=2,
)
FULL = Size(
    name="full",
    rounds=5,
    curve_rounds=2,
    agent_lines=1_000_000,
    ollama_lines=500_000,
    curve_lines=300_000,
    curve_bytes=64_000_000,
    lines_max=10_000_000,
    series_max=100_000,
    files_max=10_000,
    rule_counts=(5, 20, 50, 200, 500),
    pack_bytes=12_000_000,
    live_s=12,
    idle_s=30,
    probes=300,
    quiet_files=10_000,
    page_series=100_000,
    soak_minutes=2,
    replay_days=11,
)
SIZES = {size.name: size for size in (QUICK, FULL)}


@dataclass(frozen=True)
class Table:
    """A table of texts; the first column is a name, the others are numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Plot:
    """A figure with a line for each name, in plots/*file*.svg. Both axes begin at zero unless logarithmic."""

    file: str
    title: str
    x: str
    y: str
    lines: dict[str, list[tuple[float, float]]]
    log_x: bool = True
    log_y: bool = False


@dataclass(frozen=True)
class Section:
    """A part of RESULTS.md: paragraphs, tables and plots in their order."""

    title: str
    parts: Sequence[str | Table | Plot]
