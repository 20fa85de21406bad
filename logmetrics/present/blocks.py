"""What a report is made of, whatever it is shown on: sections of tables, shares, facts and charts.

All texts are plain; those who show them make them harmless and escape them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

# What a number or a share of a whole says by itself; the rest have colours in turn.
Tone = Literal["", "good", "bad", "warn", "mute"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A text or a number as people read it; ``exact`` is the same in all digits if it is not."""

    text: str
    exact: str = ""
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of the largest one in its column, 0 to 1, and the part of that which went wrong."""

    part: float
    bad: float = 0.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Where measurements lie: how many are in each bucket of a histogram."""

    counts: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. ``wide``: it may be left out where there is no room; ``detail`` is said if there is."""

    title: str
    kind: Literal["text", "number", "picture"] = "number"
    wide: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with as many entries as there are columns. ``rest`` says what is left out of it."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell | Bar | Spread, ...], ...]
    note: str = ""
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole."""

    name: str
    value: float
    text: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Shares:
    """What a whole is made of."""

    title: str
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """One large number."""

    value: str
    name: str
    detail: str = ""
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """The numbers that are looked at first."""

    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Numbers over time from ``start_s`` on, one for each ``bucket_s``; ``metric`` tells their unit."""

    title: str
    metric: str
    start_s: float
    bucket_s: float
    counts: tuple[float, ...]
    errors: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence of our own; what stands between backticks is code."""

    text: str


Block = Table | Shares | Facts | Chart | Note


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report with a heading. Those without blocks are not shown."""

    ident: str
    title: str
    blocks: tuple[Block, ...]


def table(
    title: str,
    columns: Iterable[Column],
    rows: Iterable[tuple[Cell | Bar | Spread, ...]],
    note: str = "",
    rest: str = "",
) -> Table:
    """A table without the columns that have nothing in any row."""
    kept = list(rows)
    columns = list(columns)
    used = [index for index in range(len(columns)) if any(not _is_empty(row[index]) for row in kept)]
    return Table(
        title,
        tuple(columns[index] for index in used),
        tuple(tuple(row[index] for index in used) for row in kept),
        note,
        rest,
    )


def _is_empty(entry: Cell | Bar | Spread) -> bool:
    return isinstance(entry, Cell) and entry.text in ("", "-")


def coarser(numbers: Sequence[float], most: int) -> tuple[int, list[float]]:
    """*numbers* over time in at most *most* buckets: how many old ones a new one has, and their sums."""
    step = max(1, -(-len(numbers) // most))
    return step, [sum(numbers[start : start + step]) for start in range(0, len(numbers), step)]
