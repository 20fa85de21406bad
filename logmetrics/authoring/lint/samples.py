"""A config over samples of its logs: what its rules make of them, series by series. Nothing of it is kept."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from typing import TypeVar

from logmetrics.config.specs import Config, MetricSpec, SourceSpec
from logmetrics.rules.compile import compiled
from logmetrics.rules.functions import time
from logmetrics.rules.log import Log
from logmetrics.rules.program import Program, RuleTally
from logmetrics.sources.discovery import plain_directory
from logmetrics.sources.samples import sample_paths, samples_of
from logmetrics.store.family import Family
from logmetrics.store.guard import MISSING
from logmetrics.store.series import HistogramSeries, Labels, Series
from logmetrics.store.site import Site
from logmetrics.store.store import Store, target_of

# Of each log so many bytes are read, and of each metric so many label sets are noted.
LOG_BYTES_MAX = 64 * 1024 * 1024
NOTED_MAX = 20_000
TIMES_MAX = 2_000
# Records of long logs are taken by the block; where something was met is then told to so many records.
SINGLE_RECORDS = 20_000
BLOCK_RECORDS = 200
SAMPLES = "samples"
# A record's time, roughly: which of two records was first is all that it is for.
_TIME = re.compile(
    rb"(\d{4})[-/](\d\d)[-/](\d\d)[T -]{1,3}(\d\d:\d\d:\d\d(?:\.\d{1,9})?)"
    rb"|\"(?:timestamp|time|ts)\":\s*(\d{9,19}(?:\.\d+)?)"
)
_TIME_WITHIN_BYTES = 4096


# In the place of an update: the record is known to be counted twice.
_TOLD = -1


@dataclass(slots=True)
class Notes:
    """What came of one metric. Times are those in the records, in seconds since 1970."""

    family: Family
    # Label sets as the logs have them, by the time of the first record of each.
    raw: dict[Labels, float] = field(default_factory=dict)
    looks: int = 0
    # Times of some of its records: of each one, then of every second, every fourth.
    times: list[float] = field(default_factory=list)
    stride: int = 1
    # Records that two updates counted, neither of which is for another part of the whole; the first one's place.
    doubles: int = 0
    double_place: str = ""
    last_record: int = 0
    counted_by: dict[int, Mapping[str, str]] = field(default_factory=dict)

    @property
    def spec(self) -> MetricSpec:
        return self.family.spec

    def note(self, labels: Labels, time_s: float) -> None:
        """A record of that time gave *labels*."""
        if not self.looks % self.stride:
            self.times.append(time_s)
            if len(self.times) >= TIMES_MAX:
                del self.times[1::2]
                self.stride *= 2
        self.looks += 1
        if labels in self.raw:
            self.raw[labels] = min(self.raw[labels], time_s)
        elif len(self.raw) < NOTED_MAX:
            self.raw[labels] = time_s

    def counted(self, constants: Mapping[str, str], update: int, record: int, place: str) -> None:
        """The *update*, whose labels *constants* never vary, counted the record of that number."""
        if record != self.last_record:
            self.last_record = record
            self.counted_by.clear()
        others = (known for other, known in self.counted_by.items() if other not in (update, _TOLD))
        if _TOLD not in self.counted_by and any(_are_compatible(constants, known) for known in others):
            self.counted_by[_TOLD] = {}
            self.doubles += 1
            self.double_place = self.double_place or place
        self.counted_by[update] = constants

    @property
    def half_s(self) -> float:
        """When half of its records had been."""
        return sorted(self.times)[(len(self.times) - 1) // 2]

    @property
    def forms(self) -> dict[Labels, float]:
        """Label sets as the guard would take them, by the first time of each."""
        return _firsts((self.family.guard.form(labels), time_s) for labels, time_s in self.raw.items())

    def raw_values(self, index: int) -> dict[str, float]:
        """The values of a label as the logs have them, by the first time of each."""
        return _firsts((labels[index], time_s) for labels, time_s in self.raw.items())

    def is_always_missing(self, index: int) -> bool:
        return bool(self.raw) and all(labels[index] == MISSING for labels in self.raw)

    @property
    def bucket_counts(self) -> list[int]:
        """Observations between the bounds of a histogram, those above the last one too, over all its series."""
        counts = [0] * (len(self.spec.buckets) + 1)
        for series in self.family.series.values():
            if isinstance(series, HistogramSeries):
                series.fold()
                counts = [mine + more for mine, more in zip(counts, series.counts, strict=True)]
        return counts


def _are_compatible(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """False when a label tells the two apart, as token_type does prompt and completion."""
    return all(other.get(label, value) == value for label, value in one.items())


_Key = TypeVar("_Key", str, Labels)


def _firsts(pairs: Iterable[tuple[_Key, float]]) -> dict[_Key, float]:
    found: dict[_Key, float] = {}
    for key, time_s in pairs:
        found[key] = min(time_s, found.get(key, time_s))
    return found


@dataclass(slots=True)
class RuleSeen:
    """What became of one rule; those of packs are told of when they matched."""

    matches: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    # Where the first update was skipped, by reason.
    places: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Observed:
    """What came of all samples."""

    metrics: Mapping[str, Notes]
    files: int = 0
    first_log: str = ""
    records: int = 0
    # The record that is looked at: its time, and its place if it is looked at alone.
    time_s: float = 0.0
    place: str = ""
    unmatched: int = 0
    unparsable: int = 0
    # Where the first of these is.
    unmatched_place: str = ""
    unparsable_place: str = ""
    rules: dict[str, RuleSeen] = field(default_factory=dict)
    # Paths that could not be read, and why; logs of which only the beginning was.
    problems: dict[str, str] = field(default_factory=dict)


class _Noting:
    """Stands between a site and its family, and notes which label sets come by."""

    def __init__(self, notes: Notes, constants: Mapping[str, str], number: int, observed: Observed) -> None:
        self.notes = notes
        self.constants = constants
        self.number = number
        self.observed = observed

    @property
    def spec(self) -> MetricSpec:
        return self.notes.spec

    def get(self, labels: Labels) -> Series:
        """See Family."""
        observed = self.observed
        self.notes.note(labels, observed.time_s)
        if observed.place:
            self.notes.counted(self.constants, self.number, observed.records, observed.place)
        return self.notes.family.get(labels)


class _NotingStore:
    """The store that rules count in; each of their sites notes what it is asked for."""

    def __init__(self, config: Config) -> None:
        self.store = Store(config.rule_set.metrics, config.limits)
        self.observed = Observed({name: Notes(family) for name, family in self.store.families.items()})
        self.sites: list[Site] = []

    def site(self, metric: str, constants: Mapping[str, str], *, count_only: bool) -> Site:
        """See Store."""
        noting = _Noting(self.observed.metrics[metric], constants, len(self.sites), self.observed)
        site = Site(noting, dict(constants), target_of(noting.spec, count_only=count_only))
        self.store.families[metric].sites.append(site)
        self.sites.append(site)
        return site

    def forget(self) -> None:
        """Have the next measurement of each label set come by again."""
        for site in self.sites:
            if site:
                site.clear()


def observe(config: Config, samples: Sequence[str], now_s: float) -> Observed:
    """What *config* makes of the logs that *samples* name: files, directories or globs. *now_s* is wall time."""
    store = _NotingStore(config)
    observed = store.observed
    for source in sources_of(config, samples):
        program = compiled(config, source, store)
        own = [rule for rule in program.rules if not rule.of_pack]
        paths, problems = sample_paths(source)
        observed.problems.update(problems)
        for path in paths:
            log = Log(os.path.abspath(path), source.name)
            observed.files += 1
            observed.first_log = observed.first_log or path
            time_s: float | None = None
            try:
                for block, place in _blocks(path, source):
                    observed.records += len(block)
                    time_s = time_s_of(block[0]) or time_s
                    observed.time_s = time_s or observed.records
                    observed.place = place if len(block) == 1 else ""
                    before = program.unmatched, program.unparsable
                    program.apply(block, log, now_s)
                    _note_places(observed, program, own, before, place)
                    store.forget()
                    if observed.records % BLOCK_RECORDS == 0:
                        store.store.fold()
            except OSError as error:
                observed.problems[path] = error.strerror or str(error)
        program.expire(now_s)
        observed.unmatched += program.unmatched
        observed.unparsable += program.unparsable
        _add_rules(observed, [rule for rule in program.rules if not rule.is_silent])
    store.store.fold()
    return observed


def _blocks(path: str, source: SourceSpec) -> Iterator[tuple[list[bytes], str]]:
    """The records of the log at *path*, by the block, and where each block begins."""
    block: list[bytes] = []
    place = ""
    for number, sample in enumerate(samples_of(path, source, LOG_BYTES_MAX)):
        place = place or sample.place
        block.append(sample.record)
        if number < SINGLE_RECORDS or len(block) >= BLOCK_RECORDS:
            yield block, place
            block, place = [], ""
    if block:
        yield block, place


def _note_places(
    observed: Observed, program: Program, own: Sequence[RuleTally], before: tuple[int, int], place: str
) -> None:
    if not observed.unmatched_place and program.unmatched > before[0]:
        observed.unmatched_place = place
    if not observed.unparsable_place and program.unparsable > before[1]:
        observed.unparsable_place = place
    for rule in own:
        if rule.skipped:
            places = observed.rules.setdefault(rule.name, RuleSeen()).places
            for reason in rule.skipped:
                places.setdefault(reason, place)


def _add_rules(observed: Observed, own: Sequence[RuleTally]) -> None:
    for rule in own:
        seen = observed.rules.setdefault(rule.name, RuleSeen())
        seen.matches += rule.matches
        for reason, count in rule.skipped.items():
            seen.skipped[reason] = seen.skipped.get(reason, 0) + count


def time_s_of(record: bytes) -> float | None:
    """When the record was written, by the first time in it."""
    found = _TIME.search(record, 0, _TIME_WITHIN_BYTES)
    if found is None:
        return None
    year, month, day, clock, number = (part.decode() if part else "" for part in found.groups())
    return time(float(number)) if number else time(f"{year}-{month}-{day}T{clock}Z")


def sources_of(config: Config, samples: Sequence[str]) -> list[SourceSpec]:
    """The sources of *config* with those of *samples* to read that are theirs: by their paths, else by their being
    the only source. What is of none is read as `watch PATH` would.
    """
    by_source: dict[str, list[str]] = {}
    for sample in _told_apart(config, samples):
        found = [source for source in config.sources if _is_of(sample, source)]
        only = config.sources if len(config.sources) == 1 else ()
        [name, *_] = [*(source.name for source in (*found, *only)), ""]
        by_source.setdefault(name, []).append(sample)
    specs = {source.name: source for source in config.sources}
    return [
        replace(specs[name], paths=tuple(paths), journals=()) if name else SourceSpec(SAMPLES, tuple(paths))
        for name, paths in by_source.items()
    ]


def _told_apart(config: Config, samples: Sequence[str]) -> Iterator[str]:
    """*samples*, but in place of a directory or glob with logs of several sources the logs themselves."""
    for sample in samples:
        logs = sample_paths(SourceSpec(SAMPLES, (sample,)))[0] if len(config.sources) > 1 else []
        firsts = {next((source.name for source in config.sources if _is_of(log, source)), "") for log in logs}
        yield from logs if len(firsts) > 1 else (sample,)


def _is_of(sample: str, source: SourceSpec) -> bool:
    path = os.path.abspath(os.path.expanduser(sample))
    for named in source.paths:
        pattern = os.path.abspath(os.path.expanduser(named))
        if path == pattern or fnmatch(path, pattern):
            return True
        if os.path.isdir(pattern) and os.path.commonpath([path, plain_directory(pattern)]) == pattern:
            return True
    return False
