"""How pages look: light and dark, wide and narrow, on paper."""

from __future__ import annotations

# Texts have a contrast of 4.5 or more with every ground that they stand on, colours of charts 3 or more.
LIGHT = {
    "paper": "#fcfcfb",
    "card": "#f3f4f4",
    "ink": "#1c2126",
    "mute": "#58626d",
    "rule": "#dcdfe2",
    "link": "#1f5f9e",
    "alarm": "#b02a1d",
    "caution": "#855700",
    "c1": "#3d7ab8",
    "c2": "#1f8a78",
    "c3": "#8461bd",
    "c4": "#a8741a",
    "c5": "#b65384",
    "good": "#2f8a5b",
    "bad": "#cf4536",
    "warn": "#b27a10",
    "grey": "#7d8791",
}
DARK = {
    "paper": "#14171a",
    "card": "#1d2126",
    "ink": "#e4e7ea",
    "mute": "#9ba6b1",
    "rule": "#333a41",
    "link": "#7db8f0",
    "alarm": "#ff8f80",
    "caution": "#e5b04c",
    "c1": "#5f9fdd",
    "c2": "#3fae9a",
    "c3": "#a98be0",
    "c4": "#cf9a3c",
    "c5": "#d979a8",
    "good": "#4fae7d",
    "bad": "#ef6a5a",
    "warn": "#d9a233",
    "grey": "#75808b",
}


