"""All logs together: the reduce of the replay. What came out of spans goes into one store and one spool, by the order
of logs, so that the number of processes and the places of cuts make no difference.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from logmetrics.replay.log_run import LogRun, PairNames, is_pair_row
from logmetrics.replay.logs import FoundLogs
from logmetrics.replay.pool import Batch, Pool
from logmetrics.replay.reader import PART_BYTES
from logmetrics.replay.span import OUTSIDE, Job, Outcome, PastLog, Place, Span, StateRow, Tally
from logmetrics.replay.spool import Spool
from logmetrics.rules.compile import compiled
from logmetrics.rules.program import Program
from logmetrics.sources.reader import SourceReader
from logmetrics.store.series import Labels
from logmetrics.store.store import Store

# Small logs are read several at a time.
_BATCH_SPANS = 64
# So many logs are read beside the one whose turn it is; what came out of them waits.
_LOGS_AHEAD = 256
EXAMPLES_MAX = 10
# Of one metric in one log so many label sets are asked for a place, for each series that the process may have.
LABEL_SETS_PER_SERIES = 2
SHAPES_MAX = 200


class Show(Protocol):
    """Shows how far it is."""

    def __call__(self, bytes_read: int, bytes_total: int, lines: int) -> None: ...


@dataclass(slots=True)
class Shape:
    """Records that no rule matched and that look alike: how many of those looked at, and the first of them."""

    count: int
    where: str
    text: str


@dataclass(slots=True)
class ReadLog:
    """What is told of a log that was read."""

    log: PastLog
    packs: dict[str, int]
    keys: tuple[str, ...]
    was_read: bool
    rest_bytes: int
    # Up to where each segment was read.
    places: list[Place] = field(default_factory=list)


@dataclass(slots=True)
class ReadSource:
    """What became of the lines of one source, and when they were."""

    tally: Tally = field(default_factory=Tally)
    shapes: dict[str, Shape] = field(default_factory=dict)
    # Unmatched records that were looked at for their shapes.
    judged: int = 0
    # Places and excerpts of the first lines that are no record.
    unparsable: list[tuple[str, str]] = field(default_factory=list)
    least_s: int | None = None
    greatest_s: int | None = None

    def saw(self, least_s: int | None, greatest_s: int | None) -> None:
        """There were records between these times."""
        if least_s is not None:
            self.least_s = least_s if self.least_s is None else min(self.least_s, least_s)
        if greatest_s is not None:
            self.greatest_s = greatest_s if self.greatest_s is None else max(self.greatest_s, greatest_s)


class History:
    """Everything that came out of all logs."""

    def __init__(self, job: Job, spool: Spool) -> None:
        self.job = job
        self.spool = spool
        config = job.config
        self.store = Store(config.rule_set.metrics, config.limits)
        for family in self.store.families.values():
            family.heavy = False  # who came first stays, or what was written already would be wrong
        self.readers = [SourceReader(spec, compiled(config, spec, self.store)) for spec in config.sources]
        self.metrics = list(config.rule_set.metrics)
        self.sources = [ReadSource() for _ in config.sources]
        self.logs: list[ReadLog] = []
        self.problems: list[str] = []
        # Gauges: metric -> label set -> tick and value of the last time that it was set; of info only the last set.
        self.last: dict[int, dict[Labels, tuple[int, int | float]]] = {}
        # Open starts, by source.
        self.open_rows: dict[int, tuple[StateRow, ...]] = {}

    @property
    def range_s(self) -> tuple[int, int] | None:
        """The times of the earliest and the latest record; None when no record has one."""
        firsts = [source.least_s for source in self.sources if source.least_s is not None]
        lasts = [source.greatest_s for source in self.sources if source.greatest_s is not None]
        return (min(firsts), max(lasts)) if firsts else None

    @property
    def programs(self) -> list[Program]:
        return [reader.program for reader in self.readers]


class Gatherer:
    """Has all spans read, and brings what comes out of them in order."""

    def __init__(
        self, job: Job, found: FoundLogs, pool: Pool, history: History, show: Show, part_bytes: int = PART_BYTES
    ) -> None:
        self.job = job
        self.pool = pool
        self.history = history
        self.show = show
        self._names = [_pair_names(program) for program in history.programs]
        self._waiting = deque(found.logs)
        self._runs: dict[int, LogRun] = {}
        self._turn: deque[int] = deque(log.number for log in found.logs)
        self._part_bytes = part_bytes
        self._queue: deque[Batch] = deque()
        self._in_flight = 0
        self._bytes_total, self._bytes_read, self._lines = found.size_bytes, 0, 0
        self._first_turn: set[int] = set()
        # What came before any time of a log.
        self._untimed: dict[int, list[Outcome]] = {}
        self._first_seen: dict[int, int] = {}
        self._segment_lines: dict[tuple[int, int], int] = {}

    def run(self) -> None:
        """Read everything. Raises ReplayError."""
        while self._turn:
            self._fill()
            if self._in_flight:
                batch, results = self.pool.next()
                self._in_flight -= 1
                for span, result in zip(batch, results, strict=True):
                    run = self._runs.get(span.log.number)
                    if run is not None:
                        run.take(span, result)
                        if span.before is None and not isinstance(result, str):
                            self._progress(span, result)
            self._join_those_done()
        for family in self.history.store.families.values():
            family.guard.closed = family.spec.type != "info"
        self.show(self._bytes_total, self._bytes_total, self._lines)

    def _progress(self, span: Span, result: list[Outcome]) -> None:
        segment = span.log.segments[span.segment]
        compressed = span.stop is None and span.start == 0
        self._bytes_read += segment.size_bytes if compressed else sum(outcome.tally.bytes for outcome in result)
        self._lines += sum(outcome.tally.lines for outcome in result)
        self.show(min(self._bytes_read, self._bytes_total), self._bytes_total, self._lines)

    # -- what is read next

    def _fill(self) -> None:
        for run in self._runs.values():
            wanted = run.wanted()
            if wanted is not None:
                self.pool.submit([wanted])
                self._in_flight += 1
        while self._in_flight < self.pool.wanted:
            batch = self._next_batch()
            if batch is None:
                return
            self.pool.submit(batch)
            self._in_flight += 1

    def _next_batch(self) -> Batch | None:
        while True:
            if not self._queue and not self._take_up_logs():
                return None
            batch = [span for span in self._queue.popleft() if self._is_wanted(span)]
            if batch:
                return batch

    def _is_wanted(self, span: Span) -> bool:
        run = self._runs.get(span.log.number)
        return run is not None and run.is_wanted()

    def _take_up_logs(self) -> bool:
        """Queue the spans of the next log, or of the next small ones together; False when there is none for now."""
        batch: list[Span] = []
        size = 0
        while self._waiting and len(self._runs) < _LOGS_AHEAD:
            log = self._waiting[0]
            if batch and (size + log.size_bytes > PART_BYTES or len(batch) >= _BATCH_SPANS):
                break
            self._waiting.popleft()
            run = LogRun(log, self._names[log.source], self._accept, self._part_bytes)
            self._runs[log.number] = run
            spans = run.spans
            if log.size_bytes > PART_BYTES or self._part_bytes < PART_BYTES:
                self._queue.extend([span] for span in spans)
                break
            batch += spans
            size += log.size_bytes
        if batch:
            self._queue.append(batch)
        return bool(self._queue)

    # -- what came out

    def _accept(self, run: LogRun, outcome: Outcome, segment: int) -> None:
        """Keep the cells of *outcome*, which is found right as far as its own log goes."""
        number, spool = run.log.number, self.history.spool
        if number not in self._first_seen and outcome.first_s is not None:
            self._first_seen[number] = outcome.first_s
            self._place_untimed(run, self._untimed.pop(number, []), outcome.first_s)
        if outcome.untimed:
            last_s = run.last_s if run.last_s is not None else self._first_seen.get(number)
            if last_s is None:
                self._untimed.setdefault(number, []).append(outcome)
            else:
                self._place_untimed(run, [outcome], last_s)
        for window, data in outcome.cells.items():
            spool.add(window, number, data)
        outcome.cells = {}
        self._meet(run, outcome.labels)
        outcome.labels = {}
        line = self._segment_lines.get((number, segment), 0)
        self._segment_lines[number, segment] = line + outcome.tally.lines
        examples = outcome.examples
        examples.unparsable = [(line + place, text) for place, text in examples.unparsable]
        examples.shapes = {
            shape: (count, line + first, text) for shape, (count, first, text) in examples.shapes.items()
        }
        outcome.segment = segment

    def _meet(self, run: LogRun, labels: Mapping[int, Iterable[Labels]]) -> None:
        """Note which label sets ask for a place. Beyond so many there is none for any: these go to overflow series."""
        most = LABEL_SETS_PER_SERIES * self.job.config.limits.series
        for metric, label_sets in labels.items():
            known = run.labels.setdefault(metric, {})
            if len(known) < most:
                known.update(islice(((labels, None) for labels in label_sets), most))

    def _place_untimed(self, run: LogRun, outcomes: Iterable[Outcome], second: int) -> None:
        """What came without a time in *outcomes* was in this *second*."""
        tick = self.job.tick_of(second)
        for outcome in outcomes:
            if tick != OUTSIDE:
                self.history.spool.add(tick // self.job.window_ticks, run.log.number, outcome.untimed, tick)
                outcome.untimed_tick = tick
                self._meet(run, outcome.untimed_labels)
            else:
                outcome.untimed_last = {}
            outcome.untimed, outcome.untimed_labels = b"", {}

    def _join_those_done(self) -> None:
        """Bring the logs that are read, as long as all before them are."""
        while self._turn:
            run = self._runs.get(self._turn[0])
            if run is None or not run.done:
                return
            source = run.log.source
            if run.log.number not in self._first_turn:
                self._first_turn.add(run.log.number)
                if not run.begins_after(self.history.open_rows.get(source, ())):
                    self._begin_again(run)
                    return
            self._turn.popleft()
            del self._runs[run.log.number]
            self._join(run)

    def _begin_again(self, run: LogRun) -> None:
        number = run.log.number
        self.history.spool.forget(number)
        self._untimed.pop(number, None)
        self._first_seen.pop(number, None)
        for key in [key for key in self._segment_lines if key[0] == number]:
            del self._segment_lines[key]

    def _join(self, run: LogRun) -> None:
        history, number = self.history, run.log.number
        history.problems += run.problems
        untimed = self._untimed.pop(number, [])
        if untimed:
            self._place_untimed(run, untimed, run.log.segments[-1].written_s)
        self._first_seen.pop(number, None)
        for metric, label_sets in run.labels.items():
            family = history.store.families[history.metrics[metric]]
            for labels in label_sets:
                family.get(labels, 0)
        packs: dict[str, int] = {}
        keys: dict[str, None] = {}
        places = [Place()] * len(run.log.segments)
        for outcome in run.outcomes:
            self._join_outcome(run, outcome)
            for pack, count in outcome.tally.packs.items():
                packs[pack] = packs.get(pack, 0) + count
            keys.update(dict.fromkeys(outcome.keys))
            places[outcome.segment] = outcome.ended
        self._join_last(run)
        rest = sum(outcome.rest_bytes for outcome in run.outcomes if outcome.rows is not None)
        was_read = any(outcome.was_read for outcome in run.outcomes)
        history.logs.append(ReadLog(run.log, packs, tuple(keys), was_read, rest, places))
        memories = [row for row in run.rows if not is_pair_row(row[2])]
        history.open_rows[run.log.source] = tuple(row for row in run.rows if is_pair_row(row[2]))
        history.programs[run.log.source].adopt(memories)

    def _join_outcome(self, run: LogRun, outcome: Outcome) -> None:
        history, source = self.history, run.log.source
        history.sources[source].tally.add(outcome.tally)
        history.sources[source].saw(outcome.least_s, outcome.greatest_s)
        add_to_reader(history.readers[source], outcome.tally)
        self._join_examples(run, outcome)

    def _join_last(self, run: LogRun) -> None:
        """Of one log the last line counts, of several the one of the latest time."""
        mine: dict[int, dict[Labels, tuple[int, int | float]]] = {}
        names = self.history.metrics
        infos = {number for number, name in enumerate(names) if self.job.config.rule_set.metrics[name].type == "info"}
        for outcome in run.outcomes:
            for all_last in (outcome.untimed_last, outcome.last):
                for metric, last in all_last.items():
                    if metric in infos:
                        mine.pop(metric, None)
                    for labels, (tick, value) in last.items():
                        known_tick = outcome.untimed_tick if tick is None else tick
                        mine.setdefault(metric, {})[labels] = (known_tick or 0, value)
        for metric, last_of_log in mine.items():
            known = self.history.last.setdefault(metric, {})
            for labels, (tick, value) in last_of_log.items():
                others = known.values() if metric in infos else [known[labels]] if labels in known else []
                if all(before <= tick for before, _ in others):
                    if metric in infos:
                        known.clear()
                    known[labels] = (tick, value)

    def _join_examples(self, run: LogRun, outcome: Outcome) -> None:
        source, examples = self.history.sources[run.log.source], outcome.examples
        path = run.log.segments[outcome.segment].path
        source.judged += examples.judged
        for line, text in examples.unparsable:
            if len(source.unparsable) < EXAMPLES_MAX:
                source.unparsable.append((f"{path}:{line + 1}", text))
        for shape, (count, line, text) in examples.shapes.items():
            if shape in source.shapes:
                source.shapes[shape].count += count
            elif len(source.shapes) < SHAPES_MAX:
                source.shapes[shape] = Shape(count, f"{path}:{line + 1}", text)


def _pair_names(program: Program) -> PairNames:
    names = {}
    for number, rule in enumerate(program.rules):
        if rule.open_pairs is not None:
            name, _ = next(iter(rule.states))
            names[number] = (name, rule.open_pairs.timeout_s is not None)
    return PairNames(names)


def add_to_reader(reader: SourceReader, tally: Tally) -> None:
    """Count in the source's own tallies, from which self-metrics are made."""
    program = reader.program
    reader.lines += tally.lines
    reader.bytes += tally.bytes
    reader.oversize += tally.oversize
    reader.nul_bytes += tally.nul_bytes
    program.unmatched += tally.unmatched
    program.unparsable += tally.unparsable
    program.continued += tally.continued
    program.excluded += tally.excluded
    for number, count in tally.matches.items():
        program.rules[number].matches += count
    for (number, reason), count in tally.skipped.items():
        skipped = program.rules[number].skipped
        skipped[reason] = skipped.get(reason, 0) + count
    for (number, reason), count in tally.broken.items():
        pairs = program.rules[number].open_pairs
        assert pairs is not None
        pairs.broken[reason] += count
    for (number, name), count in tally.forgotten.items():
        program.rules[number].memories[name].forgotten += count
