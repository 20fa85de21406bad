"""The figures of a report as tables and shares: rankings, latencies, parts of a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from logmetrics.present import amounts
from logmetrics.present.blocks import Bar, Cell, Column, Share, Shares, Spread, Table, Tone, table
from logmetrics.replay.report.data import Histogram, Key, Report, Tally, histograms, in_all, is_shown, tallies

# A share of errors from here on is looked at twice.
MANY_ERRORS = 0.05
Row = tuple[Cell | Bar | Spread, ...]
Value = TypeVar("Value")


class Figures:
    """The families of a report by name. Rankings have at most *most* rows; what is left out is told."""

    def __init__(self, report: Report, most: int) -> None:
        self.most = most
        self.views = {view[0].name: view for view in report.families if is_shown(view)}

    def tallies(self, metric: str, *labels: str) -> dict[Key, Tally]:
        """See the function ``tallies``; empty if there is no such family."""
        return tallies(self.views[metric], *labels) if metric in self.views else {}

    def histograms(self, metric: str, *labels: str) -> dict[Key, Histogram]:
        """See the function ``histograms``; empty if there is no such family."""
        return histograms(self.views[metric], *labels) if metric in self.views else {}

    def total(self, metric: str) -> Tally:
        """All series of a counter."""
        return in_all(self.tallies(metric).values())

    def first(self, found: Mapping[Key, Value]) -> list[tuple[Key, Value]]:
        """The first of a ranking."""
        return list(islice(found.items(), self.most))

    def rest(self, found: Mapping[Key, Tally]) -> str:
        """What a ranking leaves out."""
        left = [tally.count for tally in islice(found.values(), self.most, None)]
        return f"and {len(left):,} more with {amounts.count(sum(left))} together" if left else ""

    def ranking(
        self,
        what: str,
        names: tuple[str, ...],
        found: Mapping[Key, Tally],
        latencies: Mapping[Key, Histogram] | None = None,
        title: str = "",
    ) -> list[Table]:
        """A table of who did most, with shares, errors and latencies; none if there is nobody."""
        whole, longest = in_all(found.values()).count, max((tally.count for tally in found.values()), default=0)
        columns = [Column(name, "text") for name in names]
        columns += [Column(what), Column("share"), Column("", "picture"), Column("failed")]
        rows: list[Row] = []
        for key, tally in self.first(found):
            ratio = tally.error_ratio
            row: Row = (
                *map(name_cell, key),
                Cell(amounts.count(tally.count)),
                Cell(amounts.percent(tally.count / whole)),
                Bar(tally.count / longest, (ratio or 0) * tally.count / longest),
                ratio_cell(tally),
            )
            rows.append((*row, *latency_cells((latencies or {}).get(key))) if latencies else row)
        if latencies:
            columns += latency_columns("_seconds", next(iter(latencies.values())).bounds)
        return [table(title, columns, rows, rest=self.rest(found))] if rows else []

    def latencies(self, title: str, metric: str, names: Sequence[str]) -> list[Table]:
        """How long something took: all of it, then by *names*."""
        whole = self.histograms(metric)
        if not whole:
            return []
        rows: list[Row] = [(*_all_of(names), *_timing(metric, histogram)) for histogram in whole.values()]
        parts = self.histograms(metric, *names) if names else {}
        if len(parts) > 1:
            rows += [(*map(name_cell, key), *_timing(metric, part)) for key, part in self.first(parts)]
        else:
            rows = [(*map(name_cell, key), *_timing(metric, part)) for key, part in parts.items()] or rows
        columns = [
            *(Column(name, "text") for name in names or ("",)),
            Column("count"),
            Column("mean"),
            *latency_columns(metric, self.views[metric][0].buckets),
        ]
        left = len(parts) - self.most
        return [table(title, columns, rows, rest=f"and {left:,} more" if left > 0 else "")]

    def shares(self, title: str, found: Mapping[Key, Tally], tones: Mapping[str, Tone], metric: str) -> list[Shares]:
        """What a whole is made of; the order is that of *tones*, then the largest first."""
        whole = in_all(found.values()).count
        places = {name: place for place, name in enumerate(tones)}
        ranked = sorted(found.items(), key=lambda pair: places.get(" ".join(pair[0]), len(places)))
        parts = [
            Share(
                name,
                tally.count,
                f"{amounts.amount_of(metric, tally.count)} ({amounts.percent(tally.count / whole)})",
                tone,
            )
            for key, tally in ranked
            for name in (" ".join(key),)
            for tone in (tones.get(name, ""),)
        ]
        return [Shares(title, tuple(parts))] if parts else []


def name_cell(value: str) -> Cell:
    """A label's value; one that is empty can be seen."""
    return Cell(value or '""')


def ratio_cell(tally: Tally) -> Cell:
    """The share of errors; empty if nothing tells how it went."""
    ratio = tally.error_ratio
    if ratio is None:
        return Cell("")
    return Cell(amounts.percent(ratio), amounts.count(tally.errors), "bad" if ratio >= MANY_ERRORS else "")


def quantile_text(metric: str, histogram: Histogram, q: float) -> str:
    """A quantile in the unit of the metric, `> 300 s` if all that is known is that it is more."""
    found = histogram.quantile(q)
    if found is None:
        return ""
    return f"> {amounts.bound_of(metric, found.value)}" if found.beyond else amounts.amount_of(metric, found.value)


def latency_columns(metric: str, bounds: Sequence[float]) -> tuple[Column, ...]:
    """The columns of what ``latency_cells`` gives."""
    detail = f"{amounts.bound_of(metric, bounds[0])} to over {amounts.bound_of(metric, bounds[-1])}" if bounds else ""
    return (*map(Column, ("P50", "P95", "P99")), Column("distribution", "picture", wide=True, detail=detail))


def latency_cells(histogram: Histogram | None, metric: str = "_seconds") -> Row:
    """Three quantiles and the distribution."""
    if histogram is None:
        return (Cell(""), Cell(""), Cell(""), Spread(()))
    return (*(Cell(quantile_text(metric, histogram, q)) for q in (0.5, 0.95, 0.99)), Spread(tuple(histogram.counts)))


def label_text(labels: Iterable[tuple[str, str]]) -> str:
    """Labels with their values, for a table of things of many kinds."""
    return ", ".join(f"{name} {value}" for name, value in labels)


def _all_of(names: Sequence[str]) -> Row:
    return (Cell("all", tone="mute"), *(Cell("") for _ in names[1:]))


def _timing(metric: str, histogram: Histogram) -> Row:
    mean = amounts.amount_of(metric, histogram.sum / histogram.count)
    return (Cell(amounts.count(histogram.count)), Cell(mean), *latency_cells(histogram, metric))
