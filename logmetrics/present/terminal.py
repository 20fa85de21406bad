"""Blocks on a terminal. Texts are harmless there: no markup, no escapes, nothing that cannot be written."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from logmetrics.present import amounts
from logmetrics.present.blocks import (
    Bar,
    Block,
    Callouts,
    Cell,
    Chart,
    Entry,
    Facts,
    Note,
    Section,
    Shares,
    Spread,
    Table,
    Trend,
    coarser,
)

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = ".:-=+*#@"
EIGHTHS = " ▏▎▍▌▋▊▉█"
BAR_WIDTH = 10
SPARK_WIDTH_MAX = 72
TREND_WIDTH = 20
# Beside a sparkline stand its title, its sum and its peak.
TITLE_WIDTH = 24
BESIDE_SPARK = TITLE_WIDTH + 25
# Names and the like have at least so much room, if they need it.
TEXT_WIDTH = 24
STYLES = {"": "", "good": "green", "bad": "red", "warn": "yellow", "mute": "dim"}
# As box.SIMPLE_HEAD, in ASCII.
ASCII_HEAD = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


def sparkline(numbers: Sequence[float], blocks: str = BLOCKS) -> str:
    """A character for each number: blank for nothing, else the higher the more."""
    highest = max(numbers, default=0)
    if highest <= 0:
        return " " * len(numbers)
    return "".join(" " if number <= 0 else blocks[_level(number / highest, len(blocks))] for number in numbers)


def _level(part: float, levels: int) -> int:
    return min(levels - 1, max(0, -int(-part * levels // 1) - 1))


class Writer:
    """Prints blocks on *console*."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.fancy = _can_write(console.encoding, BLOCKS + EIGHTHS)
        self.blocks = BLOCKS if self.fancy else ASCII_BLOCKS

    def line(self, shown: Text | RichTable) -> None:
        """Print *shown*, which may be long."""
        self.console.print(shown, soft_wrap=False, highlight=False, overflow="fold")

    def text(self, text: str, style: str = "") -> Text:
        """*text* from anywhere."""
        return Text(amounts.harmless(text, self.console.encoding), style=style)

    def heading(self, title: str) -> None:
        """The heading of a section."""
        self.line(Text(""))
        self.line(Text(title.upper(), style="bold cyan"))

    def section(self, section: Section) -> None:
        """A section with its blocks."""
        self.heading(section.title)
        for index, (is_chart, blocks) in enumerate(groupby(section.blocks, lambda block: isinstance(block, Chart))):
            if is_chart:
                self._charts([block for block in blocks if isinstance(block, Chart)])
                continue
            for place, block in enumerate(blocks):
                if index + place and not isinstance(block, Note):
                    self.line(Text(""))
                self._block(block)

    def _block(self, block: Block) -> None:
        if isinstance(block, Note):
            self.line(self.text(block.text))
        elif isinstance(block, Facts):
            self._facts(block)
        elif isinstance(block, Shares):
            self._shares(block)
        elif isinstance(block, Callouts):
            self._callouts(block)
        elif isinstance(block, Table):
            self.table(block)

    def _facts(self, block: Facts) -> None:
        grid = RichTable.grid(padding=(0, 2, 0, 0))
        grid.add_column(justify="right", no_wrap=True)
        grid.add_column()
        grid.add_column()
        for fact in block.facts:
            grid.add_row(
                self.text(fact.value, "bold"),
                self.text(fact.name),
                self.text(fact.detail, STYLES[fact.tone] or "dim"),
            )
        self.line(grid)

    def _callouts(self, block: Callouts) -> None:
        for callout in block.callouts:
            self.line(self.text(callout.title, f"bold {STYLES[callout.tone]}"))
            for line in filter(None, (*callout.lines, callout.code)):
                self.line(self.text(f"  {line}"))

    def _shares(self, block: Shares) -> None:
        self.line(self.text(block.title, "bold"))
        grid = RichTable.grid(padding=(0, 2, 0, 0))
        grid.add_column(overflow="fold", ratio=None)
        grid.add_column(justify="right", no_wrap=True)
        grid.add_column(no_wrap=True)
        largest = max(share.value for share in block.shares)
        for share in block.shares:
            bar = self._bar(Bar(share.value / largest if largest else 0), 2 * BAR_WIDTH)
            bar.stylize(STYLES[share.tone] or "blue")
            grid.add_row(self.text(share.name), self.text(share.text), bar)
        self.line(grid)

    def table(self, block: Table, *, everything: bool = False) -> None:
        """With *everything*, no column that holds what is told nowhere else is left out."""
        if block.title:
            self.line(self.text(block.title, "bold"))
        if block.rows:
            self._rows(block, everything=everything)
        for sentence in filter(None, (block.rest, block.note)):
            self.line(self.text(sentence, "dim"))

    def _rows(self, block: Table, *, everything: bool) -> None:
        shown = _fitting(block, self.console.width)
        head = box.SIMPLE_HEAD if self.fancy else ASCII_HEAD
        table = RichTable(
            box=head,
            border_style="dim",
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
            header_style="" if everything else "dim",
        )
        for index in shown:
            column = block.columns[index]
            table.add_column(
                self.text(column.title),
                justify="right" if column.kind == "number" else "left",
                no_wrap=column.kind != "text",
                overflow="fold",
            )
        for row in block.rows[: block.first]:
            table.add_row(*(self._entry(row[index], everything=everything) for index in shown))
        self.line(table)
        if block.first is not None and len(block.rows) > block.first:
            self.line(self.text(f"and {len(block.rows) - block.first:,} more", "dim"))

    def _entry(self, entry: Entry, *, everything: bool) -> Text:
        if isinstance(entry, Bar):
            return self._bar(entry, BAR_WIDTH)
        if isinstance(entry, Spread):
            return Text(sparkline(entry.counts, self.blocks), style="blue")
        if isinstance(entry, Trend):
            return Text(sparkline(coarser(entry.counts, TREND_WIDTH)[1], self.blocks), style="blue")
        return self.text(entry.text if everything else amounts.excerpt(entry.text), STYLES[entry.tone])

    def _bar(self, bar: Bar, width: int) -> Text:
        eighths = max(1, round(bar.part * width * 8)) if bar.part > 0 else 0
        whole, rest = divmod(eighths, 8)
        text = "█" * whole + EIGHTHS[rest].strip() if self.fancy else "#" * max(bool(eighths), round(eighths / 8))
        bad = -int(-bar.bad * width // 1) if bar.bad else 0
        shown = Text(text, style="blue")
        if bad:
            shown.stylize("red", max(0, len(text) - bad), len(text))
        return shown

    def _charts(self, charts: Sequence[Chart]) -> None:
        """All over the same time, in as many steps as there is room for."""
        first = charts[0]
        width = max(10, min(SPARK_WIDTH_MAX, self.console.width - BESIDE_SPARK))
        step, counts, _ = first.coarser(width)
        grid = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        grid.add_column(overflow="fold", max_width=TITLE_WIDTH)
        grid.add_column("all" if all(chart.level is None for chart in charts) else "", justify="right", no_wrap=True)
        grid.add_column(self._axis(first, len(counts)), no_wrap=True)
        grid.add_column(f"most in {amounts.step(step * first.bucket_s)}", justify="right", no_wrap=True)
        for chart in charts:
            _, counts, errors = chart.coarser(width)
            grid.add_row(*self._chart_row(chart.title, chart, counts, "blue"))
            if errors:
                grid.add_row(*self._chart_row(f"  {chart.wrong}", chart, errors, "red"))
        self.line(grid)

    def _chart_row(
        self, title: str, chart: Chart, counts: Sequence[float], style: str
    ) -> tuple[Text, Text, Text, Text]:
        spark = Text(sparkline(counts, self.blocks), style=style)
        whole = sum(counts) if chart.level is None else chart.level
        total, most = (amounts.amount_of(chart.metric, value) for value in (whole, max(counts)))
        return self.text(title), self.text(total), spark, self.text(most)

    def _axis(self, chart: Chart, width: int) -> Text:
        first, last = amounts.ends(chart.start_s, chart.start_s + len(chart.counts) * chart.bucket_s)
        room = width - len(first) - len(last)
        return Text(f"{first}{' ' * room}{last}" if room > 0 else first)


class Collector(Writer):
    """Keeps in ``shown`` what would be printed, for those who show it all at once."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.shown: list[Text | RichTable] = []

    def line(self, shown: Text | RichTable) -> None:
        """Keep *shown*."""
        if isinstance(shown, Text):
            shown.overflow = "fold"
        self.shown.append(shown)


def _fitting(block: Table, width: int) -> list[int]:
    """The columns that there is room for: pictures and what may be left out go first, from the right."""
    shown = list(range(len(block.columns)))
    spare = [index for index in shown if block.columns[index].wide]
    spare = [index for index in shown if block.columns[index].kind == "picture" and index not in spare] + spare
    while spare and sum(_width(block, index) + 2 for index in shown) - 2 > width:
        shown.remove(spare.pop())
    return shown


def _width(block: Table, index: int) -> int:
    column = block.columns[index]
    widths = [len(column.title)]
    for row in block.rows:
        entry = row[index]
        if isinstance(entry, Cell):
            widths.append(len(entry.text))
        elif isinstance(entry, Trend):
            widths.append(min(len(entry.counts), TREND_WIDTH))
        else:
            widths.append(BAR_WIDTH if isinstance(entry, Bar) else len(entry.counts))
    return max(widths) if column.kind != "text" else min(max(widths), TEXT_WIDTH)


def _can_write(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True
