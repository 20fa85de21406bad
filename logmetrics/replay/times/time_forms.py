"""How times are written: ISO 8601 and its relatives, numbers since 1970, pairs, dates of mails."""

from __future__ import annotations

import re
from datetime import date

# What was found: its kind, seconds, and the zone's offset from UTC in seconds where others may learn it.
Told = tuple[int, int, int | None]

# Kinds, from the worst to the best: none; no date, or one before 2000; a clock's time without a year, told for 2000;
# a clock's time in text; one in JSON; an instant.
NONE, ABSURD, YEARLESS, LOCAL, NAIVE, ZONED = range(6)
NOTHING: Told = (NONE, 0, None)
NO_DATE: Told = (ABSURD, 0, None)
# Nothing that writes logs of this kind is older.
EARLIEST_S = 946_684_800
DAY_S = 86_400
# A zone is no farther from UTC than this.
OFFSET_MAX_S = DAY_S
# Added to any time it gives one that is absurd.
FAR_S = -(10**15)

# Date and hour; minute and second; zone. A blank is \x20, so that this fits into verbose patterns.
ISO = (
    rb"([0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[T\x20][0-9]{2}):([0-9]{2}:[0-9]{2})"
    rb"(?:[.,][0-9]{1,12})?(?:\x20?(Z|[+-][0-9]{2}:?[0-9]{2}))?"
)
# The same where anything may stand for the digits: to look them up tells soon enough what is no date.
LOOSE_ISO = rb"(.{13}):(.{5})(?:[.,][0-9]{1,12})?(?:\x20?(Z|[+-][0-9]{2}:?[0-9]{2}))?"
# Seconds since 1970, with as many digits of ms, us or ns as a number of this century has.
EPOCH = rb"([1-9][0-9]{9})(?:[0-9]{3}|[0-9]{6}|[0-9]{9})?(?:\.[0-9]{1,12})?"
MONTHS = {name: number for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}

_EPOCH_DAYS = date(1970, 1, 1).toordinal()
_HOUR = re.compile(rb"([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})(?:[Tt ]| - )([0-9]{2})")


def date_s(year: int, month: int, day: int) -> int:
    """Seconds since 1970 of a day's start, as if in UTC; absurdly few for what is no date."""
    try:
        return (date(year, month, day).toordinal() - _EPOCH_DAYS) * DAY_S
    except ValueError:
        return FAR_S


class _Hours(dict[bytes, int]):
    """Date and hour -> seconds since 1970, as if in UTC."""

    ENTRIES_MAX = 4_096

    def __missing__(self, text: bytes) -> int:
        found = _HOUR.fullmatch(text)
        seconds = FAR_S
        if found is not None and (hour := int(found[4])) < 24:
            seconds = date_s(int(found[1]), int(found[2]), int(found[3])) + hour * 3_600
        if len(self) >= self.ENTRIES_MAX:
            self.clear()
        self[bytes(text)] = seconds
        return seconds


HOURS = _Hours()
# A minute of 61 seconds is a leap second's.
WITHIN_HOUR = {b"%02d:%02d" % (minute, second): minute * 60 + second for minute in range(60) for second in range(61)}


def wall_s(hour: bytes, within: bytes) -> int:
    """Seconds since 1970 of a clock's time, as if in UTC."""
    return HOURS[hour] + WITHIN_HOUR.get(within, FAR_S)


class _Offsets(dict[bytes, int]):
    """A zone's text -> its seconds ahead of UTC; one that is none makes any time absurd."""

    ENTRIES_MAX = 1_024

    def __missing__(self, text: bytes) -> int:
        minutes = int(text[1:3]) * 60 + int(text[-2:] if len(text) > 3 else 0)
        seconds = minutes * 60 * (-1 if text[:1] == b"-" else 1)
        if minutes >= 24 * 60 or (len(text) > 3 and int(text[-2:]) > 59):
            seconds = -FAR_S
        if len(self) >= self.ENTRIES_MAX:
            self.clear()
        self[text] = seconds
        return seconds


OFFSETS = _Offsets({b"Z": 0, b"z": 0, b"UTC": 0, b"GMT": 0, b"UT": 0})


def of_iso(hour: bytes, within: bytes, zone: bytes | None, naive: int) -> Told:
    """What ISO's groups tell; *naive* is the kind of a time without a zone."""
    seconds = HOURS[hour] + WITHIN_HOUR.get(within, FAR_S)
    if zone is not None:
        seconds -= OFFSETS[zone]
        naive = ZONED
    # Without a zone, it is known only later what the time is.
    return (naive, seconds, None) if seconds >= EARLIEST_S else NO_DATE


def of_epoch(seconds: int) -> Told:
    return (ZONED, seconds, None) if seconds >= EARLIEST_S else NO_DATE