def _variables(colours: dict[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in colours.items())


_RULES = """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI",
  Roboto, "Noto Sans", sans-serif; font-variant-numeric: tabular-nums; }
.sheet { max-width: 72rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .75rem; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 3.25rem 0 1rem; padding-top: .75rem;
  border-top: 1px solid var(--rule); }
h3, caption { font-size: 1rem; font-weight: 600; text-align: left; margin: 1.75rem 0 .4rem; }
caption { padding: 0 0 .4rem; margin: 0; }
p { margin: .25rem 0; max-width: 46rem; }
section { overflow-x: auto; }
section > p { margin: .75rem 0; }
a { color: var(--link); }
code, .name, header p { overflow-wrap: anywhere; }
code { font: .92em ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.mute, .axis, thead th, .detail, .sum { color: var(--mute); }
.alarm { color: var(--alarm); }
.caution { color: var(--caution); }
.vh { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; margin: 1.25rem 0 0; }
nav a { text-decoration: none; padding: .15rem 0; }
nav a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }

.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(13.5rem, 1fr)); gap: .75rem; margin: 0; }
.fact { display: flex; flex-direction: column; background: var(--card); border-radius: .5rem; padding: .8rem 1rem; }
.fact dt { order: 2; }
.fact dd { margin: 0; order: 3; font-size: .9rem; }
.fact .value { order: 1; font-size: 1.6rem; line-height: 1.25; font-weight: 600; letter-spacing: -.01em; }

.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: 1.75rem 2rem; }
figure { margin: 0; min-width: 0; break-inside: avoid; }
figcaption { display: flex; gap: .6rem; align-items: baseline; flex-wrap: wrap; }
figcaption .name { font-weight: 600; }
figure svg { display: block; width: 100%; height: 6.5rem; margin: .3rem 0 .2rem; }
.axis { display: flex; justify-content: space-between; gap: .5rem; font-size: .85rem; }
.axis span { white-space: nowrap; }
.axis span:nth-child(2) { white-space: normal; text-align: center; }

svg { overflow: hidden; }
.area { fill: var(--c1); fill-opacity: .16; }
.line, .grid, .base { fill: none; vector-effect: non-scaling-stroke; }
.line { stroke: var(--c1); stroke-width: 1.75px; stroke-linejoin: round; }
.grid { stroke: var(--rule); stroke-width: 1px; }
.base { stroke: var(--grey); stroke-width: 1px; }
.point { fill: var(--ink); fill-opacity: 0; }
.point:hover { fill-opacity: .1; }
.c1 { fill: var(--c1); } .c2 { fill: var(--c2); } .c3 { fill: var(--c3); } .c4 { fill: var(--c4); }
.c5 { fill: var(--c5); }
.rest { fill: var(--rule); }
.good { fill: var(--good); } .bad { fill: var(--bad); } .warn { fill: var(--warn); } .grey { fill: var(--grey); }
svg.bar { display: block; width: 100%; min-width: 5rem; height: .6rem; }
svg.spread { display: block; width: 8rem; height: 1.5rem; }
svg.trend { display: block; width: 100%; min-width: 4rem; max-width: 12rem; height: 1.4rem; }
svg.stack { display: block; width: 100%; height: 1.1rem; border-radius: .25rem; }
svg.swatch { width: .7rem; height: .7rem; border-radius: .15rem; flex: none; align-self: center; }

.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .3rem 1.6rem; padding: 0; margin: .6rem 0 0; }
.legend li { display: flex; gap: .45rem; align-items: baseline; min-width: 0; }

table { border-collapse: collapse; width: 100%; margin: 1.5rem 0 .25rem; }
th, td { padding: .38rem 1.1rem .38rem 0; text-align: left; vertical-align: baseline;
  border-bottom: 1px solid var(--rule); }
table.plain { max-width: 46rem; }
thead th { font-size: .85rem; font-weight: 500; vertical-align: bottom; }
tbody th { font-weight: 400; min-width: 7rem; }
.number { text-align: right; white-space: nowrap; }
.picture { width: 18%; vertical-align: middle; }
.text { overflow-wrap: anywhere; }
tr > :last-child { padding-right: 0; }
tr > .number:first-child { text-align: left; width: 7rem; }
tbody tr:hover { background: var(--card); }

.more { display: block; color: var(--mute); font-size: .85rem; overflow-wrap: anywhere; }
.callouts { list-style: none; margin: 1.25rem 0 0; padding: 0; display: grid; gap: .6rem; }
.callout { background: var(--card); border-left: .25rem solid var(--grey); border-radius: .25rem .5rem .5rem .25rem;
  padding: .7rem 1rem; overflow-wrap: anywhere; }
.callout h3 { margin: 0; }
.callout.bad { border-color: var(--bad); }
.callout.warn { border-color: var(--warn); }
.find { display: flex; flex-wrap: wrap; align-items: center; gap: .6rem; margin: 0 0 .5rem; }
.find[hidden] { display: none; }
.find input { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--grey);
  border-radius: .4rem; padding: .35rem .6rem; width: min(22rem, 100%); }

details { border-bottom: 1px solid var(--rule); }
summary { padding: .45rem 0; cursor: pointer; overflow-wrap: anywhere; }
summary .sum { float: right; padding-left: 1rem; }
details[open] { padding-bottom: 1rem; }
details table { margin-top: .5rem; font-size: .95rem; }
footer { margin-top: 3.5rem; padding-top: .75rem; border-top: 1px solid var(--rule);
  color: var(--mute); font-size: .9rem; }

@media (max-width: 64rem) {
  th, td { padding-right: .7rem; }
  tbody th { min-width: 5rem; }
  svg.bar { min-width: 3rem; }
  svg.spread { width: 5rem; }
}
@media (max-width: 48rem) {
  .sheet { padding: 1.5rem 1rem 3rem; }
  .facts { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .5rem; }
  .fact { padding: .65rem .75rem; }
  .fact .value { font-size: 1.35rem; }
  .legend { flex-direction: column; }
  .legend li > :last-child { margin-left: auto; }
  table, tbody { display: block; }
  caption { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tbody tr { display: grid; grid-template-columns: repeat(auto-fill, minmax(4.7rem, 1fr)); gap: .1rem .9rem;
    padding: .6rem 0; border-bottom: 1px solid var(--rule); }
  tbody th, tbody td { display: block; border: 0; padding: 0; min-width: 0; text-align: left; }
  tbody th { grid-column: 1 / -1; font-weight: 600; }
  tbody td.text { grid-column: 1 / -1; }
  tbody td.picture { grid-column: 1 / -1; order: 1; width: auto; padding: .25rem 0; }
  tbody td.number { text-align: left; }
  tbody td.number::before, tbody td.picture[data-label]::before { content: attr(data-label); display: block;
    color: var(--mute); font-size: .8rem; line-height: 1.3; }
  tbody td.none { display: none; }
  svg.spread, svg.trend { width: 100%; max-width: none; }
  summary .sum { float: none; padding: 0; display: block; }
}
@media print {
  :root { color-scheme: light; LIGHT }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { background: none; }
  .sheet { max-width: none; padding: 0; }
  section { overflow: visible; }
  nav { display: none; }
  h2, h3, caption, thead { break-after: avoid; }
  tr, .fact { break-inside: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
"""

STYLE = (
    f":root {{ color-scheme: light dark; {_variables(LIGHT)} }}\n"
    f"@media (prefers-color-scheme: dark) {{ :root {{ {_variables(DARK)} }} }}\n"
    f"{_RULES.strip().replace('LIGHT', _variables(LIGHT))}\n"
)
