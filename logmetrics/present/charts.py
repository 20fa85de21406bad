"""Charts as SVG that stands in a page. All of them stretch: what is text stands beside them, in HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from logmetrics.present import amounts
from logmetrics.present.blocks import Bar, Chart, Share, Spread, Trend, coarser

# A chart over time has at most so many points.
POINTS_MAX = 72
TREND_POINTS_MAX = 30
HEIGHT = 100
# Colours of the parts of a whole that say nothing by themselves, in turn: classes c1, c2, ...
COLOURS = 5


def safe(text: str) -> str:
    """*text* for HTML and for attributes in double quotes, and without what turns lines around."""
    return escape(amounts.harmless(text))


def chart_svg(chart: Chart, ident: str) -> str:
    """A line over time with what went wrong as bars; each step tells its numbers when it is pointed at."""
    step, counts, errors = chart.coarser(POINTS_MAX)
    highest = max((*counts, *errors)) or 1
    heights = [value / highest * (HEIGHT - 4) for value in counts]
    line = " ".join(f"{index + 0.5:g},{_place(HEIGHT - height)}" for index, height in enumerate(heights))
    last = len(counts) - 0.5
    bars = "".join(
        _rect(index + 0.15, HEIGHT - value / highest * (HEIGHT - 4), 0.7, value / highest * (HEIGHT - 4), "bad")
        for index, value in enumerate(errors)
        if value
    )
    lasts_s = step * chart.bucket_s
    points = "".join(
        f'<rect class="point" x="{index}" y="0" width="1" height="{HEIGHT}"><title>'
        f"{safe(_point(chart, chart.start_s + index * lasts_s, value, errors[index] if errors else 0))}</title></rect>"
        for index, value in enumerate(counts)
    )
    return (
        f'<svg role="img" aria-labelledby="{ident}-t {ident}-d" viewBox="0 0 {len(counts)} {HEIGHT}" '
        f'preserveAspectRatio="none"><title id="{ident}-t">{safe(chart.title)} over time</title>'
        f'<desc id="{ident}-d">{safe(_described(chart, lasts_s, counts, errors))}</desc>'
        f'<path class="grid" d="M0 4H{len(counts)}M0 {HEIGHT // 2 + 2}H{len(counts)}"/>'
        f'<polygon class="area" points="0.5,{HEIGHT} {line} {last:g},{HEIGHT}"/>'
        f'<polyline class="line" points="{line}"/>'
        f'{bars}<path class="base" d="M0 {HEIGHT}H{len(counts)}"/>{points}</svg>'
    )


def bar_svg(bar: Bar) -> str:
    """A bar whose number stands beside it."""
    good = max(bar.part - bar.bad, 0)
    whole = _rect(0, 0, 100, 10, "rest") if bar.whole else ""
    parts = _rect(0, 0, good * 100, 10, "c1") + _rect(good * 100, 0, bar.bad * 100, 10, "bad")
    return _picture("bar", 100, 10, whole + parts)


def spread_svg(spread: Spread) -> str:
    """How measurements are spread over the buckets of a histogram, all of the same width."""
    highest = max(spread.counts, default=0)
    if not highest:
        return ""
    heights = [max(value / highest * 20, 1) if value else 0 for value in spread.counts]
    bars = "".join(_rect(index + 0.1, 20 - height, 0.8, height, "c1") for index, height in enumerate(heights) if height)
    return _picture("spread", len(heights), 20, f'{bars}<path class="base" d="M0 20H{len(heights)}"/>')


def trend_svg(trend: Trend) -> str:
    """A line without numbers. Places are whole numbers: a page may have hundreds of these."""
    _, counts = coarser(trend.counts, TREND_POINTS_MAX)
    highest = max(counts, default=0)
    width = 10 * len(counts)
    base = f'<path class="base" d="M0 98H{width}"/>'
    if not highest:
        return _picture("trend", max(width, 1), 100, base)
    line = " ".join([f"{10 * index + 5},{100 - value / highest * 90:.0f}" for index, value in enumerate(counts)])
    area = f'<polygon class="area" points="5,100 {line} {width - 5},100"/>'
    return _picture("trend", width, 100, f'{area}<polyline class="line" points="{line}"/>{base}')


def shares_svg(shares: Sequence[Share], colours: Sequence[str]) -> str:
    """The parts of a whole side by side."""
    whole = sum(share.value for share in shares)
    parts, start = [], 0.0
    for share, colour in zip(shares, colours, strict=True):
        width = share.value / whole * 1000 if whole else 0
        gap = 0 if share is shares[-1] else 3
        parts.append(_rect(start, 0, max(width - gap, 1), 10, colour))
        start += width
    return _picture("stack", 1000, 10, "".join(parts))


def _picture(kind: str, width: int, height: int, inside: str) -> str:
    box = f'viewBox="0 0 {width} {height}" preserveAspectRatio="none"'
    return f'<svg class="{kind}" aria-hidden="true" {box}>{inside}</svg>'


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    if width <= 0 or height <= 0:
        return ""
    return f'<rect class="{colour}" x="{_place(x)}" y="{_place(y)}" width="{_place(width)}" height="{_place(height)}"/>'


def _place(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _point(chart: Chart, time_s: float, value: float, errors: float) -> str:
    told = f"{amounts.moment(time_s)} UTC: {amounts.amount_of(chart.metric, value)}"
    return f"{told}, {amounts.count(errors)} {chart.wrong}" if errors else told


def _described(chart: Chart, lasts_s: float, counts: Sequence[float], errors: Sequence[float]) -> str:
    end_s = chart.start_s + len(chart.counts) * chart.bucket_s
    most = max(counts)
    when = amounts.moment(chart.start_s + counts.index(most) * lasts_s)
    now, per = ("", f" in {amounts.step(lasts_s)}") if chart.level is None else ("now, ", "")
    told = (
        f"{amounts.amount_of(chart.metric, chart.whole)} {now}from {amounts.span(chart.start_s, end_s)}; "
        f"at most {amounts.amount_of(chart.metric, most)}{per}, at {when}"
    )
    return f"{told}; {amounts.count(sum(errors))} {chart.wrong}" if errors else told
