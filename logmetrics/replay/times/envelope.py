"""The time that a collector's envelope tells of a record; see ``framing.Stamped``."""

from __future__ import annotations

from functools import lru_cache

from logmetrics.rules.functions import time


@lru_cache(maxsize=1_000)
def envelope_s(told: str | int | None) -> int | None:
    """The second that is *told*: ISO 8601, or microseconds since 1970."""
    seconds = told / 1_000_000 if isinstance(told, int) else time(told)
    return None if seconds is None else int(seconds)
