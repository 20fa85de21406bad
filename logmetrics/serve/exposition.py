"""A view of the store -> Prometheus text 0.0.4 or OpenMetrics 1.0.

Each series keeps the text of the value that it showed last, so that what did not change is only joined. One thread may
render at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from logmetrics.config.specs import MetricSpec
from logmetrics.store.series import Frozen, Labels, Series
from logmetrics.store.shown import PIECE_SERIES, Piece
from logmetrics.store.spelling import escape, head, number
from logmetrics.store.store import FamilyView

# What scrapers know a type by.
_TYPES = {"active": "gauge", "info": "gauge"}


def render(
    families: Iterable[FamilyView],
    *,
    openmetrics: bool = False,
    created: bool = False,
    zero_after: int | None = None,
) -> str:
    """The exposition of *families*; see ``pieces``."""
    return "".join(pieces(families, openmetrics=openmetrics, created=created, zero_after=zero_after))


def pieces(
    families: Iterable[FamilyView],
    *,
    openmetrics: bool = False,
    created: bool = False,
    zero_after: int | None = None,
) -> Iterator[str]:
    """The exposition of *families*, so much at a time as is made within a millisecond; those without series show their
    HELP and TYPE only.

    With *created*, OpenMetrics tells when each counter and histogram began. Those that were born after the commit
    *zero_after* are shown as 0: to a scraper that has not seen them yet.
    """
    out: list[str] = []
    size = 0
    for spec, rows in families:
        out.append(head(spec.name, _TYPES.get(spec.type, spec.type), spec.help, openmetrics=openmetrics))
        counts = spec.type in ("counter", "histogram")
        dated = openmetrics and created and counts
        for piece in rows.pieces:
            if dated or (zero_after is not None and counts):
                out += _special(spec, piece, zero_after, dated=dated)
            else:
                out.append(piece.text or _plain(spec, piece))
            size += len(piece.series)
            if size >= PIECE_SERIES:
                yield "".join(out)
                out, size = [], 0
    if openmetrics:
        out.append("# EOF\n")
    yield "".join(out)


def _plain(spec: MetricSpec, piece: Piece) -> str:
    piece.text = "".join(
        [
            series.text if series.text_of is value else _text(spec, series, value)
            for series, value in zip(piece.series, piece.values, strict=True)
        ]
    )
    return piece.text


def _special(spec: MetricSpec, piece: Piece, zero_after: int | None, *, dated: bool) -> Iterator[str]:
    for series, value in zip(piece.series, piece.values, strict=True):
        if zero_after is not None and series.born > zero_after:
            yield _zero(spec, series)
        else:
            yield series.text if series.text_of is value else _text(spec, series, value)
        if dated:
            yield _created(spec, series)


def _text(spec: MetricSpec, series: Series, frozen: Frozen) -> str:
    """The lines of *series*, which are kept."""
    if frozen.__class__ is tuple:
        text = _histogram(spec, series.labels, frozen)
    else:
        before = series.text
        start = before[: before.rindex(" ") + 1] if before else f"{spec.name}{_braces(_pairs(spec, series.labels))} "
        text = f"{start}{number(frozen)}\n"
    series.text, series.text_of = text, frozen
    return text


def _zero(spec: MetricSpec, series: Series) -> str:
    if spec.type == "histogram":
        return _histogram(spec, series.labels, ((0,) * (len(spec.buckets) + 1), 0, 0))
    return f"{spec.name}{_braces(_pairs(spec, series.labels))} 0\n"


def _histogram(spec: MetricSpec, labels: Labels, frozen: Frozen) -> str:
    assert isinstance(frozen, tuple)
    cumulative, total, count = frozen
    name, pairs = spec.name, _pairs(spec, labels)
    start = f"{name}_bucket{{{pairs}," if pairs else f"{name}_bucket{{"
    lines = [f"{start}{bound}{total_to}\n" for bound, total_to in zip(_bounds(spec.buckets), cumulative, strict=True)]
    lines.append(f"{name}_sum{_braces(pairs)} {number(total)}\n{name}_count{_braces(pairs)} {count}\n")
    return "".join(lines)


@lru_cache(maxsize=256)
def _bounds(buckets: tuple[float, ...]) -> tuple[str, ...]:
    """What stands between the other labels of each bucket and its number."""
    return tuple(f'le="{bound}"}} ' for bound in (*map(repr, buckets), "+Inf"))


def _created(spec: MetricSpec, series: Series) -> str:
    if not series.created_s:
        return ""
    pairs = _braces(_pairs(spec, series.labels))
    return f"{spec.name.removesuffix('_total')}_created{pairs} {series.created_s!r}\n"


def _pairs(spec: MetricSpec, labels: Labels) -> str:
    text = "".join(labels)
    if "\\" in text or '"' in text or "\n" in text:
        labels = tuple(map(escape, labels))
    return _template(spec.labels) % labels


@lru_cache(maxsize=256)
def _template(names: tuple[str, ...]) -> str:
    return ",".join([f'{name}="%s"' for name in names])


def _braces(pairs: str) -> str:
    return f"{{{pairs}}}" if pairs else ""
