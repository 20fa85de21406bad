"""The page at /: one look at how it goes. Everything that comes from a log is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from logmetrics import __version__
from logmetrics.store.report import FamilyReport, LabelReport

HEADERS = (("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),)


def render_page(state: str, sources: Sequence[str], reports: Iterable[FamilyReport] | None) -> bytes:
    """The page. *reports* is None while the engine is too busy to answer."""
    rows = "".join(f"<li><code>{escape(source)}</code></li>" for source in sources)
    if reports is None:
        metrics = "<p>Busy reading; ask again in a moment.</p>"
    else:
        metrics = _TABLE.format(rows="".join(map(_row, reports)))
    page = _PAGE.format(version=escape(__version__), state=escape(state), sources=rows, metrics=metrics)
    return page.encode("utf-8", "backslashreplace")


def _row(report: FamilyReport) -> str:
    driver = next((label for label in report.labels if label.name == report.driver), None)
    share = min(report.series / report.series_max, 1.0)
    note = ""
    if report.remedy:
        note = f"<p>{escape(report.remedy)}:<br><code>{escape(report.config)}</code></p>"
    extra = f"<br>{report.parked:,} parked" if report.parked else ""
    return (
        f'<tr><th scope="row"><code>{escape(report.metric)}</code>{note}</th>'
        f"<td><meter value={share:.3f} high=0.8></meter> {report.series:,} of {report.series_max:,}{extra}</td>"
        f"<td>{_driver(driver)}</td></tr>\n"
    )


def _driver(label: LabelReport | None) -> str:
    if label is None:
        return "no labels"
    text = f"<code>{escape(label.name)}</code>: {label.values:,} of {label.values_max:,} values"
    if label.distinct > label.values:
        text += f", about {label.distinct:,} seen"
    refused = sum(label.refused.values())
    if refused:
        text += f", {refused:,} measurements overflowed"
    samples = ", ".join(f"<code>{escape(value)}</code>" for value, _ in label.samples)
    return f"{text}<br><small>{samples}</small>" if samples else text


_TABLE = """<table>
<thead><tr><th scope="col">metric</th><th scope="col">series</th><th scope="col">the label that drives it</th></tr>
</thead>
<tbody>
{rows}</tbody>
</table>
"""
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>logmetrics</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 64rem; margin: 3rem auto; padding: 0 1rem; }}
code {{ overflow-wrap: anywhere; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8884; }}
th {{ font-weight: normal; }}
thead th {{ font-weight: bold; }}
p {{ margin: .5rem 0; }}
</style>
<main>
<h1>logmetrics {version}</h1>
<p>Status: {state}.</p>
<ul>
<li><a href="/metrics">/metrics</a>: the metrics, for Prometheus</li>
<li><a href="/readyz">/readyz</a>: 200 once everything that was there at the start has been read</li>
<li><a href="/healthz">/healthz</a>: 200 while the process answers</li>
<li><a href="/api/cardinality">/api/cardinality</a>: the table below as JSON</li>
</ul>
<h2>Sources</h2>
<ul>{sources}</ul>
<h2>Metrics</h2>
{metrics}</main>
</html>
"""
