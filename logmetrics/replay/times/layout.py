"""Lines of JSON that begin with their time, all in the same way: by the block they cost a third.

A layout says at which bytes of a line the parts of its time stand. It is made of one line and verified for each, so it
gives what a look at each line would have given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import tzinfo
from functools import lru_cache
from operator import itemgetter

from logmetrics.replay.times.json_time import KEYED, of_keyed
from logmetrics.replay.times.time_forms import EARLIEST_S, OFFSETS, WITHIN_HOUR
from logmetrics.replay.times.zones import offset_within_hour

_TIME_END_MAX = 128
_ZEROS = bytes.maketrans(b"123456789", b"000000000")
# The last three of ten digits.
_THOUSANDS = {b"%03d" % number: number for number in range(1_000)}
# What stands behind the seconds: a mark, the digits of a fraction, and the end of the value with its zone.
_BEHIND = re.compile(rb"([.,]?)([0-9]*)(.*)", re.DOTALL)


class _Heads(dict[bytes, int]):
    """What lines begin with, up to the hour or to the last three digits of their seconds -> Unix time of that.

    A KeyError is raised for what is of another form, absurd, or of an hour in which clocks were changed.
    """

    ENTRIES_MAX = 2_048

    def __init__(self, start: bytes, is_epoch: bool, zone: tzinfo | int) -> None:
        """*start* stands in front of the time; *zone* may be an offset from UTC in seconds."""
        super().__init__()
        self._start, self._is_epoch, self._zone = start, is_epoch, zone

    def __missing__(self, head: bytes) -> int:
        found = KEYED.match(head + (b"000," if self._is_epoch else b'00:00"'))
        if found is None or head[: found.start(4 if self._is_epoch else 1)] != self._start:
            raise KeyError(head)
        _, seconds, _ = of_keyed(found)
        zone = self._zone
        offset_s = zone if isinstance(zone, int) else offset_within_hour(seconds // 3_600, zone)
        if offset_s is None or seconds - offset_s < EARLIEST_S:
            raise KeyError(head)
        if len(self) >= self.ENTRIES_MAX:
            self.clear()
        self[head] = seconds - offset_s
        return seconds - offset_s


class Layout:
    """Where the parts of a time stand: a head, the rest of the seconds, a fraction's digits, the value's end."""

    def __init__(self, heads: _Heads, head_end: int, rests: Mapping[bytes, int], digits: int, end: bytes) -> None:
        self._heads, self._head_end, self._rests = heads, head_end, rests
        self._rest_end = head_end + len(next(iter(rests)))
        end_at = self._rest_end + digits
        self._behind = b"0" * digits + end.translate(_ZEROS)
        self._get_behind = itemgetter(slice(self._rest_end, end_at + len(end)))
        # The digits of a zone may not be others.
        self._end = end if end.translate(None, b"0123456789") != end else None
        self._get_end = itemgetter(slice(end_at, end_at + len(end)))

    def seconds_of(self, lines: list[bytes]) -> list[int] | None:
        """Unix times of *lines*; None when one of them is of another form."""
        heads, rests, head_end, rest_end = self._heads, self._rests, self._head_end, self._rest_end
        try:
            seconds = [heads[line[:head_end]] + rests[line[head_end:rest_end]] for line in lines]
        except KeyError:
            return None
        if b"".join(map(self._get_behind, lines)).translate(_ZEROS) != self._behind * len(lines):
            return None
        if self._end is not None and set(map(self._get_end, lines)) != {self._end}:
            return None
        return seconds


def layout_of(line: bytes, zone: tzinfo) -> tuple[Layout, bool] | None:
    """The layout of lines such as *line*, and whether they are times of *zone* for want of one of their own."""
    found = KEYED.match(line)
    if found is None or found.end() > _TIME_END_MAX:
        return None
    is_epoch = found[4] is not None
    behind = _BEHIND.match(line, found.end(4 if is_epoch else 2), found.end())
    if behind is None or (is_epoch and not behind[1] and b"." in behind[3]):
        return None
    start = line[: found.start(4 if is_epoch else 1)]
    is_naive = not is_epoch and found[3] is None
    offset_s = OFFSETS[found[3]] if found[3] is not None else 0
    mark, digits, end = behind.groups()
    layout = _layout(start, is_epoch, zone if is_naive else offset_s, mark, len(digits), end)
    return layout, is_naive


@lru_cache(maxsize=64)
def _layout(start: bytes, is_epoch: bool, zone: tzinfo | int, mark: bytes, digits: int, end: bytes) -> Layout:
    head_end = len(start) + (7 if is_epoch else len("2026-01-02T03:"))
    return Layout(_Heads(start, is_epoch, zone), head_end, _rests(is_epoch, mark), digits, end)


@lru_cache(maxsize=8)
def _rests(is_epoch: bool, mark: bytes) -> dict[bytes, int]:
    return {rest + mark: seconds for rest, seconds in (_THOUSANDS if is_epoch else WITHIN_HOUR).items()}
