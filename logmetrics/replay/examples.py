"""Lines that no rule counted, shown by their shape: what a person needs to see to write a rule for them."""

from __future__ import annotations

from logmetrics.config.specs import Config, SourceSpec
from logmetrics.replay.span import Examples
from logmetrics.rules.compile import compiled
from logmetrics.rules.log import Log
from logmetrics.rules.program import Program
from logmetrics.sources.examples import Nowhere, excerpt, shape_of

# So many lines of one part of a log are looked at one by one, at the most, and so many shapes are told apart.
JUDGED_MAX = 500
SHAPES_MAX = 50
UNPARSABLE_MAX = 10


class Judge:
    """Says of single lines what the rules of a source say, which otherwise only tell how many there were.

    It has rules and a memory of its own, so that to look twice counts nothing twice.
    """

    def __init__(self, config: Config, spec: SourceSpec) -> None:
        self._config = config
        self._spec = spec
        self._program: Program | None = None

    def look(self, records: list[bytes], first_line: int, log: Log, examples: Examples) -> None:
        """Add to *examples* what becomes of *records*, the first of which is the line *first_line*."""
        if self._program is None:
            self._program = compiled(self._config, self._spec, Nowhere())
        program = self._program
        own = Log(log.path, log.source)
        for number, record in enumerate(records, first_line):
            if examples.judged >= JUDGED_MAX:
                return
            unmatched, unparsable = program.unmatched, program.unparsable
            program.apply([record], own, 0.0)
            examples.judged += 1
            if program.unparsable > unparsable and len(examples.unparsable) < UNPARSABLE_MAX:
                examples.unparsable.append((number, excerpt(record)))
            elif program.unmatched > unmatched:
                shape = shape_of(record)
                if shape in examples.shapes:
                    count, first, text = examples.shapes[shape]
                    examples.shapes[shape] = (count + 1, first, text)
                elif len(examples.shapes) < SHAPES_MAX:
                    examples.shapes[shape] = (1, number, excerpt(record))
