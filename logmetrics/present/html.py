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
    Cell,
    Chart,
    Column,
    Fact,
    Facts,
    Note,
    Section,
    Shares,
    Spread,
    Table,
    coarser,
)
from logmetrics.present.charts import COLOURS, POINTS_MAX, bar_svg, chart_svg, safe, shares_svg, spread_svg

_CODE = re.compile(r"`([^`]*)`")


def section_html(section: Section) -> str:
    made = [heading_html(section.ident, section.title)]
    for is_chart, group in groupby(section.blocks, lambda block: isinstance(block, Chart)):
        blocks = list(group)
        if is_chart:
            made.append(_charts([block for block in blocks if isinstance(block, Chart)]))
        else:
            made.extend(_block(block, section.ident) for block in blocks)
    return "".join(made) + "</section>\n"


def heading_html(ident: str, title: str) -> str:
    return f'<section aria-labelledby="{ident}">\n<h2 id="{ident}">{safe(title)}</h2>\n'


def _block(block: Block, ident: str) -> str:
    if isinstance(block, Facts):
        return f'<dl class="facts">\n{"".join(map(_fact, block.facts))}</dl>\n'
    if isinstance(block, Shares):
        return _shares(block)
    if isinstance(block, Table):
        return table_html(block, ident)
    assert isinstance(block, Note)
    text = _CODE.sub(r"<code>\1</code>", safe(block.text))
    return f"<p>{text}</p>\n"


def _fact(fact: Fact) -> str:
    detail = f'<dd class="{_tone(fact.tone, "detail")}">{safe(fact.detail)}</dd>' if fact.detail else ""
    return f'<div class="fact"><dt>{safe(fact.name)}</dt><dd class="value">{safe(fact.value)}</dd>{detail}</div>\n'


def _charts(charts: Sequence[Chart]) -> str:
    figures = "".join(_figure(chart, f"chart-{number}") for number, chart in enumerate(charts, 1))
    return f'<div class="charts">\n{figures}</div>\n'


def _figure(chart: Chart, ident: str) -> str:
    step, counts = coarser(chart.counts, POINTS_MAX)
    total, most = (amounts.amount_of(chart.metric, value) for value in (sum(counts), max(counts)))
    failed = f'<span class="alarm">{amounts.count(sum(chart.errors))} failed</span>' if chart.errors else ""
    first, last = amounts.ends(chart.start_s, chart.start_s + len(chart.counts) * chart.bucket_s)
    lasts = amounts.step(step * chart.bucket_s)
    return (
        f'<figure><figcaption><span class="name">{bdi(chart.title)}</span><span class="sum">{total}</span>{failed}'
        f"</figcaption>\n{chart_svg(chart, ident)}\n"
        f'<div class="axis"><span>{first}</span><span>at most {most} in {lasts}</span><span>{last}</span></div>\n'
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
    rest = f'<p class="mute">{safe(block.rest)}</p>\n' if block.rest else ""
    note = f'<p class="mute">{safe(block.note)}</p>\n' if block.note else ""
    caption = f"<caption>{bdi(block.title)}</caption>\n" if block.title else ""
    named = "" if block.title else f' aria-labelledby="{ident}"'
    if not block.columns:
        return note
    head = "".join(
        f'<th role="columnheader" scope="col" class="{column.kind}">{_head(column)}</th>' for column in block.columns
    )
    rows = "".join(f'<tr role="row">{"".join(_entries(block.columns, row))}</tr>\n' for row in block.rows)
    plain = "" if len(block.columns) > 4 or block.columns[-1].kind != "number" else ' class="plain"'
    return (
        f'<table role="table"{plain}{named}>\n{caption}<thead role="rowgroup"><tr role="row">{head}</tr></thead>\n'
        f'<tbody role="rowgroup">\n{rows}</tbody>\n</table>\n{rest}{note}'
    )


def _head(column: Column) -> str:
    title = bdi(column.title) if column.title else '<span class="vh">as a bar</span>'
    return f"{title}<br>{safe(column.detail)}" if column.detail else title


def _entries(columns: Sequence[Column], row: Sequence[Cell | Bar | Spread]) -> Iterable[str]:
    """The first text heads its row."""
    header = next((index for index, column in enumerate(columns) if column.kind == "text"), None)
    for index, (column, entry) in enumerate(zip(columns, row, strict=True)):
        if isinstance(entry, Bar):
            yield f'<td role="cell" class="picture">{bar_svg(entry)}</td>'
        elif isinstance(entry, Spread):
            label = f"{column.title}, {column.detail}" if column.detail else column.title
            yield f'<td role="cell" class="picture" data-label="{safe(label)}">{spread_svg(entry)}</td>'
        else:
            none = "" if entry.text else " none"
            exact = f' title="{safe(entry.exact)}"' if entry.exact and entry.exact != entry.text else ""
            kind = f'class="{_tone(entry.tone, column.kind)}{none}"{exact} data-label="{safe(column.title)}"'
            text = bdi(entry.text) if column.kind == "text" else safe(entry.text)
            yield (
                f'<th role="rowheader" scope="row" {kind}>{text}</th>'
                if index == header
                else f'<td role="cell" {kind}>{text}</td>'
            )


def _tone(tone: str, kind: str) -> str:
    """The classes of a text: alarm for what is bad, and what it is."""
    return f"{kind} {'alarm' if tone == 'bad' else 'mute'}" if tone in ("bad", "mute") else kind


def bdi(text: str) -> str:
    return f"<bdi>{safe(text)}</bdi>"
