"""A history as a report tells it."""

from __future__ import annotations

from collections.abc import Sequence

from logmetrics.replay.history import History
from logmetrics.replay.report.data import BadLine, Report, Shape, SourceReading, Timeline
from logmetrics.store.store import FamilyView

_SHAPES_SHOWN = 20


def report_of(
    history: History,
    families: Sequence[FamilyView],
    timeline: Timeline | None,
    elapsed_s: float,
    notes: Sequence[str],
) -> Report:
    """Everything that people are told of *history*."""
    sources = tuple(_reading(history, number) for number in range(len(history.sources)))
    return Report(sources, families, timeline, elapsed_s, tuple(notes))


def _reading(history: History, number: int) -> SourceReading:
    spec, source = history.job.config.sources[number], history.sources[number]
    tally = source.tally
    others = tally.unmatched + tally.unparsable + tally.continued + tally.excluded + tally.oversize
    shapes = sorted(source.shapes.items(), key=lambda item: -item[1].count)[:_SHAPES_SHOWN]
    return SourceReading(
        spec.name,
        spec.paths,
        files=sum(len(read.log.segments) for read in history.logs if read.log.source == number),
        bytes=tally.bytes,
        lines=tally.lines,
        matched=max(tally.lines - others, 0),
        unmatched=tally.unmatched,
        unparsable=tally.unparsable,
        continuations=tally.continued,
        excluded=tally.excluded,
        oversize=tally.oversize,
        untimed=tally.untimed,
        future=tally.future,
        absurd=tally.absurd,
        packs=dict(tally.packs.most_common()),
        first_s=source.least_s,
        last_s=source.greatest_s,
        shapes=tuple(Shape(text, shape.count, shape.where) for text, shape in shapes),
        shapes_of=sum(shape.count for shape in source.shapes.values()),
        bad_lines=tuple(BadLine(place, text) for place, text in source.unparsable),
    )
