"""A report as one HTML page that needs nothing else: no script, no font, no address of anywhere.

Texts from logs are escaped, stand in <bdi> so that they turn nothing around, and a policy in the page forbids loading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from logmetrics import __version__
from logmetrics.replay.report import amounts
from logmetrics.replay.report.accounts import headline
from logmetrics.replay.report.blocks import (
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
)
from logmetrics.replay.report.charts import COLOURS, POINTS_MAX, bar_svg, chart_svg, safe, shares_svg, spread_svg
from logmetrics.replay.report.data import Report, coarser, in_sum, is_shown
from logmetrics.replay.report.sections import sections_of
from logmetrics.replay.report.style import STYLE
from logmetrics.replay.report.totals import family_table, total_text
from logmetrics.store.store import FamilyView

# Rows of a ranking.
MOST = 20
_CODE = re.compile(r"`([^`]*)`")


def render_report(report: Report) -> str:
    """The page; it can be written as UTF-8."""
    sections = sections_of(report, MOST)
    families = [view for view in report.families if is_shown(view)]
    links = [(section.ident, section.title) for section in sections]
    body = "".join(map(_section, sections))
    if families:
        links.append(("metrics", "All metrics"))
        body += _heading("metrics", "All metrics") + "".join(map(_family, families)) + "</section>\n"
    paths = in_sum(report.sources).paths
    of = f"<p>of {', '.join(f'<code>{_bdi(path)}</code>' for path in paths)}</p>\n" if paths else ""
    nav = "".join(f'<a href="#{ident}">{safe(title)}</a>\n' for ident, title in links)
    read = "".join(f'<p class="mute">{_bdi(sentence)}</p>\n' for sentence in headline(report))
    return _PAGE.format(style=STYLE, of=of, read=read, nav=nav, body=body, version=safe(__version__))


def _section(section: Section) -> str:
    made = [_heading(section.ident, section.title)]
    for is_chart, group in groupby(section.blocks, lambda block: isinstance(block, Chart)):
        blocks = list(group)
        if is_chart:
            made.append(_charts([block for block in blocks if isinstance(block, Chart)]))
        else:
            made.extend(_block(block, section.ident) for block in blocks)
    return "".join(made) + "</section>\n"


def _heading(ident: str, title: str) -> str:
    return f'<section aria-labelledby="{ident}">\n<h2 id="{ident}">{safe(title)}</h2>\n'


def _block(block: Block, ident: str) -> str:
    if isinstance(block, Facts):
        return f'<dl class="facts">\n{"".join(map(_fact, block.facts))}</dl>\n'
    if isinstance(block, Shares):
        return _shares(block)
    if isinstance(block, Table):
        return _table(block, ident)
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
        f'<figure><figcaption><span class="name">{_bdi(chart.title)}</span><span class="sum">{total}</span>{failed}'
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
        f'<span class="name">{_bdi(share.name)}</span><span class="mute">{safe(share.text)}</span></li>\n'
        for share, colour in zip(block.shares, colours, strict=True)
    )
    return f'<h3>{safe(block.title)}</h3>\n{shares_svg(block.shares, colours)}\n<ul class="legend">\n{items}</ul>\n'


def _table(block: Table, ident: str) -> str:
    rest = f'<p class="mute">{safe(block.rest)}</p>\n' if block.rest else ""
    note = f'<p class="mute">{safe(block.note)}</p>\n' if block.note else ""
    caption = f"<caption>{_bdi(block.title)}</caption>\n" if block.title else ""
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
    title = _bdi(column.title) if column.title else '<span class="vh">as a bar</span>'
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
            text = _bdi(entry.text) if column.kind == "text" else safe(entry.text)
            yield (
                f'<th role="rowheader" scope="row" {kind}>{text}</th>'
                if index == header
                else f'<td role="cell" {kind}>{text}</td>'
            )


def _tone(tone: str, kind: str) -> str:
    """The classes of a text: alarm for what is bad, and what it is."""
    return f"{kind} {'alarm' if tone == 'bad' else 'mute'}" if tone in ("bad", "mute") else kind


def _family(view: FamilyView) -> str:
    spec, rows = view
    total = total_text(view)
    number = f"{len(rows):,} series" if spec.labels else "no labels"
    told = f"{spec.type}, {number}, {total} together" if total and spec.labels else f"{spec.type}, {number}"
    help_ = f'<p class="mute">{_bdi(spec.help)}</p>\n' if spec.help else ""
    table = family_table(view)
    shown = _table(Table("", table.columns, table.rows), "metrics")
    summary = f'<summary><code>{safe(spec.name)}</code> <span class="sum">{told}</span></summary>'
    return f"<details>\n{summary}\n{help_}{shown}</details>\n"


def _bdi(text: str) -> str:
    return f"<bdi>{safe(text)}</bdi>"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>logmetrics replay</title>
<style>
{style}</style>
</head>
<body>
<div class="sheet">
<header>
<h1>What the logs amount to</h1>
{of}{read}<nav aria-label="Sections">
{nav}</nav>
</header>
<main>
{body}</main>
<footer>logmetrics {version}. Times are UTC. Quantiles follow from buckets, as Prometheus works them out.</footer>
</div>
</body>
</html>
"""
