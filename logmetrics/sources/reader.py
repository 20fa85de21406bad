"""One source at work: its compiled rules, and what became of its lines and files."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from logmetrics.config.specs import SourceSpec
from logmetrics.rules.program import Program

if TYPE_CHECKING:
    from logmetrics.sources.tail import Tail


class SourceReader:
    """Rules and tallies of one source. Only the engine's thread touches it."""

    def __init__(self, spec: SourceSpec, program: Program) -> None:
        self.spec = spec
        self.program = program
        self.lines = 0
        self.bytes = 0
        self.oversize = 0
        self.nul_bytes = 0
        self.rotations = 0
        # How often each reason of a decision about a file was met.
        self.decisions: Counter[str] = Counter()
        # Path -> why it cannot be read; the reasons seen last, for messages and a gauge.
        self.problems: dict[str, str] = {}
        # The same for files that could be opened.
        self.troubles: dict[str, str] = {}

    def take_tallies_of(self, tail: Tail) -> None:
        """Book what *tail* passed over since it was asked last."""
        self.lines += tail.oversize
        self.oversize += tail.oversize
        self.nul_bytes += tail.nul_bytes
        tail.oversize = tail.nul_bytes = 0
