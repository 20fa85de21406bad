"""A whole log at a glance: what became of its records, and of each kind that was not counted one to explain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from logmetrics.config.specs import Config, SourceSpec
from logmetrics.formats.framing import Framing
from logmetrics.rules.compile import compiled
from logmetrics.rules.log import Log
from logmetrics.sources.examples import Nowhere, broken_shape, excerpt, shape_of
from logmetrics.sources.samples import Sample

SHAPES_MAX = 50
# Among so many records the nearest to rules that matched none is looked for: the first of each shape.
COUNTED_LOOKED_AT = 2_000
RULES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ShapeFact:
    """Records of one shape that were not counted: the first of them stands at ``place``, and why it was not."""

    kind: Literal["unmatched", "unparsable"]
    shape: str
    seen: int
    place: str
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class RuleMatches:
    """How many records a rule matched."""

    rule: str
    matches: int


@dataclass(frozen=True, slots=True)
class NeverFact:
    """A rule of the user's own that matched no record, and why not the one at ``place``, which was nearest."""

    rule: str
    why: str
    place: str


@dataclass(frozen=True, slots=True)
class Overview:
    """All records of a log together."""

    path: str
    source: str
    framing: str
    records: int
    counted: int
    unmatched: int
    unparsable: int
    excluded: int
    continuation: int
    rules: Sequence[RuleMatches]
    shapes: Sequence[ShapeFact]
    # Shapes beyond those that are told.
    other_shapes: int
    never: Sequence[NeverFact] = ()


@dataclass(slots=True)
class _Shape:
    kind: Literal["unmatched", "unparsable"]
    first: Sample
    seen: int = 1


@dataclass(slots=True)
class Overlook:
    """What ``overview_of`` found: the figures, and for each shape its first record; of counted ones some, too."""

    overview: Overview
    firsts: list[Sample]
    counted_firsts: list[Sample]


def overview_of(
    config: Config, source: SourceSpec, samples: Iterable[Sample], path: str, framing: Framing, now_s: float
) -> Overlook:
    """What becomes of *samples*, all records of the log at *path*; the why of its shapes is left empty."""
    program = compiled(config, source, Nowhere())
    log = Log(path, source.name)
    shapes: dict[tuple[str, str], _Shape] = {}
    counted: dict[str, Sample] = {}
    records = others = 0
    for sample in samples:
        records += 1
        unmatched, unparsable = program.unmatched, program.unparsable
        program.apply([sample.record], log, now_s)
        if program.unparsable > unparsable:
            key: tuple[Literal["unmatched", "unparsable"], str] = ("unparsable", broken_shape(sample.record))
        elif program.unmatched > unmatched:
            key = ("unmatched", shape_of(sample.record))
        else:
            if records <= COUNTED_LOOKED_AT and len(counted) < SHAPES_MAX:
                counted.setdefault(shape_of(sample.record), sample)
            continue
        if key in shapes:
            shapes[key].seen += 1
        elif len(shapes) < SHAPES_MAX:
            shapes[key] = _Shape(key[0], sample)
        else:
            others += 1
    lost = program.uncounted + program.excluded + program.continued
    ranked = sorted(shapes.items(), key=lambda one: (one[1].kind != "unparsable", -one[1].seen))
    facts = tuple(
        ShapeFact(shape.kind, name, shape.seen, shape.first.place, excerpt(shape.first.record), "")
        for (_, name), shape in ranked
    )
    matches = [RuleMatches(rule.name, rule.matches) for rule in program.rules if rule.matches]
    matches.sort(key=lambda one: -one.matches)
    overview = Overview(
        path=path,
        source=source.name,
        framing="" if framing.name in ("plain", "lines") else framing.name,
        records=records,
        counted=max(records - lost, 0),
        unmatched=program.unmatched,
        unparsable=program.unparsable,
        excluded=program.excluded,
        continuation=program.continued,
        rules=tuple(matches),
        shapes=facts,
        other_shapes=others,
    )
    return Overlook(overview, [shape.first for _, shape in ranked], list(counted.values()))
