"""Numbers, times and texts from logs, as people read them."""

from __future__ import annotations

from datetime import datetime, timezone
from math import isfinite

THIN = ("", "k", "M", "G", "T", "P")
DAY_S = 86_400
# A text from a log that is longer is cut when it is only an example of something.
EXCERPT_CHARACTERS = 120


def count(value: float) -> str:
    """A number of things: 1,234. What is no whole number has at most three decimals."""
    if not isfinite(value) or abs(value) >= 1e15:
        return f"{value:.3g}"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3f}".rstrip("0").rstrip(".")


def number_of(noun: str, number: int) -> str:
    """So many things: 1 file, 1,234 files."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def short(value: float) -> str:
    """A large number in three digits: 12.3 k."""
    if value < 10_000:
        return count(round(value))
    power = 0
    while value >= 999.5 and power < len(THIN) - 1:
        value /= 1000
        power += 1
    return f"{_three_digits(value)} {THIN[power]}"


def size(value: float) -> str:
    """A number of bytes: 1.23 MB."""
    if value < 1000:
        return f"{value:.0f} B"
    power = 0
    while value >= 999.5 and power < len(THIN) - 1:
        value /= 1000
        power += 1
    return f"{_three_digits(value)} {THIN[power]}B"


def seconds(value: float) -> str:
    """A duration: 340 ms, 1.2 s, 105 s, 12 min, 3.5 h, 2.1 d."""
    if value == 0:
        return "0 s"
    if value < 0.9995:
        milliseconds = value * 1000
        digits = 0 if milliseconds >= 9.95 else 1 if milliseconds >= 0.995 else 2
        return f"{milliseconds:.{digits}f} ms"
    if value < 99.95:
        return f"{value:.1f} s"
    if value < 600:
        return f"{value:.0f} s"
    if value < 100 * 60:
        return f"{value / 60:.0f} min"
    return f"{value / 3600:.1f} h" if value < 2 * DAY_S else f"{value / DAY_S:.1f} d"


def lasting(value_s: float) -> str:
    """For how long something has been so: 119 s, 6 min, 3.5 h."""
    return f"{value_s // 60:.0f} min" if 120 <= value_s < 600 else seconds(value_s)


def step(value: float) -> str:
    """The length of a step in time, which is mostly a whole number of something: 5 min."""
    for unit_s, unit in ((DAY_S, "d"), (3600, "h"), (60, "min")):
        if value >= unit_s and value % unit_s == 0:
            return f"{value / unit_s:.0f} {unit}"
    return f"{value:.0f} s" if value >= 1 and value == int(value) else seconds(value)


def percent(ratio: float) -> str:
    """A share: 3.4 %. Only nothing is 0 %, and only everything 100 %."""
    if 0 < ratio < 0.001:
        return "< 0.1 %"
    if 0.999 < ratio < 1:
        return "> 99.9 %"
    return f"{ratio * 100:.0f} %" if ratio in (0, 1) else f"{ratio * 100:.1f} %"


def moment(time_s: float) -> str:
    """A time in UTC, to the second; empty for one that no calendar has."""
    try:
        time = datetime.fromtimestamp(time_s, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return ""
    return time.strftime("%Y-%m-%d %H:%M:%S")


def span(first_s: float, last_s: float) -> str:
    """From when to when, in UTC; the day is told once if it is the same."""
    first, last = moment(first_s), moment(last_s)
    if first[:10] == last[:10]:
        last = last[11:]
    return f"{first} to {last} UTC"


def ends(first_s: float, last_s: float) -> tuple[str, str]:
    """Where an axis of time begins and ends: hours and minutes, days too if there are several."""
    first, last = moment(first_s), moment(last_s)
    if last_s - first_s >= 4 * DAY_S:
        return first[:10], last[:10]
    return (first[11:16], last[11:16]) if first[:10] == last[:10] else (first[5:16], last[5:16])


def amount_of(metric: str, value: float) -> str:
    """A value of *metric* in the unit that its name tells."""
    stem = metric.removesuffix("_total")
    if value < 0 or not isfinite(value):
        return count(value)
    if stem.endswith("_seconds"):
        return seconds(value)
    if stem.endswith("_bytes"):
        return size(value)
    if "token" in stem:
        return short(value)
    return percent(value) if stem.endswith("_ratio") and value <= 1 else count(value)


def bound_of(metric: str, value: float) -> str:
    """A bound of a bucket, which is mostly a whole number of something."""
    return amount_of(metric, value).replace(".0 ", " ")


def harmless(text: str, encoding: str = "utf-8") -> str:
    r"""*text* without anything that could move a cursor, turn a line around or fail to be written: \x1b, \u202e, ..."""
    shown = text if text.isprintable() else "".join(map(_visible, text))
    return shown.encode(encoding, "backslashreplace").decode(encoding, "replace")


def cut(text: str, characters_max: int) -> str:
    """*text*, or its beginning with a mark behind it."""
    return text if len(text) <= characters_max else text[: characters_max - 3] + "..."


def excerpt(text: str) -> str:
    """The beginning of *text*."""
    return cut(text, EXCERPT_CHARACTERS)


def ago(value_s: float) -> str:
    """How long ago something was: now, 12 s ago, 5 min ago."""
    if value_s < 1:
        return "now"
    return f"{value_s:.0f} s ago" if value_s < 99.5 else f"{lasting(value_s)} ago"


def rate(value_per_s: float) -> str:
    """So much in a second; what is rare, in a minute."""
    if not value_per_s:
        return "0 /s"
    if value_per_s < 0.1:
        return f"{value_per_s * 60:.1f} /min"
    return f"{value_per_s:.1f} /s" if value_per_s < 99.95 else f"{short(value_per_s)} /s"


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _three_digits(value: float) -> str:
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
