"""Replays for tests: with compiled rules that are used again, cut anywhere, answered in any order."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from logmetrics.config.specs import Config, SourceSpec
from logmetrics.engine import Engine
from logmetrics.replay.history import History
from logmetrics.replay.pool import Batch, Pool, Result, read_batch
from logmetrics.replay.reader import PART_BYTES, SpanReader
from logmetrics.replay.run import Reading, logs_of, read_history
from logmetrics.replay.samples import WINDOW_S, Window
from logmetrics.replay.span import Job
from logmetrics.replay.timeline import Samples
from logmetrics.replay.view import view_of
from logmetrics.serve.exposition import render
from logmetrics.store.shown import Rows
from logmetrics.store.store import FamilyView

NOW_S = 1_795_800_000
# Name and labels -> samples in a row, each with the time of the first; and the times at which a series is over.
Values = dict[tuple[str, tuple[tuple[str, str], ...]], list[tuple[int, list[int | float]]]]
Ends = dict[tuple[str, tuple[tuple[str, str], ...]], list[int]]


class KeptPool:
    """Reads in this process, with rules that stay compiled; with a *seed* it answers in any order."""

    def __init__(self, reader: SpanReader, seed: int | None = None, wanted: int = 1) -> None:
        self.wanted = wanted
        self._reader = reader
        self._draw = None if seed is None else random.Random(seed)
        self._batches: list[Batch] = []

    def submit(self, batch: Batch) -> None:
        """See Pool."""
        self._batches.append(batch)

    def next(self) -> tuple[Batch, list[Result]]:
        """See Pool."""
        batch = self._batches.pop(self._draw.randrange(len(self._batches)) if self._draw else 0)
        return batch, read_batch(self._reader, batch)

    def close(self) -> None:
        """See Pool."""


@dataclass
class Replayed:
    """What came out of one."""

    history: History
    families: list[FamilyView]
    values: Values
    ends: Ends

    @property
    def text(self) -> str:
        return render(self.families)

    @property
    def told(self) -> object:
        """All that must be the same for any cut."""
        return self.text, self.values, self.ends, self.history.problems


class Replays:
    """Replays of logs under one config."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._reader: SpanReader | None = None

    def of(self, *paths: Path | str) -> Config:
        """The config with these paths for its source."""
        spec = self.config.sources[0] if self.config.sources else SourceSpec("logs", ())
        return replace(self.config, sources=(replace(spec, paths=tuple(map(str, paths))),))

    def run(
        self,
        *paths: Path | str,
        step_s: int | None = None,
        part_bytes: int = PART_BYTES,
        seed: int | None = None,
        wanted: int = 1,
        pool: Callable[[Job], Pool] | None = None,
        since_s: int | None = None,
        until_s: int | None = None,
    ) -> Replayed:
        """Read *paths*, and make samples when there is a step."""
        reading = Reading(self.of(*paths), step_s, since_s, until_s, part_bytes=part_bytes)

        def kept(job: Job) -> Pool:
            if self._reader is None:
                self._reader = SpanReader(job)
            self._reader.job = job
            return KeptPool(self._reader, seed, wanted)

        history = read_history(reading, logs_of(reading), lambda *_: None, NOW_S, pool or kept)
        return finished(history, wants_samples=step_s is not None)

    def watched(self, *paths: Path | str) -> str:
        """What `watch --once` prints of *paths*."""
        engine = Engine(self.of(*paths), say=lambda _: None, runtime_metrics=False)
        engine.run_once()
        return render(
            [(spec, Rows.of(sorted(rows, key=lambda row: row[0].labels))) for spec, rows in engine.view().families]
        )


def finished(history: History, *, wants_samples: bool) -> Replayed:
    """The totals and samples of *history*."""
    samples = Samples(history, {}, wanted=wants_samples)
    values: Values = {}
    ends: Ends = {}
    for window in samples.windows():
        take_window(window, values, ends)
    samples.finish()
    families = view_of(history)
    history.spool.close()
    return Replayed(history, families, values, ends)


def take_window(window: Window, values: Values, ends: Ends) -> None:
    """Add what is in *window*; no sample comes twice, and nothing goes back."""
    for family in window.families:
        for series in family.series:
            key = series.name, series.labels
            first_s, last_s = series.times_s[0], series.times_s[-1]
            assert window.start_s <= first_s
            assert last_s < window.start_s + WINDOW_S
            assert len(series.values) == len(series.times_s) == (last_s - first_s) // window.step_s + 1
            runs = values.setdefault(key, [])
            if runs and runs[-1][0] + len(runs[-1][1]) * window.step_s == first_s:
                runs[-1][1].extend(series.values)
            else:
                assert not runs or runs[-1][0] + len(runs[-1][1]) * window.step_s < first_s, key
                runs.append((first_s, list(series.values)))
            if series.ends:
                ends.setdefault(key, []).append(last_s)


def totals_of(families: list[FamilyView]) -> Mapping[tuple[str, tuple[str, ...]], object]:
    """Each series' total, self-metrics left out."""
    return {
        (spec.name, row.labels): frozen
        for spec, rows in families
        for row, frozen in rows
        if not spec.name.startswith("logmetrics_")
    }
