"""Reads spans of logs: the map of the replay. It runs in any number of processes, and keeps nothing but what is costly.

A span is read by the same tails and the same compiled rules as the daemon's; only where measurements go is another
place, and records are handed to the rules in runs of one tick.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from itertools import islice

from logmetrics.formats.framing import FIRST_BYTES, Stamped, framing_of
from logmetrics.replay.asked import KEEPERS, AskedMemory, AskedPairs
from logmetrics.replay.cells import CellStore, as_bytes, packed
from logmetrics.replay.examples import Judge
from logmetrics.replay.remote_files import open_anywhere
from logmetrics.replay.span import OUTSIDE, Examples, Job, Outcome, PastLog, Place, Segment, Span, StateRow, Tally
from logmetrics.replay.times.envelope import envelope_s
from logmetrics.replay.times.moments import Moments
from logmetrics.rules.compile import compiled
from logmetrics.rules.log import Log
from logmetrics.rules.program import Program
from logmetrics.sources.content import CompressedContent, Content
from logmetrics.sources.discovery import FoundFile
from logmetrics.sources.position import HEAD_BYTES, WINDOW_BYTES, Position, hash_of
from logmetrics.sources.reader import SourceReader
from logmetrics.sources.tail import BLOCK_BYTES, ContentChangedError, Tail

# So much is read until what came out of it is handed over: it bounds memory, whatever a log holds.
PART_BYTES = 8 * 1024 * 1024
_SEARCH_BYTES = 64 * 1024
# What is known of so many logs is kept at hand.
_KNOWN_LOGS_MAX = 1_000


class Part(Content):
    """The bytes of *whole* up to ``limit``."""

    def __init__(self, whole: Content, limit: int) -> None:
        super().__init__(whole.fd)
        self.whole = whole
        self.limit = limit
        self.compressed = whole.compressed

    def read(self, offset: int, size_bytes: int) -> bytes:
        """See Content."""
        return self.whole.read(offset, max(min(size_bytes, self.limit - offset), 0))

    def end(self, beyond: int) -> int:
        """See Content."""
        return min(self.whole.end(beyond), self.limit)

    def next_data(self, offset: int) -> int:
        """See Content."""
        return self.whole.next_data(offset)

    def rest(self) -> None:
        """See Content."""
        self.whole.rest()

    def close(self) -> None:
        """See Content."""
        self.whole.close()


def line_border(content: Content, place: int, end: int) -> int:
    """The first place from *place* on at which a line begins; *end* when there is none. Raises OSError."""
    if place <= 0:
        return 0
    framing = framing_of(content.read(0, FIRST_BYTES))
    back = 2 if framing.is_binary else 1
    at = place - back
    at -= at % back
    pending = b""
    while at < end:
        data = content.read(at + len(pending), _SEARCH_BYTES)
        if not data:
            return end
        pending += data
        found = framing.line_end(pending, at)
        if found:
            return min(at + found, end)
        if not framing.name.startswith("journal export"):
            at += len(pending) // back * back
            pending = pending[len(pending) // back * back :]
    return end


class _Source:
    """The compiled rules of one source, and where they count."""

    def __init__(self, job: Job, number: int) -> None:
        spec = job.config.sources[number]
        self.cells = CellStore(job.config.rule_set.metrics, job.config.limits)
        self.program: Program = compiled(job.config, spec, self.cells, KEEPERS)
        self.reader = SourceReader(spec, self.program)
        self.judge = Judge(job.config, spec)
        # What was learned of logs, which saves time.
        self.logs: dict[str, Log] = {}

    def log(self, path: str) -> Log:
        known = self.logs.pop(path, None)
        log = Log(path, self.reader.spec.name) if known is None else known.again()
        self.logs[path] = log
        if len(self.logs) > _KNOWN_LOGS_MAX:
            del self.logs[next(iter(self.logs))]
        return log


class SpanReader:
    """Reads the spans of one job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._sources: dict[int, _Source] = {}

    def read(self, span: Span) -> list[Outcome]:
        """What came out of *span*, in parts. Raises OSError."""
        number = span.log.source
        if number not in self._sources:
            self._sources[number] = _Source(self.job, number)
        segment = span.log.segments[span.segment]
        content = open_anywhere(segment.path)
        try:
            return list(_Reading(self.job, self._sources[number], span, segment, content).parts())
        except ContentChangedError as error:
            raise OSError(0, "was rewritten while it was read") from error
        finally:
            content.close()


