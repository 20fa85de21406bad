"""A report on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from logmetrics.present.terminal import Writer
from logmetrics.replay.report.accounts import headline
from logmetrics.replay.report.data import Report, is_shown
from logmetrics.replay.report.sections import sections_of
from logmetrics.replay.report.totals import family_table

# Rows of a ranking.
MOST = 10


def write_report(report: Report, console: Console, *, totals: bool = True) -> None:
    """Print *report*; with *totals* the tables of all metrics, too."""
    writer = Writer(console)
    writer.line(Text("logmetrics replay", style="bold"))
    for sentence in headline(report):
        writer.line(writer.text(sentence))
    for section in sections_of(report, MOST):
        writer.section(section)
    if totals and any(map(is_shown, report.families)):
        writer.heading("All metrics")
        for view in filter(is_shown, report.families):
            writer.line(Text(""))
            writer.table(family_table(view), everything=True)
