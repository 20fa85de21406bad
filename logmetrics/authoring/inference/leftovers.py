"""Fields of which nothing was made: why, and what a person could make of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from logmetrics.authoring.inference.decoding import Path, Record, at
from logmetrics.authoring.inference.fields import FieldStats, Kind
from logmetrics.authoring.inference.labels import Label, label_of
from logmetrics.authoring.inference.spelling import shown
from logmetrics.authoring.inference.units import clock_time
from logmetrics.config.expression_text import path_text

LIST_OF_OBJECTS = "a list of objects"
A_LABEL = "few values: a label, if you want it"
_LISTS_SHOWN_MAX, _KEYS_SHOWN_MAX = 12, 5


def reasons(kind: Kind, paths: Collection[Path], not_measured: Mapping[str, str]) -> dict[str, str]:
    """Why nothing is made of the fields of *kind* at *paths*, by name; *not_measured* tells it of numbers."""
    return {kind.fields[path].name: _reason(kind.fields[path], kind, not_measured) for path in paths}


def _reason(stats: FieldStats, kind: Kind, not_measured: Mapping[str, str]) -> str:
    if stats.is_mostly("list"):
        return _list_reason(stats, kind)
    if clock := clock_time(stats):
        return f"a time on the clock ({clock})"
    label = label_of(stats, kind.count)
    if isinstance(label, Label):
        return not_measured.get(stats.name) or A_LABEL
    is_plain_number = stats.is_mostly("number") and not label.why.startswith("by its name")
    return not_measured.get(stats.name, label.why) if is_plain_number else label.why


def _list_reason(stats: FieldStats, kind: Kind) -> str:
    firsts = list(_firsts(stats.path, kind))
    if any(first.__class__ is dict for first in firsts):
        return LIST_OF_OBJECTS
    return "a list" if firsts else "an empty list"


def _firsts(path: Path, kind: Kind) -> Iterator[object]:
    lists = (at(record, path) for record in kind.kept)
    return (value[0] for value in lists if value.__class__ is list and value)


def about_lists(kind: Kind, names: Collection[str]) -> list[str]:
    """How a rule looks at each object of the lists of *kind* that are called *names*: lines for a comment."""
    rows: list[tuple[Path, Record]] = []
    for path, stats in kind.fields.items():
        objects = (first for first in _firsts(path, kind) if isinstance(first, dict) and first)
        if stats.name in names and (first := next(objects, None)) is not None:
            rows.append((path, first))
    if not rows:
        return []
    path, record = rows[0]
    each, name = path_text(path), path_text(("element", next(iter(record))))
    lines = [
        f"Lists of objects. A rule with `each: element in {shown(each, 80)}` looks at each object of one,",
        f"and reads fields such as {shown(name, 80)}:",
    ]
    for path, record in rows[:_LISTS_SHOWN_MAX]:
        keys = ", ".join(shown(key, 30) for key in list(record)[:_KEYS_SHOWN_MAX])
        more = ", ..." if len(record) > _KEYS_SHOWN_MAX else ""
        lines.append(f"  {shown('.'.join(path))}: objects with {keys}{more}")
    if len(rows) > _LISTS_SHOWN_MAX:
        lines.append(f"  and {len(rows) - _LISTS_SHOWN_MAX:,} more")
    return lines
