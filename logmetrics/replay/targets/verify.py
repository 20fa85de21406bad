"""Whether samples are where they belong: what a server, or a block, has of a window, and what not.

What is there already is not written again, so a replay that was killed goes on where it was, and a second one writes
nothing. Only the span of the window's samples is looked at: what comes behind it is not history's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from logmetrics.errors import ReplayError
from logmetrics.replay.samples import FamilySamples, SampleSeries, Window
from logmetrics.replay.targets.prometheus_api import PrometheusApi, RawSamples, SeriesKey
from logmetrics.store.spelling import number

# As many samples as one query asks for, unless one metric alone has more.
_QUERY_SAMPLES = 500_000
# VictoriaMetrics keeps decimal digits, as many as the greatest of thousands of values near each other leaves.
_VICTORIA_TOLERANCE = 1e-9
# Blocks are looked for once a minute.
PICK_UP_S = 90.0
_ASK_EVERY_S = 2.0
_EXAMPLES = 3


@dataclass(slots=True)
class Comparison:
    """How what is there differs from what was expected. The texts are examples, few of each kind."""

    # The expected samples that are not there; its series may have gaps.
    missing: Window
    # Of expected series: other values, at expected times; at other times in the window's span; twice the same time.
    different: int = 0
    extra: int = 0
    twice: int = 0
    # Samples of series that were not expected, though they have the names, and the labels that all expected ones share.
    strange: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)

    def note(self, kind: str, what: str) -> None:
        """Keep *what* as an example, if there are not enough of its kind."""
        kept = self.examples.setdefault(kind, [])
        if len(kept) < _EXAMPLES:
            kept.append(what)

    def problems(self) -> list[str]:
        """One line for each kind of difference, with examples."""
        counts = {
            "missing": (self.missing.size, "are missing"),
            "different": (self.different, "have another value"),
            "extra": (self.extra, "were not expected in these series"),
            "twice": (self.twice, "are there twice"),
            "strange": (self.strange, "are of series that were not expected"),
        }
        window = f"window {utc(self.missing.start_s)}"
        return [
            f"{window}: {count} samples {what}, such as {'; '.join(self.examples.get(kind, []))}"
            for kind, (count, what) in counts.items()
            if count
        ]


def verify(
    expected: Window,
    api: PrometheusApi,
    *,
    wait: Callable[[float], object] | None = None,
    patience_s: float = PICK_UP_S,
) -> list[str]:
    """What is wrong with the samples of *expected* at the server, in words; nothing if they are all there.

    With *wait*, which sleeps for some seconds, samples that are missing may still come for *patience_s*.
    """
    waited_s = 0.0
    while True:
        found = compare(expected, api)
        if not found.missing.size or wait is None or waited_s >= patience_s:
            return found.problems()
        wait(_ASK_EVERY_S)
        waited_s += _ASK_EVERY_S


def missing(window: Window, api: PrometheusApi) -> Window:
    """The samples of *window* that the server does not have. Series may have gaps then, and none is empty.

    Fails if it has other samples of these series in that time: two histories of one series, laid over each other, make
    a counter jump up and down, and each jump counts as an increase.
    """
    found = compare(window, api)
    if found.different or found.extra:
        told = [line for line in found.problems() if "another value" in line or "in these series" in line]
        raise ReplayError(
            f"{api.url} has other samples of the same series: {'; '.join(told)}. Both together would show increases "
            "that never were. They come from a live scrape, or from a replay of other logs or with other rules: end "
            "before them with --until, delete them first (/api/v1/admin/tsdb/delete_series), or give this history a "
            "label of its own (--label replay=2)"
        )
    return found.missing


def compare(window: Window, api: PrometheusApi) -> Comparison:
    """How the server's samples differ from those of *window*."""
    whole = Comparison(Window(window.start_s, window.step_s))
    span = span_of(window)
    if span is None:
        return whole
    tolerance = _VICTORIA_TOLERANCE if api.is_victoria() else 0.0
    for part in _parts(window):
        series = [each for family in part.families for each in family.series]
        names = list(dict.fromkeys(each.name for each in series))
        found = api.samples(shared_labels(series), names, span[0], span[1] + window.step_s)
        compare_found(part, found, span, tolerance, whole)
    return whole


