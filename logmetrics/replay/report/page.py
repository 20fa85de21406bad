"""A report as one HTML page that needs nothing else: no script, no font, no address of anywhere.

Texts from logs are escaped, stand in <bdi> so that they turn nothing around, and a policy in the page forbids loading.
"""

from __future__ import annotations

from logmetrics import __version__
from logmetrics.present.blocks import Table
from logmetrics.present.charts import safe
from logmetrics.present.html import bdi, heading_html, section_html, table_html
from logmetrics.present.style import STYLE
from logmetrics.replay.report.accounts import headline
from logmetrics.replay.report.data import Report, in_sum, is_shown
from logmetrics.replay.report.sections import sections_of
from logmetrics.replay.report.totals import family_table, total_text
from logmetrics.store.store import FamilyView

# Rows of a ranking.
MOST = 20


def render_report(report: Report) -> str:
    """The page; it can be written as UTF-8."""
    sections = sections_of(report, MOST)
    families = [view for view in report.families if is_shown(view)]
    links = [(section.ident, section.title) for section in sections]
    body = "".join(map(section_html, sections))
    if families:
        links.append(("metrics", "All metrics"))
        body += heading_html("metrics", "All metrics") + "".join(map(_family, families)) + "</section>\n"
    paths = in_sum(report.sources).paths
    of = f"<p>of {', '.join(f'<code>{bdi(path)}</code>' for path in paths)}</p>\n" if paths else ""
    nav = "".join(f'<a href="#{ident}">{safe(title)}</a>\n' for ident, title in links)
    read = "".join(f'<p class="mute">{bdi(sentence)}</p>\n' for sentence in headline(report))
    return _PAGE.format(style=STYLE, of=of, read=read, nav=nav, body=body, version=safe(__version__))


def _family(view: FamilyView) -> str:
    spec, rows = view
    total = total_text(view)
    number = f"{len(rows):,} series" if spec.labels else "no labels"
    told = f"{spec.type}, {number}, {total} together" if total and spec.labels else f"{spec.type}, {number}"
    help_ = f'<p class="mute">{bdi(spec.help)}</p>\n' if spec.help else ""
    table = family_table(view)
    shown = table_html(Table("", table.columns, table.rows), "metrics")
    summary = f'<summary><code>{safe(spec.name)}</code> <span class="sum">{told}</span></summary>'
    return f"<details>\n{summary}\n{help_}{shown}</details>\n"


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
