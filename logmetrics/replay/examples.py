"""Lines that no rule counted, shown by their shape: what a person needs to see to write a rule for them."""

from __future__ import annotations

import re

import orjson

from logmetrics.config.specs import Config, SourceSpec
from logmetrics.formats.prefix import bare
from logmetrics.replay.cells import CellStore
from logmetrics.replay.span import Examples
from logmetrics.rules.compile import compiled
from logmetrics.rules.log import Log
from logmetrics.rules.program import Program

# So many lines of one part of a log are looked at one by one, at the most, and so many shapes are told apart.
JUDGED_MAX = 500
SHAPES_MAX = 50
UNPARSABLE_MAX = 10
EXCERPT_CHARACTERS = 120
_KEYS_SHOWN_MAX = 8
_WORDS_SHOWN_MAX = 8
# Keys whose values tell what a record is.
_TELLING = ("event", "event_type", "type", "kind", "name", "msg", "message", "level")
_VARYING = re.compile(r'"[^"]*"|0x[0-9a-fA-F]+|[0-9a-fA-F]{8,}|[0-9][0-9.,:/_-]*')


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
            cells = CellStore(self._config.rule_set.metrics, self._config.limits)
            cells.keeps = False
            self._program = compiled(self._config, self._spec, cells)
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


def excerpt(record: bytes) -> str:
    """The beginning of *record* as text."""
    return bare(record[: 4 * EXCERPT_CHARACTERS]).decode("utf-8", "replace")[:EXCERPT_CHARACTERS]


def shape_of(record: bytes) -> str:
    """What records of one kind have in common: the keys of JSON with what tells their kind, or the words of a text."""
    try:
        fields = orjson.loads(bytes(record)) if record[:1] == b"{" else None
    except orjson.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        words = _VARYING.sub("#", excerpt(record)).split()
        return " ".join(words[:_WORDS_SHOWN_MAX]) + (" ..." if len(words) > _WORDS_SHOWN_MAX else "")
    shown = []
    for key in list(fields)[:_KEYS_SHOWN_MAX]:
        value = fields[key]
        told = key in _TELLING and isinstance(value, str) and len(value) <= 40
        shown.append(f"{key}: {_VARYING.sub('#', value)}" if told else str(key))
    more = ", ..." if len(fields) > _KEYS_SHOWN_MAX else ""
    return f"{{{', '.join(shown)}{more}}}"