class _Reading:
    """One span being read."""

    def __init__(self, job: Job, source: _Source, span: Span, segment: Segment, content: Content) -> None:
        self.job = job
        self.source = source
        self.span = span
        self.content = content
        end = _end_of(segment, content)
        if span.stop is None or span.place is not None:
            stop = end if span.stop is None else span.stop
        else:
            stop = line_border(content, span.stop, end)
        place = span.place or Place(min(line_border(content, span.start, end), stop))
        self.tail = _tail_at(Part(content, stop), place, span, segment, source.reader)
        self.log = self.tail.log = source.log(span.log.path)
        self.moments = Moments(job.zones[span.log.source], segment.written_s, job.now_s)
        self.stop = stop
        source.program.begin_anew()
        before = span.before
        if before is not None:
            self.moments.last_s, self.moments.learned_zone = before.last_s, before.zone
            source.program.restore(source.reader.spec.name, before.rows)
        self._begin_part(place)

    def _begin_part(self, place: Place) -> None:
        self.began = place
        self.tally = Tally()
        self.examples = Examples()
        self._line = 0
        self.first_s: int | None = None
        self.least_s: int | None = None
        self.greatest_s: int | None = None

    def parts(self) -> Iterator[Outcome]:
        tail, gave_up, problem = self.tail, False, None
        part_end = tail.position.read_to + PART_BYTES
        while True:
            lines, given_up = tail.lines, tail.given_up
            try:
                records = tail.read_records()
            except OSError as error:
                if not self.content.compressed:
                    raise
                problem = error.strerror or str(error)  # it is damaged; what stands before is as good as ever
                break
            if records is None:
                break
            gave_up = tail.given_up > given_up
            if records:
                # Where records are lines, their numbers are known.
                self._line = lines if tail.lines - lines == len(records) else tail.lines - len(records)
                self._apply(records)
            if tail.position.read_to >= part_end:
                yield self._outcome(last=False)
                self._begin_part(_place_of(tail))
                part_end = tail.position.read_to + PART_BYTES
        outcome = self._outcome(last=True)
        outcome.gave_up = gave_up and self.span.stop is not None and tail.position.read_to % BLOCK_BYTES > 0
        outcome.problem = problem or self._is_cut_off()
        yield outcome

    def _is_cut_off(self) -> str | None:
        content = self.content
        if not isinstance(content, CompressedContent) or content.length is None or content.complete:
            return None
        return "ends in the middle of what was compressed: it is cut off, or still being written"

    def _apply(self, records: list[bytes]) -> None:
        seconds = self._seconds_of(records)
        self.tally.records += len(records)
        for tick, first, end in self._runs(seconds):
            self._apply_run(tick, records if end - first == len(records) else records[first:end], self._line + first)

    def _seconds_of(self, records: list[bytes]) -> list[int | None]:
        moments = self.moments
        known = moments.last_s is not None
        if any(record.__class__ is Stamped for record in records):
            seconds = []
            for record in records:
                stamp = envelope_s(record.time) if isinstance(record, Stamped) else None
                seconds += moments.seconds_of([record], stamp)
        else:
            seconds = moments.seconds_of(records)
        told = [second for second in seconds if second is not None] if not known else seconds
        if told:
            least, greatest = min(told), max(told)  # type: ignore[type-var]
            if self.first_s is None:
                self.first_s = told[0]
            self.least_s = least if self.least_s is None else min(self.least_s, least)  # type: ignore[type-var]
            self.greatest_s = greatest if self.greatest_s is None else max(self.greatest_s, greatest)  # type: ignore[type-var]
        return seconds

    def _runs(self, seconds: list[int | None]) -> Iterator[tuple[int | None, int, int]]:
        """Ticks, and which records in a row are of each."""
        tick_of = self.job.tick_of
        if None not in seconds:
            tick = tick_of(max(seconds))  # type: ignore[type-var, arg-type]
            if tick_of(min(seconds)) == tick and (tick != OUTSIDE or self.job.wants_all):  # type: ignore[type-var, arg-type]
                yield tick, 0, len(seconds)
                return
        ticks = [None if second is None else tick_of(second) for second in seconds]
        first = 0
        for place in range(1, len(ticks)):
            if ticks[place] != ticks[first]:
                yield ticks[first], first, place
                first = place
        yield ticks[first], first, len(ticks)

    def _apply_run(self, tick: int | None, records: list[bytes], line: int) -> None:
        job, cells, program = self.job, self.source.cells, self.source.program
        wanted = tick != OUTSIDE
        if tick != cells.tick or wanted is not cells.keeps:
            cells.turn(tick, keeps=wanted)
        self.tally.outside += 0 if wanted else len(records)
        before = program.unmatched + program.unparsable
        program.apply(records, self.log, 0.0 if tick is None else float(tick * job.step_s))
        if program.unmatched + program.unparsable > before:
            self.source.judge.look(records, line, self.log, self.examples)

    def _outcome(self, *, last: bool) -> Outcome:
        source, tail, moments = self.source, self.tail, self.moments
        self._count()
        cells, untimed = source.cells.take()
        program = source.program
        memories = [program.remembered, *(memory for rule in program.rules for memory in rule.memories.values())]
        outcome = Outcome(
            self.began,
            _place_of(tail),
            self.tally,
            packed(cells, self.job.window_ticks),
            as_bytes(untimed),
            {number: list(rows) for number, rows in cells.items()},
            source.cells.last_of(cells),
            {number: list(rows) for number, rows in untimed.items()},
            source.cells.last_of(untimed),
            least_s=self.least_s,
            greatest_s=self.greatest_s,
            first_s=self.first_s,
            last_s=moments.last_s,
            zone=moments.learned_zone,
            asked_zone=moments.asked_zone,
            asked_year_s=moments.asked_year_s,
            asked_memory=any(memory.asked for memory in memories if isinstance(memory, AskedMemory)),
            keys=tuple(islice(self.log.kinds or (), 200)),
            was_read=self.log.was_read,
            examples=self.examples,
        )
        self._tell_pairs(outcome)
        if last:
            outcome.rows = self._rows()
            outcome.rest_bytes = self.stop - tail.offset if self.stop < 1 << 62 else len(tail._partial)
        self.log.packs.clear()
        return outcome

    def _rows(self) -> tuple[StateRow, ...]:
        return tuple(self.source.program.rows(self.source.reader.spec.name))

    def _tell_pairs(self, outcome: Outcome) -> None:
        for number, rule in enumerate(self.source.program.rules):
            pairs = rule.open_pairs
            if isinstance(pairs, AskedPairs) and pairs.asked:
                outcome.pair_keys[number] = None if pairs.keys is None else frozenset(pairs.keys)
                outcome.most_open[number] = pairs.most

    def _count(self) -> None:
        """Take the counts out of where they were made."""
        tally, tail, program, moments = self.tally, self.tail, self.source.program, self.moments
        tally.bytes = tail.offset - self.began.offset
        tally.lines, tally.oversize, tally.nul_bytes = tail.lines, tail.oversize, tail.nul_bytes
        tail.lines = tail.oversize = tail.nul_bytes = 0
        for name in ("unmatched", "unparsable", "continued", "excluded"):
            setattr(tally, name, getattr(program, name))
            setattr(program, name, 0)
        for name in ("untimed", "future", "absurd"):
            setattr(tally, name, getattr(moments, name))
            setattr(moments, name, 0)
        tally.packs.update(self.log.packs)
        self._count_rules(tally, program)

    def _count_rules(self, tally: Tally, program: Program) -> None:
        for number, rule in enumerate(program.rules):
            if rule.matches:
                tally.matches[number] = rule.matches
                rule.matches = 0
            for reason, count in rule.skipped.items():
                tally.skipped[number, reason] = count
            rule.skipped.clear()
            for name, memory in rule.memories.items():
                if memory.forgotten:
                    tally.forgotten[number, name] = memory.forgotten
                    memory.forgotten = 0
            if rule.open_pairs is not None:
                for reason, count in rule.open_pairs.broken.items():
                    if count:
                        tally.broken[number, reason] = count
                        rule.open_pairs.broken[reason] = 0


