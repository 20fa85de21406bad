"""The page at /: how a daemon is, at one glance and in all detail. It works without its script, and nothing is loaded.

Everything that comes from a log or a file's name is text: it is escaped, and the policy lets no other script run.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from logmetrics.present import amounts
from logmetrics.present.charts import safe
from logmetrics.present.html import bdi, section_html
from logmetrics.present.style import STYLE
from logmetrics.serve.status.data import Status
from logmetrics.serve.status.sections import sections_of
from logmetrics.serve.status.troubles import headline

_STYLE = STYLE + files(__package__).joinpath("page.css").read_text("utf-8")
_SCRIPT = files(__package__).joinpath("page.js").read_text("utf-8")
# A dot of the colour that the state has.
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Ccircle cx='8' cy='8' r='6' fill='%23{colour}'/%3E%3C/svg%3E"
)
_ICON_COLOURS = {"good": "3d9c6c", "warn": "c58a1c", "bad": "d9503f"}


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


HEADERS = (
    (
        "Content-Security-Policy",
        f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)


def render_page(status: Status) -> bytes:
    """The page as UTF-8."""
    tone, words, sentence = headline(status)
    sections = sections_of(status)
    nav = "".join(f'<a href="#{section.ident}">{safe(section.title)}</a>\n' for section in sections)
    made = "".join(f'<div data-part="{section.ident}">\n{section_html(section)}</div>\n' for section in sections)
    when = f"As of {amounts.moment(status.unix_s)[11:]} UTC"
    page = _PAGE.format(
        style=_STYLE,
        script=_SCRIPT,
        icon=_ICON.format(colour=_ICON_COLOURS[tone]),
        tone=tone,
        words=safe(words),
        sentence=bdi(sentence),
        when=f"{when}, busy since" if status.late else when,
        nav=nav,
        sections=made,
        version=safe(status.version),
    )
    return page.encode("utf-8", "backslashreplace")


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{words} - logmetrics</title>
<link rel="icon" href="{icon}">
<noscript><meta http-equiv="refresh" content="10"></noscript>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<div class="sheet">
<header>
<div class="bar">
<p class="brand">logmetrics <span class="mute">{version}</span></p>
<p class="live"><span class="mute" data-part="when">{when}</span>
<button id="pause" type="button" aria-pressed="false" hidden>Pause</button></p>
</div>
<p id="silent" class="callout bad" role="alert" hidden></p>
<div data-part="state">
<h1 class="state"><svg class="dot {tone}" aria-hidden="true" viewBox="0 0 10 10"><circle cx="5" cy="5" r="4"/></svg>
{words}</h1>
<p class="lead">{sentence}</p>
</div>
<nav aria-label="Sections" data-part="nav">
{nav}</nav>
</header>
<main id="main" tabindex="-1">
{sections}</main>
<footer>
<p>Times are UTC. The same as data: <a href="api/status">api/status</a>; in a terminal: <code>logmetrics top</code>.
Beside this page: <a href="metrics">metrics</a> for Prometheus, <a href="readyz">readyz</a>,
<a href="healthz">healthz</a>, <a href="api/cardinality">api/cardinality</a>.</p>
</footer>
</div>
<script>{script}</script>
</body>
</html>
"""
