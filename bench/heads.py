"""What lines cost, without what a program takes to start and to learn a log: the difference between a run over the
whole log and a run over its first lines.
"""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path

from bench import figures
from bench.model import Raw

HEAD_SHARE = 0.02
# Of two starts that take most of a second, the difference says nothing below this.
NOISE_S = 0.02


def head_of(log: Path, lines: int) -> tuple[Path, int]:
    """A log of the first lines, beside the whole one, and how many they are."""
    head = log.with_name(f"{log.name}.head")
    count = max(1, int(lines * HEAD_SHARE))
    with log.open("rb") as file:
        head.write_bytes(b"".join(islice(file, count)))
    return head, count


def rest_s(outcomes: Raw, head: Raw) -> float:
    """CPU of the lines that are not in the head; NaN when it is too little to be told from noise."""
    difference_s = figures.median(outcomes) - figures.median(head)
    return difference_s if difference_s >= NOISE_S else math.nan
