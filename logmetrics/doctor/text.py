"""Findings for people: on a terminal with colours and wrapped, elsewhere a line for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from logmetrics.doctor.findings import Finding, Mark
from logmetrics.doctor.findings import Group as Topic
from logmetrics.present.amounts import harmless, number_of

_SIGNS: dict[Mark, tuple[str, str, str]] = {
    "ok": ("✓", "ok", "green"),
    "note": ("•", "--", "cyan"),
    "warning": ("!", "!", "bold yellow"),
    "problem": ("✗", "X", "bold red"),
}
_MARK_WIDTH = max(map(len, _SIGNS))


def write_group(group: Topic, console: Console) -> None:
    """Print one topic."""
    if not console.is_terminal:
        _plain(group, console)
        return
    console.print(Text(group.title, style="bold"))
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True, width=2)
    grid.add_column(overflow="fold")
    fancy = _can_write(console.encoding)
    for finding in group.findings:
        sign, ascii_sign, style = _SIGNS[finding.mark]
        grid.add_row(Text(f" {sign if fancy else ascii_sign}"[-2:], style=style), _entry(finding, console, fancy=fancy))
    console.print(grid, highlight=False)
    console.print()


def write_summary(groups: Sequence[Topic], console: Console) -> None:
    """Print how it is on the whole."""
    counts = Counter(finding.mark for group in groups for finding in group.findings)
    parts = [number_of(mark, counts[mark]) for mark in ("problem", "warning", "note") if counts[mark]]
    if counts["problem"]:
        verdict, style = "Something stands in the way: ", _SIGNS["problem"][2]
    else:
        verdict, style = "Nothing stands in the way: ", _SIGNS["ok"][2]
    console.print(Text(verdict + (", ".join(parts) or "all is well"), style=style), highlight=False, soft_wrap=True)


def _entry(finding: Finding, console: Console, *, fancy: bool) -> RenderableType:
    what = Text(harmless(finding.what, console.encoding), style="red" if finding.mark == "problem" else "")
    if not finding.to_do:
        return what
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text("→" if fancy else "->"), Text(harmless(finding.to_do, console.encoding), style="italic"))
    return Group(what, grid)


def _plain(group: Topic, console: Console) -> None:
    """Lines that grep finds whole, however long they are."""
    lines = [group.title]
    for finding in group.findings:
        lines.append(f"  {finding.mark:<{_MARK_WIDTH}}  {finding.what}")
        if finding.to_do:
            lines.append(f"  {'':<{_MARK_WIDTH}}  -> {finding.to_do}")
    for line in [*lines, ""]:
        console.out(harmless(line, console.encoding), highlight=False)


def _can_write(encoding: str) -> bool:
    try:
        "".join(sign for sign, _, _ in _SIGNS.values()).encode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True
