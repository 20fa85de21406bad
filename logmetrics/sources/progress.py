"""How far the reading of what was there at the start has come."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Of so many bytes so many are read, and the lines in these."""

    bytes_read: int
    bytes_total: int
    lines: int
