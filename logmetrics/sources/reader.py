"""One source at work: its compiled rules, and what became of its lines and files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from logmetrics.config.specs import Config, SourceSpec
from logmetrics.rules.bindings import Sites
from logmetrics.rules.compile import compiled
from logmetrics.rules.log import Log
from logmetrics.rules.program import Program

Uncounted = Callable[["SourceReader", list[bytes], Log, float], None]


class SourceReader:
    """Rules and tallies of one source. Only the engine's thread touches it."""

    def __init__(self, spec: SourceSpec, program: Program) -> None:
        self.spec = spec
        self.program = program
        # Blocks that rules were applied to.
        self.blocks = 0
        self.lines = 0
        self.bytes = 0
        # How many lines there were when somebody was told last, and the Unix time at which more were found there.
        self.lines_told = 0
        self.last_record_s: float | None = None
        self.oversize = 0
        self.nul_bytes = 0
        self.rotations = 0
        # Seconds of a journal that were vacuumed before they were read.
        self.gap_s = 0
        # Files that are followed.
        self.files = 0
        # How often each reason of a decision about a file was met.
        self.decisions: Counter[str] = Counter()
        # Path -> why it cannot be read; the reasons seen last, for messages and a gauge.
        self.problems: dict[str, str] = {}
        # The same for files that could be opened.
        self.troubles: dict[str, str] = {}
        # Is shown blocks in which something was not counted.
        self.uncounted: Uncounted | None = None

    def apply(self, records: list[bytes], log: Log, clock_s: float) -> None:
        """Count a block of whole records of *log*; *clock_s* is wall time."""
        program = self.program
        self.blocks += 1
        before = program.uncounted
        program.apply(records, log, clock_s)
        if self.uncounted is not None and program.uncounted > before:
            self.uncounted(self, records, log, clock_s)


def readers_of(config: Config, store: Sites) -> list[SourceReader]:
    """A reader for each source of *config*, whose rules count in *store*. Raises ConfigError."""
    return [SourceReader(spec, compiled(config, spec, store)) for spec in config.sources]
