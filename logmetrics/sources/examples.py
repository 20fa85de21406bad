"""Lines that no rule counted, by their shape: what a person needs to see to write a rule for them.

A block tells only how many of its records were not counted. Now and then such a block is looked at again, with rules
and a memory that count nothing, to find out which ones; so lines cost nothing more, however many of them are bad.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from logmetrics.formats.prefix import bare
from logmetrics.present.amounts import EXCERPT_CHARACTERS
from logmetrics.rules.log import Log
from logmetrics.rules.program import Program
from logmetrics.sources.reader import SourceReader
from logmetrics.store.site import Site

# Records are looked at for a hundredth of a core at the most: so often, over all sources, and so many each time. Looks
# that were not needed are saved up, for many logs may be met at once.
LOOK_INTERVAL_S = 2.0
LOOKS_SAVED_MAX = 20
JUDGED_MAX = 2_000
FOUND_MAX = 16
# Of each source and kind so many shapes are kept, those that came last.
SHAPES_MAX = 6
# So much of a record is kept to be explained, and so much of all together; those that came first give way.
RECORD_BYTES_MAX = 64 * 1024
KEPT_BYTES_MAX = 2 * 1024 * 1024
_KEYS_SHOWN_MAX = 8
_WORDS_SHOWN_MAX = 8
_KEY_CHARACTERS_MAX = 40
# Keys whose values tell what a record is.
_TELLING = ("event", "event_type", "type", "kind", "name", "msg", "message", "level")
_VARYING = re.compile(r'"[^"]*"|0x[0-9a-fA-F]+|[0-9a-fA-F]{8,}|[0-9][0-9.,:/_-]*')

_FIRST_KEY = re.compile(rb'\{\s*"[^"]{1,40}"')

Kind = Literal["unparsable", "unmatched"]


@dataclass(slots=True)
class Found:
    """The last record of a shape, and how many of it were seen. ``last_s`` is wall time.

    ``record`` is all of it, or its beginning, as long as there is room; then nothing.
    """

    path: str
    text: str
    seen: int
    last_s: float
    record: bytes = b""


class Examples:
    """The last shapes of records that were not counted. Only the engine's thread touches it."""

    def __init__(self, make: Callable[[SourceReader], Program], monotonic: Callable[[], float]) -> None:
        """*make* gives a program with the rules of a source that counts nowhere; see ``Nowhere``."""
        self._monotonic = monotonic
        self._make = make
        self._judges: dict[str, tuple[Program, Program]] = {}
        self._judged_by: dict[str, object] = {}
        self._looks = float(LOOKS_SAVED_MAX)
        self._looked_s = float("-inf")
        self._by_source: dict[tuple[str, Kind], OrderedDict[str, Found]] = {}

    def look(self, reader: SourceReader, records: list[bytes], log: Log, clock_s: float) -> None:
        """Among *records* are some that were not counted; find them, unless somebody looked just before.

        *clock_s* is wall time.
        """
        now_s = self._monotonic()
        since_s, self._looked_s = now_s - self._looked_s, now_s
        self._looks = min(self._looks + since_s / LOOK_INTERVAL_S, LOOKS_SAVED_MAX)
        if self._looks < 1:
            return
        self._looks -= 1
        name = reader.spec.name
        known = self._judges.get(name)
        if known is None or known[0] is not reader.program:  # its rules are others since
            known = self._judges[name] = (reader.program, self._make(reader))
        for kind, record in reversed(_uncounted(known[1], records[-JUDGED_MAX:], Log(log.path, log.source))):
            self._note(name, kind, record, log.path, clock_s)
        known[1].begin_anew()

    def forget_all_but(self, sources: Mapping[str, object]) -> None:
        """Sources that are not among *sources* are gone, and so is what was found in those that are others by now.

        *sources* tells what each is judged by; other rules may count what was found.
        """
        before, self._judged_by = self._judged_by, dict(sources)
        for key in list(self._by_source):
            if key[0] not in sources or sources[key[0]] != before.get(key[0]):
                del self._by_source[key]
                self._judges.pop(key[0], None)

    def found(self) -> list[tuple[str, Kind, str, Found]]:
        """Source, kind and shape of each; what cannot be parsed first, then by time."""
        rows = [
            (source, kind, shape, found)
            for (source, kind), by_shape in self._by_source.items()
            for shape, found in by_shape.items()
        ]
        return sorted(rows, key=lambda row: (row[1] != "unparsable", -row[3].last_s))

    def _note(self, source: str, kind: Kind, record: bytes, path: str, clock_s: float) -> None:
        shapes = self._by_source.setdefault((source, kind), OrderedDict())
        shape = broken_shape(record) if kind == "unparsable" else shape_of(record)
        known = shapes.pop(shape, None)
        kept = bytes(record[:RECORD_BYTES_MAX])
        shapes[shape] = Found(path, excerpt(record), known.seen + 1 if known else 1, clock_s, kept)
        if len(shapes) > SHAPES_MAX:
            shapes.popitem(last=False)
        self._make_room()

    def _make_room(self) -> None:
        """Give up whole records, the oldest first, until what is kept is within its bound."""
        found = [one for shapes in self._by_source.values() for one in shapes.values()]
        kept = sum(len(one.record) for one in found)
        for one in sorted(found, key=lambda one: one.last_s) if kept > KEPT_BYTES_MAX else ():
            if kept <= KEPT_BYTES_MAX:
                return
            kept -= len(one.record)
            one.record = b""


