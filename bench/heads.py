"""What a line costs, without what a program takes to start and to learn a log: the difference between a run over the whole
log and a run over its first lines.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from bench import figures
from bench.model import Raw

HEAD_SHARE = 0.02


def head_of(log: Path, lines: int) -> tuple[Path, int]:
    """A log of the first lines, beside the whole one, and how many they are."""
    head = log.with_name(f"{log.name}.head")
    count = max(1, int(lines * HEAD_SHARE))
    with log.open("rb") as file:
        head.write_bytes(b"".join(islice(file, count)))
    return head, count


def rest_s(outcomes: Raw, head: Raw) -> float:
    """CPU of the lines that are not in the head; not less than nothing, though noise may say so."""
    return max(0.0, figures.median(outcomes) - figures.median(head))