# -- values of JSON

_VALUE_BYTES_MAX = 100
_USUAL = re.compile(rb'"%b"|%b' % (LOOSE_ISO, EPOCH))
_TEXT = re.compile(
    rb'"[ ]?([0-9]{4}[-/][0-9]{2}[-/][0-9]{2}(?:[Tt ]| - )[0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,][0-9]{1,12})?)?'
    rb'[ ]?(Z|z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?"'
)
_NUMBER = re.compile(rb'"?([0-9]{1,20})(?:\.[0-9]{1,20})?"?')
_EXPONENT = re.compile(rb"[0-9]{1,20}(?:\.[0-9]{1,20})?[eE]\+?[0-9]{1,2}")
_PAIR = re.compile(rb"\[\s*([0-9]{1,12})\s*,\s*[0-9]{1,10}\s*\]")
_PARTS = re.compile(rb'\{\s*"(?:secs_since_epoch|seconds)"\s*:\s*"?([0-9]{1,12})"?\s*[,}].*', re.DOTALL)
# Of mails and HTTP; also what C's asctime prints.
_MAIL = re.compile(
    rb'"(?:[A-Z][a-z]{2},[ ]+)?([0-9]{1,2})[ -]([A-Z][a-z]{2})[ -]([0-9]{4})[ ]([0-9]{2}:[0-9]{2}:[0-9]{2})'
    rb'[ ](UTC|GMT|UT|[+-][0-9]{4})(?:[ ]\([^()]{1,40}\))?"'
)
_ASCTIME = re.compile(rb'"[A-Z][a-z]{2}[ ]([A-Z][a-z]{2})[ ]+([0-9]{1,2})[ ]([0-9]{2}:[0-9]{2}:[0-9]{2})[ ]([0-9]{4})"')


def of_value(raw: bytes) -> Told:
    """The time that a value of JSON tells, as it stands in the line."""
    if len(raw) > _VALUE_BYTES_MAX:
        return NOTHING
    if usual := _USUAL.fullmatch(raw):
        hour, within, zone, epoch = usual.groups()
        told = of_iso(hour, within, zone, NAIVE) if epoch is None else of_epoch(int(epoch))
        if told[0] > ABSURD:
            return told
    if raw[:1] == b'"' and (text := _TEXT.fullmatch(raw)):
        within = text[2] + b":" + (text[3] or b"00")
        return of_iso(text[1], within, text[4], NAIVE)
    if number := _NUMBER.fullmatch(raw):
        return of_epoch(_in_seconds(int(number[1])))
    if _EXPONENT.fullmatch(raw) and (value := float(raw)) < 1e20:
        return of_epoch(_in_seconds(int(value)))
    if found := _PAIR.fullmatch(raw) or _PARTS.fullmatch(raw):
        return of_epoch(int(found[1]))
    if mail := _MAIL.fullmatch(raw):
        return _of_parts(mail[3], mail[2], mail[1], mail[4], mail[5])
    if asctime := _ASCTIME.fullmatch(raw):
        return _of_parts(asctime[4], asctime[1], asctime[2], asctime[3], None)
    return NOTHING


def _in_seconds(since: int) -> int:
    """Seconds of a number of s, ms, us or ns, told apart by its size as the language's `time` does."""
    for least, per_second in ((10**17, 10**9), (10**14, 10**6), (10**11, 10**3)):
        if since >= least:
            return since // per_second
    return since


def clock_s(text: bytes) -> int:
    """Seconds since midnight of `12:34:56`; absurd when it is none."""
    hour = int(text[:2])
    return hour * 3_600 + WITHIN_HOUR.get(text[3:], FAR_S) if hour < 24 else FAR_S


def _of_parts(year: bytes, month: bytes, day: bytes, clock: bytes, zone: bytes | None) -> Told:
    seconds = date_s(int(year), MONTHS.get(month, 0), int(day)) + clock_s(clock)
    if zone is not None:
        seconds -= OFFSETS[zone]
    return (NAIVE if zone is None else ZONED, seconds, None) if seconds >= EARLIEST_S else NO_DATE


def of_yearless(month: int, day: int, clock: bytes) -> Told:
    """A time without a year, told for 2000, which has all days that a year can have."""
    seconds = date_s(2000, month, day) + clock_s(clock)
    return (YEARLESS, seconds, None) if seconds >= EARLIEST_S else NO_DATE


def year_given(wall_2000_s: int, year: int) -> int | None:
    """A time told for 2000 in *year*; None when that has no such day."""
    days, clock = divmod(wall_2000_s, DAY_S)
    then = date.fromordinal(days + _EPOCH_DAYS)
    start_s = date_s(year, then.month, then.day)
    return start_s + clock if start_s >= 0 else None