def _uncounted(program: Program, records: list[bytes], log: Log) -> list[tuple[Kind, bytes]]:
    """Those of *records* that *program* does not count, the last ones first, found by halving.

    However many there are of one kind, there is room for the other.
    """
    found: list[tuple[Kind, bytes]] = []
    room: dict[Kind, int] = {"unparsable": FOUND_MAX // 2, "unmatched": FOUND_MAX // 2}
    parts, judged = [records], 0
    while parts and any(room.values()) and judged < 4 * JUDGED_MAX:
        part = parts.pop()
        unmatched, unparsable = program.unmatched, program.unparsable
        program.apply(part, log, 0.0)
        judged += len(part)
        bad, unknown = program.unparsable > unparsable, program.unmatched > unmatched
        if not ((bad and room["unparsable"]) or (unknown and room["unmatched"])):
            continue
        if len(part) == 1:
            kind: Kind = "unparsable" if bad else "unmatched"
            room[kind] -= 1
            found.append((kind, part[0]))
        else:
            middle = len(part) // 2
            parts += [part[:middle], part[middle:]]
    return found


class Nowhere:
    """Stands in the place of the store: what is counted there is gone."""

    def site(self, metric: str, constants: Mapping[str, str], *, count_only: bool) -> Site:  # noqa: ARG002
        """See Store."""
        return _NowhereSite()


class _Sink:
    """A series of any type that takes everything and keeps nothing."""

    count = 0

    def __call__(self, _value: object) -> None:
        """A value of a counter, gauge or histogram."""

    def __setitem__(self, _key: object, _now_s: float) -> None:
        """A key of an active series."""


_SINK = _Sink()


class _NowhereSite(Site):
    def __init__(self) -> None:
        dict.__init__(self)

    def __missing__(self, _key: Any) -> Any:
        return _SINK


def broken_shape(record: bytes) -> str:
    """Of JSON that is broken, how it begins: where it is broken is another place each time."""
    start = _FIRST_KEY.match(record)
    return f"{start[0].decode('utf-8', 'replace')}: ... broken" if start else shape_of(record)


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
        told = key in _TELLING and isinstance(value, str) and len(value) <= _KEY_CHARACTERS_MAX
        name = key[:_KEY_CHARACTERS_MAX]
        shown.append(f"{name}: {_VARYING.sub('#', value)}" if told else name)
    more = ", ..." if len(fields) > _KEYS_SHOWN_MAX else ""
    return f"{{{', '.join(shown)}{more}}}"
