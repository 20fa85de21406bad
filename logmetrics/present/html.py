"""Blocks as HTML that needs nothing else: no script, no font, no address of anywhere.

Texts are escaped, and stand in <bdi> so that they turn nothing around.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from logmetrics.present import amounts
from logmetrics.present.blocks import (
    Bar,
    Block,
    Callout,
    Callouts,
    Cell,
    Chart,
    Column,
    Entry,
    Fact,
    Facts,
    Note,
    Section,
    Shares,
    Spread,
    Table,
    Trend,
)
from logmetrics.present.charts import COLOURS, POINTS_MAX, bar_svg, chart_svg, safe, shares_svg, spread_svg, trend_svg

_CODE = re.compile(r"`([^`]*)`")


def section_html(section: Section) -> str:
    """A section with its heading and blocks."""
    made = [heading_html(section.ident, section.title)]
    for is_chart, group in groupby(section.blocks, lambda block: isinstance(block, Chart)):
        blocks = list(group)
        if is_chart:
            made.append(_charts([block for block in blocks if isinstance(block, Chart)]))
        else:
            made.extend(_block(block, section.ident) for block in blocks)
    return "".join(made) + "</section>\n"


def heading_html(ident: str, title: str) -> str:
    """The beginning of a section."""
    return f'<section aria-labelledby="{ident}">\n<h2 id="{ident}">{safe(title)}</h2>\n'


def _block(block: Block, ident: str) -> str:
    if isinstance(block, Facts):
        return f'<dl class="facts">\n{"".join(map(_fact, block.facts))}</dl>\n'
    if isinstance(block, Shares):
        return _shares(block)
    if isinstance(block, Table):
        return table_html(block, ident)
    if isinstance(block, Callouts):
        return f'<ul class="callouts">\n{"".join(map(_callout, block.callouts))}</ul>\n'
    assert isinstance(block, Note)
    text = _CODE.sub(r"<code>\1</code>", safe(block.text))
    return f"<p>{text}</p>\n"


def _fact(fact: Fact) -> str:
    detail = f'<dd class="{_tone(fact.tone, "detail")}">{safe(fact.detail)}</dd>' if fact.detail else ""
    return f'<div class="fact"><dt>{safe(fact.name)}</dt><dd class="value">{safe(fact.value)}</dd>{detail}</div>\n'


def _callout(callout: Callout) -> str:
    lines = "".join(f"<p>{bdi(line)}</p>" for line in callout.lines)
    code = f"<p><code>{bdi(callout.code)}</code></p>" if callout.code else ""
    return f'<li class="callout {callout.tone}"><h3>{bdi(callout.title)}</h3>{lines}{code}</li>\n'


def _charts(charts: Sequence[Chart]) -> str:
    figures = "".join(_figure(chart, f"chart-{number}") for number, chart in enumerate(charts, 1))
    return f'<div class="charts">\n{figures}</div>\n'


def _figure(chart: Chart, ident: str) -> str:
    step, counts, errors = chart.coarser(POINTS_MAX)
    total, most = (amounts.amount_of(chart.metric, value) for value in (chart.whole, max(counts)))
    failed = f'<span class="alarm">{amounts.count(sum(errors))} {safe(chart.wrong)}</span>' if any(errors) else ""
    first, last = amounts.ends(chart.start_s, chart.start_s + len(chart.counts) * chart.bucket_s)
    peak = f"at most {most}" + (f" in {amounts.step(step * chart.bucket_s)}" if chart.level is None else "")
    return (
        f'<figure><figcaption><span class="name">{bdi(chart.title)}</span><span class="sum">{total}</span>{failed}'
        f"</figcaption>\n{chart_svg(chart, ident)}\n"
        f'<div class="axis"><span>{first}</span><span>{peak}</span><span>{last}</span></div>\n'
        "</figure>\n"
    )


def _shares(block: Shares) -> str:
    colours = []
    turn = 0
    for share in block.shares:
        colours.append({"": f"c{turn % COLOURS + 1}", "mute": "grey"}.get(share.tone, share.tone))
        turn += not share.tone
    items = "".join(
        f'<li><svg class="swatch {colour}" aria-hidden="true" viewBox="0 0 1 1"><rect width="1" height="1"/></svg>'
        f'<span class="name">{bdi(share.name)}</span><span class="mute">{safe(share.text)}</span></li>\n'
        for share, colour in zip(block.shares, colours, strict=True)
    )
    return f'<h3>{safe(block.title)}</h3>\n{shares_svg(block.shares, colours)}\n<ul class="legend">\n{items}</ul>\n'


def table_html(block: Table, ident: str) -> str:
    """The table of the section *ident*; what need not be seen at once can be unfolded."""
    rest = f'<p class="mute">{safe(block.rest)}</p>\n' if block.rest else ""
    note = f'<p class="mute">{safe(block.note)}</p>\n' if block.note else ""
    if not block.columns:
        return note
    first, more = block.rows[: block.first], block.rows[block.first :] if block.first is not None else ()
    made = _rows(block, ident, first, block.title)
    if more:
        table = _rows(block, ident, more, "")
        made += f'<details id="more-{ident}"><summary>and {len(more):,} more</summary>\n{table}</details>\n'
    if block.find:
        label = f'<label for="find-{ident}">Find a {safe(block.find)}</label>'
        box = (
            f'<input id="find-{ident}" type="search" autocomplete="off" spellcheck="false" aria-controls="in-{ident}">'
        )
        found = f'<span class="mute" role="status" id="found-{ident}"></span>'
        made = f'<div class="find" hidden>{label}{box}{found}</div>\n<div id="in-{ident}">\n{made}</div>\n'
    return f"{made}{rest}{note}"


def _rows(block: Table, ident: str, rows: Sequence[Sequence[Entry]], title: str) -> str:
    caption = f"<caption>{bdi(title)}</caption>\n" if title else ""
    named = "" if title else f' aria-labelledby="{ident}"'
    head = "".join(
        f'<th role="columnheader" scope="col" class="{column.kind}">{_head(column)}</th>' for column in block.columns
    )
    body = "".join(f'<tr role="row">{"".join(_entries(block.columns, row))}</tr>\n' for row in rows)
    plain = "" if len(block.columns) > 4 or block.columns[-1].kind != "number" else ' class="plain"'
    return (
        f'<table role="table"{plain}{named}>\n{caption}<thead role="rowgroup"><tr role="row">{head}</tr></thead>\n'
        f'<tbody role="rowgroup">\n{body}</tbody>\n</table>\n'
    )


def _head(column: Column) -> str:
    title = bdi(column.title) if column.title else '<span class="vh">as a bar</span>'
    return f"{title}<br>{safe(column.detail)}" if column.detail else title


def _entries(columns: Sequence[Column], row: Sequence[Entry]) -> Iterable[str]:
    """The first text heads its row."""
    header = next((index for index, column in enumerate(columns) if column.kind == "text"), None)
    for index, (column, entry) in enumerate(zip(columns, row, strict=True)):
        label = f' data-label="{safe(f"{column.title}, {column.detail}" if column.detail else column.title)}"'
        if isinstance(entry, Bar):
            yield f'<td role="cell" class="picture">{bar_svg(entry)}</td>'
        elif isinstance(entry, (Spread, Trend)):
            picture = spread_svg(entry) if isinstance(entry, Spread) else trend_svg(entry)
            yield f'<td role="cell" class="picture"{label}>{picture}</td>'
        else:
            none = "" if entry.text not in ("", "-") or entry.more else " none"
            exact = f' title="{safe(entry.exact)}"' if entry.exact and entry.exact != entry.text else ""
            kind = f'class="{_tone(entry.tone, column.kind)}{none}"{exact} data-label="{safe(column.title)}"'
            text = _text(entry, column)
            yield (
                f'<th role="rowheader" scope="row" {kind}>{text}</th>'
                if index == header
                else f'<td role="cell" {kind}>{text}</td>'
            )


def _text(cell: Cell, column: Column) -> str:
    text = bdi(cell.text) if column.kind == "text" else safe(cell.text)
    text = f"<code>{text}</code>" if cell.code and cell.text else text
    return text + "".join(f'<span class="more">{bdi(line)}</span>' for line in cell.more)


def _tone(tone: str, kind: str) -> str:
    """The classes of a text: alarm for what is bad, and what it is."""
    known = {"bad": "alarm", "warn": "caution", "mute": "mute"}
    return f"{kind} {known[tone]}" if tone in known else kind


def bdi(text: str) -> str:
    """A text from anywhere."""
    return f"<bdi>{safe(text)}</bdi>"