def compare_found(
    part: Window, found: Mapping[SeriesKey, RawSamples], span: tuple[int, int], tolerance: float, into: Comparison
) -> None:
    """Add to *into* how *found* differs from the samples of *part*, from the first to the last second of *span*."""
    first_ms, last_ms = span[0] * 1000, span[1] * 1000
    there = {_canonical(key): samples for key, samples in found.items()}
    for family in part.families:
        rest = replace(family, series=[])
        for series in family.series:
            key = _canonical((("__name__", series.name), *series.labels))
            samples = [pair for pair in there.pop(key, []) if first_ms <= pair[0] <= last_ms]
            lacking = _compare_series(series, samples, tolerance, into)
            if lacking:
                rest.series.append(lacking)
        if rest.series:
            into.missing.families.append(rest)
    for key, samples in there.items():
        # VictoriaMetrics shows the mark of a series' end as NaN.
        inside = [pair for pair in samples if first_ms <= pair[0] <= last_ms and not math.isnan(pair[1])]
        if inside:
            into.strange += len(inside)
            into.note("strange", f"{_shown(key)} at {utc(inside[0][0] / 1000)}")


def _compare_series(
    series: SampleSeries, samples: RawSamples, tolerance: float, into: Comparison
) -> SampleSeries | None:
    """Add to *into* how *samples* differ from *series*; what is missing of it, if anything."""
    if [ms for ms, _ in samples] == [time_s * 1000 for time_s in series.times_s] and (
        [value for _, value in samples] == list(series.values)
    ):
        return None
    at = dict(samples)
    into.twice += len(samples) - len(at)
    if len(samples) > len(at):
        into.note("twice", _shown((("__name__", series.name), *series.labels)))
    times_s, values = [], []
    for time_s, value in zip(series.times_s, series.values, strict=True):
        shown = at.pop(time_s * 1000, None)
        if shown is None:
            times_s.append(time_s)
            values.append(value)
        elif shown != value and not _close(shown, value, tolerance):
            into.different += 1
            place = f"{_shown((('__name__', series.name), *series.labels))} at {utc(time_s)}"
            into.note("different", f"{place}: {number(shown)} instead of {number(value)}")
    extra = [ms for ms, value in at.items() if not math.isnan(value)]
    if extra:
        into.extra += len(extra)
        into.note("extra", f"{_shown((('__name__', series.name), *series.labels))} at {utc(extra[0] / 1000)}")
    if not times_s:
        return None
    into.note("missing", f"{_shown((('__name__', series.name), *series.labels))} at {utc(times_s[0])}")
    if len(times_s) == len(series.times_s):
        return series
    # The mark of an end is sent together with the last sample: where the one is, there is the other.
    ends = series.ends and times_s[-1] == series.times_s[-1]
    return replace(series, times_s=times_s, values=values, ends=ends)


def _close(shown: float, value: float, tolerance: float) -> bool:
    if math.isnan(shown) or math.isnan(value):
        return math.isnan(shown) and math.isnan(value)
    return shown == float(value) or math.isclose(shown, value, rel_tol=tolerance, abs_tol=1000 * tolerance)


def _parts(window: Window) -> Iterator[Window]:
    """The window's families in groups of not too many samples."""
    group: list[FamilySamples] = []
    size = 0
    for family in window.families:
        more = sum(len(series.times_s) for series in family.series)
        if group and size + more > _QUERY_SAMPLES:
            yield replace(window, families=group)
            group, size = [], 0
        if more:
            group.append(family)
            size += more
    if group:
        yield replace(window, families=group)


def span_of(window: Window) -> tuple[int, int] | None:
    """The times of the window's first and last sample."""
    times_s = [series.times_s for family in window.families for series in family.series if series.times_s]
    if not times_s:
        return None
    return min(times[0] for times in times_s), max(times[-1] for times in times_s)


def shared_labels(series: list[SampleSeries]) -> dict[str, str]:
    """The labels that all of *series* have; an empty one is none."""
    shared = set(series[0].labels)
    for each in series:
        shared.intersection_update(each.labels)
    return dict(sorted(pair for pair in shared if pair[1] and pair[0] != "le"))


def _canonical(labels: SeriesKey) -> SeriesKey:
    """Sorted, without empty ones, with `le` spelt in one way: Prometheus 3 has its own (4.194304e+06)."""
    return tuple(sorted((name, repr(float(value)) if name == "le" else value) for name, value in labels if value))


def _shown(key: SeriesKey) -> str:
    name = dict(key).get("__name__", "")
    return f"{name}{{{','.join(f'{label}={value!r}' for label, value in key if label != '__name__')}}}"


def utc(time_s: float) -> str:
    """A time as people and --until spell it."""
    moment = datetime.fromtimestamp(time_s, timezone.utc)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")
