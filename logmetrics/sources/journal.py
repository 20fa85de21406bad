"""The journal of a unit as a log: read to its end, then followed, exactly once.

journalctl does the reading, always in the same order: a run that ends where the journal ends, then one that follows.
Whatever happens to either, it begins again behind the last entry that was read. The entry that was read last is asked
for first, too: when it comes, nothing in between was lost. When it does not, it was vacuumed, and how much may be gone
with it is told by the oldest entry that the journal still has.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from datetime import datetime, timezone
from enum import Enum

from logmetrics.config.specs import JournalLogSpec
from logmetrics.formats.assembly import Unit, assemble
from logmetrics.formats.framing import Stamped, journal_unit
from logmetrics.formats.journal_export import Fields, LongEntry, entry_at
from logmetrics.rules.log import Log
from logmetrics.sources import journalctl
from logmetrics.sources.journal_position import JournalPosition, Place, place_of
from logmetrics.sources.reader import SourceReader
from logmetrics.sources.stream import BATCH_S, BLOCK_BYTES, BLOCKS_PER_TURN

# After a run that failed the next one waits so long, twice as long after each more, up to the other number.
RETRY_S, RETRY_S_MAX = 0.2, 30.0
# A run that lived so long is no failure that counts.
LIVED_S = 5.0
# When nothing came for so long, it begins again: a journalctl that follows a directory which was replaced, or that
# could not have its inotify watches, hears nothing.
BEGIN_AGAIN_S = 600.0
# What the journal was given so long ago has surely come through the pipe.
DELIVERY_S = 10.0
# After so many failures in a row nobody waits for the rest any more.
FAILURES_MAX = 3
# An entry has fields beside its message.
_OTHER_FIELDS_BYTES = 64 * 1024
# Stands for an entry that is too long.
_TOO_LONG = Unit(b"\0", Stamped())


class Doing(Enum):
    """What the run at hand is for."""

    NOTHING = "nothing"
    # Where the newest entry is, to begin behind it.
    FINDING_THE_END = "finding the end"
    READING = "reading"
    FOLLOWING = "following"
    # Which is the oldest entry of all, since the one that was read last is gone.
    FINDING_THE_GAP = "finding the gap"


class JournalStream:
    """The entries of one log of the journal. Only the engine's thread touches it; see ``Stream``."""

    def __init__(
        self,
        spec: JournalLogSpec,
        reader: SourceReader,
        position: JournalPosition,
        say: Callable[[str], None],
        *,
        is_new: bool,
    ) -> None:
        self.spec = spec
        self.reader = reader
        self.name = f"journal of {spec.name}"
        self.log = Log(spec.path, reader.spec.name)
        self.follows = True
        self.caught_up = self.ended = False
        self.problem = ""
        self.position = position
        # True until it is known where to begin after a restart.
        self._is_new = is_new
        self._say = say
        self._run: journalctl.Run | None = None
        self._doing = Doing.NOTHING
        self._next = Doing.FINDING_THE_END if is_new and reader.spec.start_at_end else Doing.READING
        # The last entry that was read. Of those behind the position, what each says, and its fields.
        self._read_to = self.position.counted
        self._pending: list[Unit] = []
        self._fields: list[Fields] = []
        self._pending_bytes = 0
        # The beginning of an entry; or of a long one that is passed over.
        self._partial = b""
        self._long: LongEntry | None = None
        # True until a run has come to entries behind the last one that was read, and when that one is known to be gone.
        self._is_before = False
        self._is_gone = False
        self._heard_of = bool(self.position.counted.cursor)
        self._failures = 0
        self._started_s = self._heard_s = 0.0
        self._started_clock_s = 0.0
        self._wake_s = float("-inf")
        self._is_idle = False
        reader.files += 1

    # -- see Stream

    @property
    def lag_bytes(self) -> int:
        return len(self._partial) + (self._run.waiting_bytes if self._run is not None else 0)

    @property
    def descriptor(self) -> int | None:
        return self._run.fd if self._run is not None and self._is_idle else None

    @property
    def wake_s(self) -> float:
        return float("inf") if self.ended else self._wake_s

    def take_over(self, reader: SourceReader) -> None:
        if reader.spec != self.reader.spec:
            self.log = Log(self.log.path, reader.spec.name)
        self.reader.files -= 1
        self.reader.troubles.pop(self.name, None)
        self.reader = reader
        reader.files += 1
        if self.problem:
            reader.troubles[self.name] = self.problem
        if self.position.source != reader.spec.name:
            self.position.source, self.position.changed = reader.spec.name, True

    def close(self) -> None:
        if self._run is not None:
            self._run.end()
            self._run = None

    def turn(self, clock_s: float, now_s: float) -> bool:
        if self.ended or (self._run is None and now_s < self._wake_s):
            return False
        if self._run is None and not self._start(clock_s, now_s):
            return False
        if self._doing is Doing.FOLLOWING and now_s - max(self._heard_s, self._started_s) >= BEGIN_AGAIN_S:
            self._stop(Doing.READING)
            return True
        return self._read(clock_s, now_s)

    # -- runs of journalctl

    def _start(self, clock_s: float, now_s: float) -> bool:
        doing, spec = self._next, self.spec
        if doing is Doing.FINDING_THE_GAP:
            words = journalctl.command((), spec.directory, fields=("_PID",))
        else:
            words = journalctl.command(
                spec.matches,
                spec.directory,
                cursor=self._read_to.cursor,
                newest=doing is Doing.FINDING_THE_END,
                follow=doing is Doing.FOLLOWING,
            )
        self._doing, self._partial, self._long = doing, b"", None
        self._is_before = bool(self._read_to.cursor)
        self._started_s, self._started_clock_s = now_s, clock_s
        try:
            self._run = journalctl.Run(words)
        except OSError as error:
            self._failed(f"journalctl cannot be started: {error.strerror}", now_s)
            return False
        return True

    def _stop(self, then: Doing) -> None:
        """End the run at hand; *then* is what the next one is for, at once."""
        self.close()
        self._doing, self._next = Doing.NOTHING, then
        self._wake_s = float("-inf")
        self._is_idle = False

    def _read(self, clock_s: float, now_s: float) -> bool:
        for _ in range(BLOCKS_PER_TURN):
            assert self._run is not None
            data = self._run.read(BLOCK_BYTES)
            if data is None:
                self._nothing_now(clock_s, now_s)
                return False
            if not data:
                return self._came_to_its_end(clock_s, now_s)
            self._heard_s = now_s
            self._is_idle = False
            self._wake_s = now_s + BATCH_S
            if self._doing is Doing.FINDING_THE_GAP:
                self._partial += data
                if (found := entry_at(self._partial, 0)) is not None:
                    self._tell_gap(place_of(found[0]).time_us)
                    self._stop(Doing.READING)
                    return True
            elif not self._take(data, clock_s):
                self._stop(Doing.FINDING_THE_GAP)
                return True
        return True

    def _nothing_now(self, clock_s: float, now_s: float) -> None:
        if now_s >= self._wake_s:  # what came a moment ago may go on
            self._is_idle = True
        if self._doing is Doing.FOLLOWING:
            if not self._is_before or now_s - self._started_s >= DELIVERY_S:
                self._saw(clock_s)
            if self._is_idle:
                self._wake_s = max(self._heard_s, self._started_s) + BEGIN_AGAIN_S
        elif self._is_idle:
            self._wake_s = float("inf")

    def _came_to_its_end(self, clock_s: float, now_s: float) -> bool:
        """The run at hand is over. True when the next one is to begin at once."""
        assert self._run is not None
        run, doing, self._run, self._is_idle = self._run, self._doing, None, False
        code, told = run.end(), run.told
        if code or doing is Doing.FOLLOWING:
            self._next = Doing.FINDING_THE_END if doing is Doing.FINDING_THE_END else Doing.READING
            self._failed("" if code == -signal.SIGTERM else journalctl.explain(told, code), now_s)
            return False
        self._wake_s = float("-inf")
        if doing is Doing.FINDING_THE_GAP:
            self._tell_gap(int(clock_s * 1e6))  # there is no entry at all
            self._next = Doing.READING
        elif doing is Doing.FINDING_THE_END:
            self._goes_on(self._read_to, 0)
            self._next = Doing.READING
        elif self._is_before and not self._is_gone:
            self._next = Doing.FINDING_THE_GAP  # not even the last one that was read is there
        else:
            self._is_read(told)
            return not self.ended
        return True

    def _is_read(self, told: str) -> None:
        """All that was there when the run began has been read."""
        self._next = Doing.FOLLOWING
        self.caught_up = True
        self.ended = not self.follows
        self._saw(self._started_clock_s)
        if self._is_new:
            self._is_new, self.position.changed = False, True
        if self._heard_of:
            self._works()
        elif journalctl.may_not_read(told):
            self._tell_problem(journalctl.explain(told, 0))
        else:
            self._tell_problem(f"no entries of {self.spec.name}{' yet' if self.follows else ''}")

    def _saw(self, clock_s: float) -> None:
        """All that had been written at *clock_s* was read. Elsewhere entries may have been written by another clock."""
        if self.spec.directory is None:
            self.position.saw((clock_s - DELIVERY_S) * 1e6)

    def _failed(self, why: str, now_s: float) -> None:
        self._failures = 1 if now_s - self._started_s >= LIVED_S else self._failures + 1
        self._wake_s = now_s + min(RETRY_S * 2.0 ** (self._failures - 1), RETRY_S_MAX)
        self._doing, self._run = Doing.NOTHING, None
        if self._failures >= FAILURES_MAX:
            self.caught_up = True
            self.ended = not self.follows
        self._tell_problem(why)

    def _tell_problem(self, what: str) -> None:
        if what and what != self.problem:
            self.problem = self.reader.troubles[self.name] = what
            if self.follows:  # else whoever runs this says it
                self._say(f"{self.name}: {what}")

    def _works(self) -> None:
        self.problem = ""
        self.reader.troubles.pop(self.name, None)

    # -- entries

    def _take(self, data: bytes, clock_s: float) -> bool:
        """Count the entries in what was read. False when the one that was read last is found to be gone."""
        if self._long is not None:
            end = self._long.feed(data)
            if end < 0:
                return True
            if not self._met(self._long.fields, _TOO_LONG):
                return False
            self._long, data = None, data[end:]
        self._partial += data
        place = 0
        while (found := entry_at(self._partial, place)) is not None:
            fields, place = found
            if not self._met(fields, journal_unit(fields)):
                return False
        self._partial = self._partial[place:]
        if len(self._partial) > self.reader.spec.max_line_bytes + _OTHER_FIELDS_BYTES:
            self._long = LongEntry()
            if (end := self._long.feed(self._partial)) < 0:
                self._partial = b""
            else:  # it has just become complete
                rest, self._partial = self._partial[end:], b""
                if not self._met(self._long.fields, _TOO_LONG):
                    return False
                self._long = None
                return self._take(rest, clock_s)
        if self._doing is not Doing.FINDING_THE_END:
            self._count(clock_s)
        return True

    def _met(self, fields: Fields, unit: Unit) -> bool:
        """An entry came, which says *unit*. False as in ``_take``."""
        self._heard_of = True
        if self._doing is Doing.FINDING_THE_END:
            self._read_to = place_of(fields)
            return True
        if self._is_before:
            here = place_of(fields)
            if here.is_same(self._read_to):
                self._is_before = self._is_gone = False
                return True
            if not here.is_behind(self._read_to):
                return True
            if not self._is_gone:
                return False
            self._is_before = self._is_gone = False
        self._pending.append(unit)
        self._fields.append(fields)
        self._pending_bytes += len(unit.text) + 1
        return True

    def _count(self, clock_s: float) -> None:
        """Apply the rules to the records that are complete, and move the position behind them."""
        if not self._pending:
            return
        self._works()
        self._failures = 0
        self._read_to = place_of(self._fields[-1])
        reader, ahead = self.reader, self.position.ahead
        texts = [unit.text for unit in self._pending]
        if reader.spec.unwraps:
            units = iter(self._pending)
            too_many = self._pending_bytes > reader.spec.max_line_bytes
            taken = assemble(texts, lambda _: next(units), all_of_it=too_many)
            records, done, ahead_now = taken.records[ahead:], taken.lines, taken.ahead
        else:
            records, done, ahead_now = texts[ahead:], len(texts), 0
        short = [record for record in records if len(record) <= reader.spec.max_line_bytes]
        reader.oversize += len(records) - len(short) + sum(record is _TOO_LONG.text for record in short)
        if short := [record for record in short if record]:
            reader.apply(short, self.log, clock_s)
        counted_bytes = sum(map(len, texts[:done])) + done
        reader.lines += done
        reader.bytes += counted_bytes
        self._pending_bytes -= counted_bytes
        self._goes_on(place_of(self._fields[done - 1]) if done else self.position.counted, ahead_now)
        del self._pending[:done], self._fields[:done]

    def _goes_on(self, counted: Place, ahead: int) -> None:
        position = self.position
        position.counted, position.ahead, position.read = counted, ahead, self._read_to
        position.changed = True

    def _tell_gap(self, oldest_us: int) -> None:
        """The entry that was read last is gone, and so is all that there was before *oldest_us*."""
        position = self.position
        self._is_gone = True
        if position.read.is_behind(self._read_to):
            # Of the records that were given behind it nobody can say any more which they are.
            self._read_to, position.counted, position.ahead = position.read, position.read, 0
        since_us = max(self._read_to.time_us, position.seen_us)
        gap_s = math.ceil((oldest_us - since_us) / 1e6)
        if gap_s > 0:
            self.reader.decisions["journal_vacuumed"] += 1
            self.reader.gap_s += gap_s
            span = f"{_moment(since_us)} to {_moment(oldest_us)}"
            self._say(f"{self.name}: vacuumed before it was read; what there was from {span} is not counted")
        position.saw(oldest_us)
        position.changed = True


def _moment(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
