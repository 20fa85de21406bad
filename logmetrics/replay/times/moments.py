"""When each record of a log was, for a replay that turns old logs into history.

That depends on the record's bytes and on what was read before it (``last_s`` and ``learned_zone``), never on how lines
came in blocks: a log may be cut anywhere and gives the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from itertools import repeat

from logmetrics.replay.times.json_time import usual_times
from logmetrics.replay.times.layout import layout_of
from logmetrics.replay.times.own_time import own_time
from logmetrics.replay.times.time_forms import ABSURD, EARLIEST_S, NAIVE, NONE, YEARLESS, ZONED, Told
from logmetrics.replay.times.zones import fixed_zone, instant_s, yearless_s

# Clocks of two machines differ by less.
AHEAD_MAX_S = 300
# For fewer lines a layout is not worth its making.
_LAYOUT_LINES_MIN = 4


@dataclass(slots=True)
class Moments:
    """What is known of the time in one log, as it is read in order. Times are whole seconds since 1970."""

    # Of times without one: the source's.
    zone: tzinfo
    # When the file was written last: no record is more than a day later. Tells the year where a time has none.
    written_s: int
    # The replay's start; what is later by more than AHEAD_MAX_S is refused.
    now_s: int
    # The time of the last record that had one.
    last_s: int | None = None
    # The zone of the last line of Ollama's that told one; then also that of times in text without one.
    learned_zone: tzinfo | None = None
    # Records without a time, from the future, and with none that can be; they were at ``last_s``.
    untimed: int = 0
    future: int = 0
    absurd: int = 0
    # Whether a time in text was read as of ``zone`` for want of a learned one, so that a cut before it would matter.
    asked_zone: bool = False
    # The latest time without a year that was understood before any other time was known.
    asked_year_s: int | None = None

    def seconds_of(self, records: list[bytes], envelope_s: int | None = None) -> list[int | None]:
        """The time of each record, in order; None for those before any time is known.

        *envelope_s* is when a collector got them, which is better than a time without a zone.
        """
        latest_s = self.now_s + AHEAD_MAX_S
        if envelope_s is not None and not EARLIEST_S <= envelope_s <= latest_s:
            envelope_s = None
        if len(records) >= _LAYOUT_LINES_MIN and (found := layout_of(records[0], self.zone)) is not None:
            layout, is_naive = found
            seconds = None if is_naive and envelope_s is not None else layout.seconds_of(records)
            if seconds is not None and max(seconds) <= latest_s:
                self.last_s = seconds[-1]
                # Lists of int are lists of int or None that nobody changes.
                return seconds  # type: ignore[return-value]
        times: list[int | None] = []
        is_worth = len(records) >= _LAYOUT_LINES_MIN and records[0][:1] == b"{"
        usual = usual_times(records) if is_worth else None
        for record, second in zip(records, usual or repeat(None)):  # noqa: B905
            if second is not None and second <= latest_s:
                self.last_s = second
                times.append(second)
                continue
            told = own_time(record)
            kind, told_s, offset_s = told
            if kind == ZONED and offset_s is None and told_s <= latest_s:
                self.last_s = told_s
                times.append(told_s)
            else:
                times.append(self._settled(told, envelope_s, latest_s))
        return times

    def _settled(self, told: Told, envelope_s: int | None, latest_s: int) -> int | None:
        """The time of a record that tells that of itself."""
        kind, told_s, offset_s = told
        if offset_s is not None:
            self.learned_zone = fixed_zone(offset_s)
        if kind == ZONED:
            seconds: int | None = told_s
        elif kind <= ABSURD:
            seconds = None
        else:
            seconds = self._instant_s(kind, told_s) if envelope_s is None else envelope_s
        if seconds is None or not EARLIEST_S <= seconds <= latest_s:
            if seconds is not None and seconds > latest_s:
                self.future += 1
            elif kind != NONE:
                self.absurd += 1
            elif envelope_s is None:
                self.untimed += 1
            seconds = self.last_s if envelope_s is None else envelope_s
        self.last_s = seconds
        return seconds

    def _instant_s(self, kind: int, wall_s: int) -> int | None:
        """The instant of a clock's time."""
        zone = self.zone
        if kind != NAIVE:
            if self.learned_zone is None:
                self.asked_zone = True
            else:
                zone = self.learned_zone
        if kind != YEARLESS:
            return instant_s(wall_s, zone)
        seconds = yearless_s(wall_s, zone, self.written_s, self.last_s)
        if self.last_s is None and seconds is not None:
            self.asked_year_s = seconds if self.asked_year_s is None else max(self.asked_year_s, seconds)
        return seconds
