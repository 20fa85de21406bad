"""When a collector got a line, as the line's envelope tells."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from logmetrics.replay.times.time_forms import ISO, NAIVE, ZONED, of_iso, of_value


def envelope_of(framing: str) -> Callable[[bytes], int | None] | None:
    """What reads the Unix time of an envelope of that framing, a line or an entry as it stands in the log."""
    return _READERS.get(framing)


_AT_START = re.compile(ISO)
# Docker puts it last.
_AT_END = re.compile(rb'"time":[ ]?"' + ISO + rb'"\}\s*\Z')
_AT_END_BYTES = 80
# In a message a backslash stands in front of the quotes.
_REALTIME = re.compile(rb'"__REALTIME_TIMESTAMP"[ ]?:[ ]?"?([0-9]{1,20})')
_EXPORTED = re.compile(rb"(?:\A|\n)__REALTIME_TIMESTAMP=([0-9]{1,20})\n")


class _DockerEntry(msgspec.Struct):
    time: msgspec.Raw = msgspec.Raw(b"null")


_docker_entry = msgspec.json.Decoder(_DockerEntry).decode


def _docker(line: bytes) -> int | None:
    found = _AT_END.search(line, max(len(line) - _AT_END_BYTES, 0))
    if found is not None:
        return _zoned(found)
    try:
        kind, seconds, _ = of_value(bytes(_docker_entry(line).time))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return seconds if kind == ZONED else None


def _cri(line: bytes) -> int | None:
    found = _AT_START.match(line)
    return None if found is None else _zoned(found)


def _zoned(found: re.Match[bytes]) -> int | None:
    kind, seconds, _ = of_iso(found[1], found[2], found[3], NAIVE)
    return seconds if kind == ZONED else None


def _journal_json(line: bytes) -> int | None:
    return _microseconds(_REALTIME.search(line))


def _journal_export(entry: bytes) -> int | None:
    # The first one: journald writes its own fields in front of those of the program.
    return _microseconds(_EXPORTED.search(entry))


def _microseconds(found: re.Match[bytes] | None) -> int | None:
    return None if found is None else int(found[1]) // 1_000_000


_READERS: dict[str, Callable[[bytes], int | None]] = {
    "docker json-file": _docker,
    "cri": _cri,
    "journal json": _journal_json,
    "journal export": _journal_export,
}
