"""Windows of samples -> OpenMetrics text with times, one file for each window of two hours.

`promtool tsdb create-blocks-from openmetrics` reads its file once for each block, so one file for each block is what
costs least. The series of a file stand one behind the other, each ascending in time: promtool drops, without a word,
samples that go back. OpenMetrics counts all series of a histogram as one, so these take turns. They need their TYPE:
Prometheus 3 and its promtool spell `le` in their own way in what they know to be a histogram, and only there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from itertools import chain, compress, islice
from operator import ne
from pathlib import Path

from logmetrics.errors import ReplayError
from logmetrics.replay.samples import WINDOW_S, FamilySamples, SampleSeries, Window
from logmetrics.store.spelling import escape, head, number


class OpenMetricsFiles:
    """One file for each window in *directory*, which is made if it is not there; a window's file is always the same."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ReplayError(f"{directory}: cannot be made: {error.strerror}; give another directory") from error

    def write(self, window: Window) -> Path | None:
        """Write the file of *window*, whole or not at all, and give its path; None of a window without samples."""
        if not window.size:
            return None
        begin = datetime.fromtimestamp(window.start_s, timezone.utc)
        path = self.directory / f"logmetrics-{begin:%Y%m%dT%H%MZ}.om"
        write_atomically(path, (text.encode("utf-8", "replace") for text in texts(window)))
        return path


def texts(window: Window) -> Iterator[str]:
    """The text of a window's file, so much at a time as belongs to one series, or one histogram."""
    stamps = Stamps(window)
    for family in window.families:
        if not family.series:
            continue
        yield head(family.name, family.type, family.help, openmetrics=True)
        if family.type == "histogram":
            yield from _histograms(family, stamps)
        else:
            for series in family.series:
                yield _together(series, stamps.of(series.times_s))
    yield "# EOF\n"


class Stamps:
    """What stands behind the value of each sample of a window, its time: made once for all series."""

    def __init__(self, window: Window) -> None:
        self._step_s = window.step_s
        # The first multiple of the step in the window, also if the step does not divide it.
        self._first_s = -(-window.start_s // window.step_s) * window.step_s
        self._texts = [f" {time_s}\n" for time_s in range(self._first_s, window.start_s + WINDOW_S, window.step_s)]

    def of(self, times_s: Sequence[int]) -> list[str]:
        """Those of *times_s*."""
        if not times_s:
            return []
        first, last = ((time_s - self._first_s) // self._step_s for time_s in (times_s[0], times_s[-1]))
        if last - first + 1 == len(times_s):
            return self._texts[first : last + 1]
        return [self._texts[(time_s - self._first_s) // self._step_s] for time_s in times_s]


def _start(series: SampleSeries) -> str:
    """What stands before the value."""
    pairs = ",".join([f'{label}="{escape(value)}"' for label, value in series.labels])
    return f"{series.name}{{{pairs}}} " if pairs else f"{series.name} "


def _together(series: SampleSeries, stamps: list[str]) -> str:
    """The lines of one series. What changes seldom costs next to nothing: equal values are joined by one call."""
    start, values = _start(series), list(series.values)
    begins = [0, *compress(range(1, len(values)), map(ne, values, islice(values, 1, None)))]
    if 2 * len(begins) > len(values):
        return "".join(_lines(series, stamps))
    parts = []
    for begin, end in zip(begins, [*begins[1:], len(values)], strict=True):
        before = start + number(values[begin])
        parts.append(before + before.join(stamps[begin:end]))
    return "".join(parts)


def _lines(series: SampleSeries, stamps: list[str]) -> list[str]:
    """The lines of one series, one by one."""
    start, values = _start(series), list(series.values)
    before = {value: start + number(value) for value in dict.fromkeys(values)}
    return [before[value] + stamp for value, stamp in zip(values, stamps, strict=True)]


def _histograms(family: FamilySamples, stamps: Stamps) -> Iterator[str]:
    """The lines of each histogram: all of one time, then all of the next."""
    groups: dict[tuple[tuple[str, str], ...], list[SampleSeries]] = {}
    for series in family.series:
        groups.setdefault(tuple([pair for pair in series.labels if pair[0] != "le"]), []).append(series)
    for group in groups.values():
        columns = [_lines(series, stamps.of(series.times_s)) for series in group]
        times_s = group[0].times_s
        if all(series.times_s is times_s or list(series.times_s) == list(times_s) for series in group):
            yield "".join(chain.from_iterable(zip(*columns, strict=True)))
        else:
            lines = [
                (time_s, place, line)
                for place, (series, column) in enumerate(zip(group, columns, strict=True))
                for time_s, line in zip(series.times_s, column, strict=True)
            ]
            yield "".join([line for _, _, line in sorted(lines)])


def write_atomically(path: Path, chunks: Iterator[bytes]) -> None:
    """Make *path* hold *chunks*; whoever looks sees all of them or what was there before, also after a power cut."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb", buffering=1 << 20) as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise ReplayError(f"{path}: cannot be written: {error.strerror}; make room, or give another place") from error


def sync_directory(directory: Path) -> None:
    """Make names in *directory* durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
