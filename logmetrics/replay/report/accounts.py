"""The section that tells what was read, and what of it was not counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from logmetrics.present import amounts
from logmetrics.present.blocks import Block, Cell, Column, Note, Section, Share, Shares, Tone, table
from logmetrics.replay.report.data import Report, SourceReading, in_sum
from logmetrics.replay.report.figures import Row

# What can become of a line: the field, what it is called, and whether that is good.
FATES: tuple[tuple[str, str, Tone], ...] = (
    ("matched", "counted by a rule", "good"),
    ("unmatched", "of interest to no rule", "mute"),
    ("continuations", "part of the line before", ""),
    ("excluded", "passed over as the config says", ""),
    ("unparsable", "no record of their format", "bad"),
    ("oversize", "too long", "warn"),
)


def headline(report: Report) -> list[str]:
    """What was read, in a few sentences."""
    total = in_sum(report.sources)
    files, lines = amounts.number_of("file", total.files), amounts.number_of("line", total.lines)
    read = f"{files}, {amounts.size(total.bytes)}, {lines}"
    if report.elapsed_s > 0 and total.lines:
        speed = amounts.size(total.bytes / report.elapsed_s)
        read += f", read in {amounts.seconds(report.elapsed_s)} ({speed}/s)"
    told = [read]
    if total.first_s is not None and total.last_s is not None:
        lasted = amounts.seconds(total.last_s - total.first_s)
        told.append(f"{amounts.span(total.first_s, total.last_s)} ({lasted})")
    told.extend(report.notes)
    return told


def reading_section(sources: Sequence[SourceReading]) -> Section:
    """Lines and what became of them, packs, shapes of what no rule counts, lines that are no records."""
    return Section("reading", "What was read", tuple(_reading(sources)))


def _reading(sources: Sequence[SourceReading]) -> Iterable[Block]:
    total = in_sum(sources)
    parts = [(getattr(total, field), name, tone) for field, name, tone in FATES]
    shares = [
        Share(name, number, f"{amounts.count(number)} ({amounts.percent(number / max(total.lines, 1))})", tone)
        for number, name, tone in parts
        if number
    ]
    if shares:
        yield Shares("Lines", tuple(shares))
    if len(sources) > 1:
        yield _by_source(sources)
    if total.packs:
        records = sum(total.packs.values())
        rows: list[Row] = [
            (Cell(pack), Cell(amounts.count(number)), Cell(amounts.percent(number / max(records, 1))))
            for pack, number in total.packs.items()
        ]
        yield table("Packs", (Column("pack", "text"), Column("records"), Column("share")), rows)
    yield from _times(total)
    yield from _unmatched(total)
    if total.bad_lines:
        rows = [(Cell(line.place), Cell(amounts.excerpt(line.excerpt))) for line in total.bad_lines]
        left = total.unparsable - len(rows)
        rest = f"and {amounts.count(left)} more" if left > 0 else ""
        yield table("No records of their format", (Column("line", "text"), Column("begins", "text")), rows, rest=rest)


def _by_source(sources: Sequence[SourceReading]) -> Block:
    columns = (
        Column("source", "text"),
        *(Column(name) for name in ("files", "size", "lines", "counted", "not counted", "no records")),
    )
    rows: list[Row] = []
    for source in sources:
        numbers = (source.lines, source.matched, source.unmatched, source.unparsable)
        rows.append(
            (
                Cell(source.name),
                Cell(amounts.count(source.files)),
                Cell(amounts.size(source.bytes)),
                *(Cell(amounts.count(number)) for number in numbers),
            )
        )
    return table("Sources", columns, rows)


def _times(total: SourceReading) -> Iterable[Block]:
    told = (
        (total.untimed, "have no time"),
        (total.future, "have a time that is still to come"),
        (total.absurd, "have a time that cannot be"),
    )
    parts = [f"{amounts.count(number)} {what}" for number, what in told if number]
    if parts:
        yield Note(f"Of the records, {', '.join(parts)}. They are in the totals, but not in what is told over time.")


def _unmatched(total: SourceReading) -> Iterable[Block]:
    if not total.shapes:
        return
    sampled = total.shapes_of if 0 < total.shapes_of < total.unmatched else 0
    note = "What no rule counts, by what is the same in all such records."
    if sampled:
        note += f" Shares are of the first {amounts.count(sampled)} that were looked at."
    rows: list[Row] = []
    for shape in total.shapes:
        number = amounts.percent(shape.count / sampled) if sampled else amounts.count(shape.count)
        rows.append((Cell(number), Cell(shape.text), Cell(shape.example)))
    columns = (Column("share" if sampled else "records"), Column("looks like", "text"), Column("first", "text"))
    yield table("Not counted", columns, rows, note)