def _end_of(segment: Segment, content: Content) -> int:
    """Up to where *segment* is read: what is written to it meanwhile is for another time. Raises OSError."""
    if content.compressed:
        return 1 << 62 if segment.end is None else segment.end
    end = segment.size_bytes if segment.end is None else segment.end
    if content.end(0) < end:
        raise OSError(0, "is shorter than it was at first: it was rotated or cut off meanwhile")
    return end


def _tail_at(content: Content, place: Place, span: Span, segment: Segment, reader: SourceReader) -> Tail:
    found = FoundFile(segment.path, (0, 0), (0, 0), "log", "")
    position = Position(0, reader.spec.name, segment.path, span.log.path, found.file_id)
    position.offset = position.read_to = place.offset
    position.skipping, position.ahead = place.skipping, place.ahead
    if place.offset:
        position.grow_head(content.read(0, min(HEAD_BYTES, place.offset)))
        window = content.read(place.offset - min(WINDOW_BYTES, place.offset), min(WINDOW_BYTES, place.offset))
        position.window_bytes, position.window_hash = len(window), hash_of(window)
    position.end = content.end(place.offset)
    tail = Tail(position, reader, found, content)
    tail.identified = True
    if place.offset:
        tail.resume()
    return tail


def _place_of(tail: Tail) -> Place:
    return Place(tail.offset, tail._skipping, tail._ahead)


def range_of(log: PastLog, zone: tzinfo, now_s: int) -> tuple[int, int] | None:
    """About when the first and the last record of *log* were, as far as its first and last bytes tell."""
    first, last = log.segments[0], log.segments[-1]
    try:
        begin = _seconds_in(first, 0, zone, now_s)
        end = [last.written_s] if last.compressed else _seconds_in(last, last.size_bytes - _SEARCH_BYTES, zone, now_s)
    except OSError:
        return None
    return (min(begin), max(end)) if begin and end else None


def _seconds_in(segment: Segment, place: int, zone: tzinfo, now_s: int) -> list[int]:
    """The times of the records in the piece of *segment* from *place* on."""
    content = open_anywhere(segment.path)
    try:
        place = line_border(content, place, segment.size_bytes)
        data = content.read(place, _SEARCH_BYTES)
        framing = framing_of(content.read(0, FIRST_BYTES))
    finally:
        content.close()
    moments = Moments(zone, segment.written_s, now_s)
    found: list[int | None] = []
    for record in framing.take(data, b"").records:
        found += moments.seconds_of([record], envelope_s(record.time) if isinstance(record, Stamped) else None)
    return [second for second in found if second is not None]
