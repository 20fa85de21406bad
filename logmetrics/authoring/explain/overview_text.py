"""The overview of a log on a terminal."""

from __future__ import annotations

from shlex import quote

from rich.console import Console

from logmetrics.authoring.explain.overview import RULES_SHOWN, Overview
from logmetrics.authoring.explain.text import Page
from logmetrics.present.amounts import number_of


def show(told: Overview, console: Console, options: str = "") -> None:
    """Print how many records were counted, by which rules, and of each shape that was not one to explain. *options*
    are those that the same command needs for one of them.
    """
    page = Page(console)
    _tell(told, page, options)
    page.flush()


def _tell(told: Overview, page: Page, options: str) -> None:
    command = f"logmetrics explain{options}"
    lost = told.unmatched + told.unparsable
    tone = "yellow" if told.unmatched else "red" if told.unparsable else "green"
    page.line(f"{told.path}: {_sentence(told)}", f"bold {tone}", hang=2)
    about = [f"source {told.source}", *([told.framing] if told.framing else [])]
    about += [f"{told.excluded:,} passed over by exclude_lines"] if told.excluded else []
    about += [f"{told.continuation:,} that only go on with another"] if told.continuation else []
    page.line("; ".join(about), "dim")
    if told.rules:
        page.heading("RULES")
        width = max(len(f"{rule.matches:,}") for rule in told.rules)
        for rule in told.rules[:RULES_SHOWN]:
            page.line(f"{rule.matches:{width},}  {rule.rule}", "", 2)
        if len(told.rules) > RULES_SHOWN:
            page.line(f"and {number_of('rule', len(told.rules) - RULES_SHOWN)} more", "dim", 2)
    if told.never:
        page.heading("NEVER MATCHED")
    for never in told.never:
        page.line(never.rule, "bold", 2, 4)
        page.line(never.why, "", 6, 2)
        page.line(f"{command} {quote(never.place)}", "dim", 6)
    if not lost:
        return
    page.heading("NOT COUNTED")
    for shape in told.shapes:
        page.line(f"{shape.seen:,} x {shape.shape}", "bold", 2, 4)
        page.line(shape.why, "", 6, 2)
        page.line(f"{command} {quote(shape.place)}", "dim", 6)
    if told.other_shapes:
        page.line(f"and {number_of('record', told.other_shapes)} of other shapes", "dim", 2)
    if not (told.counted or options):
        page.line(f"logmetrics init {quote(told.path)} writes rules for such records", "", 2)


def _sentence(told: Overview) -> str:
    if not told.records:
        return "no records"
    parts = [f"{told.counted:,} of {number_of('record', told.records)} counted"]
    parts += [f"{told.unmatched:,} match no rule"] if told.unmatched else []
    parts += [f"{told.unparsable:,} are no records of their format"] if told.unparsable else []
    return ", ".join(parts)
