"""What a client accepts -> the format and the coding that it gets."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FORMATS = {
    "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
    "text": "text/plain; version=0.0.4; charset=utf-8",
}
# Versions are not compared: there is one of each format here, the newest known.
_MEDIA_TYPES = {"application/openmetrics-text": "openmetrics", "text/plain": "text", "text/*": "text", "*/*": "text"}

_WEIGHT = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


def negotiate(accept: str | None) -> tuple[str, str]:
    """The format ("openmetrics" or "text") and the content type for an Accept header.

    The greatest q wins, and among equals the first. A client that accepts neither gets text too: a scraper that can
    read it anyway is better off than with an error.
    """
    wanted = [(weight, _MEDIA_TYPES[name]) for name, weight in _weighted(accept or "") if name in _MEDIA_TYPES]
    weight, name = max(wanted, key=lambda each: each[0], default=(0.0, "text"))
    if not weight:
        name = "text"
    return name, _FORMATS[name]


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Whether an Accept-Encoding header allows gzip; ``*`` speaks for it only where it is not named itself."""
    weights = dict(_weighted(accept_encoding or ""))
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _weighted(header: str) -> Iterator[tuple[str, float]]:
    """Each name of the header with its q, in order; names whose q is malformed are left out."""
    for item in header.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        given = [value.strip() for key, _, value in (p.partition("=") for p in parameters) if key.strip() == "q"]
        weight = given[0] if given else "1"
        if name and _WEIGHT.fullmatch(weight):
            yield name, float(weight)
