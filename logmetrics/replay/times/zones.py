"""From what a clock showed in some place to the instant."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from logmetrics.replay.times.time_forms import DAY_S, year_given

_EPOCH = datetime(1970, 1, 1)
# So many years apart are two days of 29 February at most.
_LEAP_YEARS = 8


@lru_cache(maxsize=256)
def fixed_zone(offset_s: int) -> timezone:
    return timezone(timedelta(seconds=offset_s))


def instant_s(wall_s: int, zone: tzinfo) -> int:
    """The instant at which clocks in *zone* showed *wall_s*, in seconds since 1970 as if in UTC; of two the first."""
    offset_s = offset_within_hour(wall_s // 3_600, zone)
    return wall_s - (_offset_s(wall_s, zone) if offset_s is None else offset_s)


@lru_cache(maxsize=4_096)
def offset_within_hour(hour: int, zone: tzinfo) -> int | None:
    """*zone*'s offset throughout a clock's hour; None when it changes then."""
    start_s, end_s = _offset_s(hour * 3_600, zone), _offset_s(hour * 3_600 + 3_599, zone)
    return start_s if start_s == end_s else None


def _offset_s(wall_s: int, zone: tzinfo) -> int:
    offset = (_EPOCH + timedelta(seconds=wall_s)).replace(tzinfo=zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def yearless_s(wall_2000_s: int, zone: tzinfo, written_s: int, last_s: int | None) -> int | None:
    """The instant at which clocks showed what is told for 2000, no later than a day after *written_s*: if it can be, in
    the first year that does not take it before *last_s*, else in the last one.
    """
    found = None
    for seconds in _in_years(wall_2000_s, zone, (written_s + DAY_S) // DAY_S):
        if seconds <= written_s + DAY_S:
            found = seconds if found is None else found
            if last_s is None or seconds < last_s - DAY_S:
                break
            # Copies of files are younger than what is in them, so a year that a record told is better than the file's.
            found = seconds
    return found


@lru_cache(maxsize=4_096)
def _in_years(wall_2000_s: int, zone: tzinfo, latest_day: int) -> list[int]:
    """The instants at which clocks showed that, in the years up to that of *latest_day*, the last one first."""
    # In a zone that is ahead the next year may have begun.
    year = (_EPOCH + timedelta(days=latest_day)).year + 1
    walls = [year_given(wall_2000_s, year - earlier) for earlier in range(_LEAP_YEARS + 2)]
    return [instant_s(wall_s, zone) for wall_s in walls if wall_s is not None]
