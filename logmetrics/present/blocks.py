"""What a report is made of, whatever it is shown on: sections of tables, shares, facts and charts.

All texts are plain; those who show them make them harmless and escape them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

# What a number or a share of a whole says by itself; the rest have colours in turn.
Tone = Literal["", "good", "bad", "warn", "mute"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A text or a number as people read it; ``exact`` is the same in all digits if it is not.

    ``more`` are lines of less weight below it. ``code`` says that the text is one of a program's.
    """

    text: str
    exact: str = ""
    tone: Tone = ""
    more: tuple[str, ...] = ()
    code: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of the largest one in its column, 0 to 1, and the part of that which went wrong.

    With ``whole`` it is a part of something that may become full, and what is left can be seen.
    """

    part: float
    bad: float = 0.0
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Spread:
    """Where measurements lie: how many are in each bucket of a histogram."""

    counts: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Trend:
    """How a number went over time, oldest first; what it is now stands beside it."""

    counts: tuple[float, ...]


Entry = Cell | Bar | Spread | Trend


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; a "name" is a text that stays in one line.

    ``wide``: it may be left out where there is no room; ``detail`` is said if there is.
    """

    title: str
    kind: Literal["text", "name", "number", "picture"] = "number"
    wide: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with as many entries as there are columns. ``rest`` says what is left out of it.

    Rows beyond the ``first`` ones need not be seen at once. With ``find``, a word for what they are, one may look for
    rows by their text.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    note: str = ""
    rest: str = ""
    first: int | None = None
    find: str = ""


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
    """Numbers over time from ``start_s`` on, one for each ``bucket_s``; ``metric`` tells their unit.

    ``wrong`` says what ``errors`` are. With a ``level`` the numbers are the heights of something that is that high now.
    """

    title: str
    metric: str
    start_s: float
    bucket_s: float
    counts: tuple[float, ...]
    errors: tuple[float, ...] = ()
    wrong: str = "failed"
    level: float | None = None

    def coarser(self, most: int) -> tuple[int, list[float], list[float]]:
        """In at most *most* buckets: how many old ones a new one has, its numbers, and what went wrong in it."""
        step, counts = coarser(self.counts, most, sum if self.level is None else max)
        return step, counts, coarser(self.errors, most)[1] if self.errors else []

    @property
    def whole(self) -> float:
        """The number that stands for all of it."""
        return sum(self.counts) if self.level is None else self.level


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence of our own; what stands between backticks is code."""

    text: str


@dataclass(frozen=True, slots=True)
class Callout:
    """Something that a person should do something about: what it is, more about it, and what to write somewhere."""

    title: str
    tone: Tone
    lines: tuple[str, ...] = ()
    code: str = ""


@dataclass(frozen=True, slots=True)
class Callouts:
    """What should not be overlooked, the worst first."""

    callouts: tuple[Callout, ...]


Block = Table | Shares | Facts | Chart | Note | Callouts


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report with a heading. Those without blocks are not shown."""

    ident: str
    title: str
    blocks: tuple[Block, ...]


def table(
    title: str,
    columns: Iterable[Column],
    rows: Iterable[tuple[Entry, ...]],
    note: str = "",
    rest: str = "",
    first: int | None = None,
    find: str = "",
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
        first,
        find,
    )


def _is_empty(entry: Entry) -> bool:
    return isinstance(entry, Cell) and entry.text in ("", "-")


def coarser(
    numbers: Sequence[float], most: int, join: Callable[[Sequence[float]], float] = sum
) -> tuple[int, list[float]]:
    """*numbers* over time in at most *most* buckets: how many old ones a new one has, and their sums, or what *join*
    makes of them.
    """
    step = max(1, -(-len(numbers) // most))
    return step, [join(numbers[start : start + step]) for start in range(0, len(numbers), step)]
