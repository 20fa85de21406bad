"""Samples -> the WriteRequest of Prometheus' remote write 1.0, as protobuf bytes.

    WriteRequest {1: TimeSeries ...}   TimeSeries {1: Label ..., 2: Sample ...}
    Label {1: name, 2: value}          Sample {1: double value, 2: int64 milliseconds}

Milliseconds are always written in six bytes, which holds until 2109, so that all samples have the same length: those of
a series are then the bytes of its times, which all series of a window share, with those of the values put between them.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Sequence
from decimal import Decimal
from math import isinf

from logmetrics.errors import ReplayError
from logmetrics.replay.samples import WINDOW_S, SampleSeries
from logmetrics.replay.targets.batches import Part

# From this version on Prometheus spells the bounds of buckets in its own way when it scrapes.
NORMALISES_SINCE = 3

# What Prometheus takes for the end of a series: a NaN of its own.
STALE = struct.pack("<Q", 0x7FF0000000000002)
_SAMPLE_BYTES = 18
# Tag and length of a sample, tag of the value; behind the value stand the tag of the time and the time.
_BEFORE_VALUE = b"\x12\x10\x09"
_VALUE_AT = len(_BEFORE_VALUE)
_TIME_BYTES = 6
_NO_VALUE = bytes(8)
_LITTLE = array("H", [1]).tobytes() == b"\x01\x00"


class Encoder:
    """Makes requests of parts; keeps the bytes of labels and times, which come again and again.

    With *normalises* bounds of buckets are spelt as Prometheus 3 spells them when it scrapes.
    """

    def __init__(self, *, normalises: bool = False) -> None:
        self._normalises = normalises
        self._labels: dict[tuple[str, tuple[tuple[str, str], ...]], bytes] = {}
        self._grid = b""
        self._grid_of = (0, 0)

    def encode(self, parts: Iterable[Part], step_s: int) -> bytes:
        """The request that holds *parts*, whose times are multiples of *step_s*."""
        out: list[bytes] = []
        for part in parts:
            labels = self._labels_of(part.series)
            samples = self._samples(part.series.times_s[part.low : part.high], part, step_s)
            out += (b"\x0a", varint(len(labels) + len(samples)), labels, samples)
        return b"".join(out)

    def _labels_of(self, series: SampleSeries) -> bytes:
        key = (series.name, series.labels)
        found = self._labels.get(key)
        if found is None:
            # An empty value is the same as no label; the protocol wants names in order.
            pairs = sorted([("__name__", series.name), *(pair for pair in series.labels if pair[1])])
            if self._normalises and series.name.endswith("_bucket"):
                pairs = [(name, normalised(value)) if name == "le" else (name, value) for name, value in pairs]
            found = self._labels[key] = b"".join(_label(*pair) for pair in pairs)
        return found

    def _samples(self, times_s: Sequence[int], part: Part, step_s: int) -> bytes:
        first_s, last_s, count = times_s[0], times_s[-1], len(times_s)
        if last_s - first_s == (count - 1) * step_s:
            at = self._place(first_s, step_s) * _SAMPLE_BYTES
            out = bytearray(self._grid[at : at + count * _SAMPLE_BYTES])
        else:  # some between them have arrived before
            out = bytearray().join([_sample(time_s) for time_s in times_s])
        values = array("d", part.series.values[part.low : part.high])
        if not _LITTLE:
            values.byteswap()
        data = values.tobytes()
        for byte in range(8):
            out[_VALUE_AT + byte :: _SAMPLE_BYTES] = data[byte::8]
        if part.ends:
            # Not at the time of the next sample, or history could not go on there.
            out += _sample_at((last_s + step_s) * 1000 - 1, STALE)
        return bytes(out)

    def _place(self, time_s: int, step_s: int) -> int:
        """Which sample of the grid is the one at *time_s*; the grid is that of its window."""
        window_s = time_s - time_s % WINDOW_S
        first_s = -(-window_s // step_s) * step_s
        if self._grid_of != (window_s, step_s):
            self._grid = b"".join(map(_sample, range(first_s, window_s + WINDOW_S, step_s)))
            self._grid_of = (window_s, step_s)
        return (time_s - first_s) // step_s


def varint(number: int) -> bytes:
    """A number in groups of seven bits, the lowest first; all but the last have the high bit."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def normalised(bound: str) -> str:
    """A bound as Go spells it in the shortest form: 4194304.0 is 4.194304e+06, and 1 is 1.0."""
    value = float(bound)
    if isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    digits, exponent = Decimal(repr(value)).normalize().as_tuple()[1:]
    assert isinstance(exponent, int)
    if value == 0 or -4 <= len(digits) - 1 + exponent < 6:
        return repr(value)
    return f"{value:.{len(digits) - 1}e}"


def _label(name: str, value: str) -> bytes:
    # What is no Unicode would make the whole request invalid.
    parts = [text.encode(errors="replace") for text in (name, value)]
    body = b"".join(tag + varint(len(part)) + part for tag, part in zip((b"\x0a", b"\x12"), parts, strict=True))
    return b"\x0a" + varint(len(body)) + body


def _sample(time_s: int) -> bytes:
    return _sample_at(time_s * 1000, _NO_VALUE)


def _sample_at(milliseconds: int, value: bytes) -> bytes:
    if not 0 <= milliseconds < 1 << 7 * _TIME_BYTES:
        raise ReplayError(
            f"a sample at Unix time {milliseconds // 1000}: remote write is for times from 1970 to 2109; see --since"
        )
    groups = [milliseconds >> 7 * index & 0x7F | 0x80 for index in range(_TIME_BYTES)]
    groups[-1] &= 0x7F
    return b"".join((_BEFORE_VALUE, value, b"\x10", bytes(groups)))
