"""The time that an object of JSON tells of itself, under whatever key agents and loggers put it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from logmetrics.formats.json_lines import mended, one_after_another
from logmetrics.replay.times.time_forms import (
    ABSURD,
    EARLIEST_S,
    EPOCH,
    FAR_S,
    HOURS,
    LOOSE_ISO,
    NAIVE,
    NOTHING,
    WITHIN_HOUR,
    Told,
    of_epoch,
    of_iso,
    of_value,
)

# A line that begins with one of these keys is not decoded.
FIRST_KEYS = ("timestamp", "time", "ts", "@timestamp", "asctime", "datetime")
KEYED = re.compile(
    rb'\{%b"(?:t(?:imestamp|ime|s)|@timestamp|asctime|datetime)"%b:%b' % ((rb"[ \t\r\n]*",) * 3)
    + rb'(?:"%b"|%b[ \t\r\n,}])' % (LOOSE_ISO, EPOCH)
)
# Where both are there, a record was written at the end of what it tells of.
_FURTHER_KEYS = (
    "timeUnixNano",
    "observedTimeUnixNano",
    "hrTime",
    "__REALTIME_TIMESTAMP",
    "eventTime",
    "event_time",
    "_time",
    "t",
    "date",
    "endTimeUnixNano",
    "endTime",
    "end_time",
    "ended_at",
    "endedAt",
    "finished_at",
    "completed_at",
    "completedAt",
    "lastUpdated",
    "updated_at",
    "updatedAt",
    "created_at",
    "createdAt",
    "created",
    "startTimeUnixNano",
    "startTime",
    "start_time",
    "started_at",
    "startedAt",
)
_NULL = msgspec.Raw(b"null")
_REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _struct(name: str, keys: Sequence[str]) -> type[msgspec.Struct]:
    fields = [(f"f{number}", msgspec.Raw, _NULL) for number in range(len(keys))]
    renamed = {f"f{number}": key for number, key in enumerate(keys)}
    return msgspec.defstruct(name, fields, rename=renamed, gc=False)


def of_keyed(found: re.Match[bytes]) -> Told:
    """The time of a match of KEYED."""
    hour, within, zone, epoch = found.groups()
    return of_iso(hour, within, zone, NAIVE) if epoch is None else of_epoch(int(epoch))


def usual_times(lines: list[bytes]) -> list[int | None] | None:
    """Unix times of objects that have one of FIRST_KEYS, not at the beginning, with an instant as ISO 8601 in UTC; None
    for others.

    None altogether when a line is no object. It gives what a look at each line gives, at a third of the cost.
    """
    try:
        objects = list(map(_usual, lines))
    except _REFUSALS:
        return None
    place, seconds = 0, list[int | None]()
    add, alone = seconds.append, len(FIRST_KEYS) - 1
    for line, values in zip(lines, map(msgspec.structs.astuple, objects)):  # noqa: B905
        if line[:2] != b'{"' or line.startswith(_BEGIN_WITH_TIME):
            add(None)
            continue
        text = values[place]
        if text is None or values.count(None) != alone:
            place = next((number for number, value in enumerate(values) if value is not None), place)
            text = values[place] if values.count(None) == alone else None
        # A fraction does not matter, if it is one.
        if (
            text.__class__ is str
            and text[-1:] == "Z"
            and (
                len(text) == 20 or (text[19] in ".," and len(text) <= 33 and _DIGITS.fullmatch(text, 20, len(text) - 1))
            )
        ):
            add(_SECONDS[text[:19]])
        else:
            add(None)
    return seconds


_DIGITS = re.compile("[0-9]{1,12}")
_BEGIN_WITH_TIME = tuple(b'{"%b"' % key.encode() for key in FIRST_KEYS)


class _Seconds(dict[str, int | None]):
    """Date and clock in UTC -> Unix time; None for what is none, or absurd."""

    ENTRIES_MAX = 4_096

    def __missing__(self, text: str) -> int | None:
        told = text.encode("utf-8", "replace")
        seconds = HOURS[told[:13]] + WITHIN_HOUR.get(told[14:], FAR_S) if told[13:14] == b":" else FAR_S
        if len(self) >= self.ENTRIES_MAX:
            self.clear()
        self[text] = known = seconds if seconds >= EARLIEST_S else None
        return known


_SECONDS = _Seconds()


def json_time(line: bytes) -> Told:
    """The time of an object, or of the first one in a line that holds several."""
    try:
        return _object_time(line)
    except _REFUSALS:
        pass
    try:
        return _object_time(next(iter(one_after_another(line)), None) or mended(line))
    except _REFUSALS:
        return NOTHING


def _object_time(line: bytes) -> Told:
    told = _first_time(msgspec.structs.astuple(_first(line)), NOTHING)
    if told[0] > ABSURD:
        return told
    values: tuple[msgspec.Raw, ...] = msgspec.structs.astuple(_further(line))
    told = _first_time(values[: len(_FURTHER_KEYS)], told)
    if told[0] > ABSURD:
        return told
    for find, raw in zip(_HOLDERS.values(), values[len(_FURTHER_KEYS) :], strict=True):
        if raw is not _NULL and (found := find(raw))[0] > told[0]:
            told = found
    return told


def _first_time(values: Sequence[msgspec.Raw], told: Told) -> Told:
    """The first of *values* that is a time; when none is: that one was absurd, or else *told*."""
    for raw in values:
        if raw is not _NULL:
            found = of_value(bytes(raw))
            if found[0] > ABSURD:
                return found
            if found[0] == ABSURD:
                told = found
    return told


def _at(*path: str) -> Callable[[msgspec.Raw], Told]:
    """What finds the time at *path* of a value."""
    steps = [msgspec.json.Decoder(_struct("Step", (key,))).decode for key in path]

    def find(raw: msgspec.Raw) -> Told:
        try:
            for step in steps:
                raw = msgspec.structs.astuple(step(raw))[0]
        except msgspec.DecodeError:
            return NOTHING
        return of_value(bytes(raw))

    return find


# In a text a backslash would stand in front of the quotes, so these keys are OpenTelemetry's own.
_NANOS = re.compile(rb'imeUnixNano"[ \t\r\n]*:[ \t\r\n]*("?[0-9]{1,20}"?)')
# The same in a text, so one backslash deep.
_CREATED = re.compile(rb'created_at\\":[ ]?\\("[0-9T:.Z+-]{19,40})\\"')


def _latest_nanos(raw: msgspec.Raw) -> Told:
    """The latest time in what OpenTelemetry exports at once: it was not written before."""
    return max((of_value(value) for value in set(_NANOS.findall(raw))), default=NOTHING)


def _latest_created(raw: msgspec.Raw) -> Told:
    """AutoGen's events have no time, but most of them hold messages that have, as JSON in a text."""
    return max((of_value(value + b'"') for value in set(_CREATED.findall(raw))), default=NOTHING)


# What holds a time in a place of its own.
_HOLDERS: Mapping[str, Callable[[msgspec.Raw], Told]] = {
    "record": _at("time", "timestamp"),
    "resourceLogs": _latest_nanos,
    "resourceSpans": _latest_nanos,
    "resourceMetrics": _latest_nanos,
    "attributes": _at("event.timestamp"),
    "$set": _at("lastUpdated"),
    "snapshot": _at("timestamp"),
    "payload": _latest_created,
    "response": _at("created"),
}
_usual = msgspec.json.Decoder(
    msgspec.defstruct(
        "Usual",
        [(f"f{number}", Any, None) for number in range(len(FIRST_KEYS))],
        rename={f"f{number}": key for number, key in enumerate(FIRST_KEYS)},
        gc=False,
    )
).decode
_first = msgspec.json.Decoder(_struct("First", FIRST_KEYS)).decode
_further = msgspec.json.Decoder(_struct("Further", (*_FURTHER_KEYS, *_HOLDERS))).decode
