"""Records as rules see them: the fields of each, whatever its format."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from logmetrics.formats.go_duration import parse_go_duration
from logmetrics.formats.json_lines import mended, one_after_another
from logmetrics.formats.ollama import route, split_line
from logmetrics.formats.routing import split_formats
from logmetrics.formats.text_fields import logfmt, pattern_format

Record = dict[str, Any]
Path = tuple[str, ...]

_REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# Deeper objects, and more fields of one record, are not looked at.
DEPTH_MAX, LEAVES_MAX = 5, 300
# Pairs of Ollama's slog lines, as far as they are needed to know which attributes there are.
_SLOG_PAIR = re.compile(r'(?<!\S)([A-Za-z_][\w.]{0,60})=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_SLOG_PAIRS_MAX = 30


def decoded(raw: bytes, pattern: str = "") -> list[tuple[str, Record]]:
    """The records in *raw*, each with its format: json, logfmt, ollama, or regex with a *pattern*. None when it is
    unparsable.
    """
    if pattern:
        record = _by_pattern(pattern)(raw)
        return [] if record is None else [("regex", record)]
    try:
        [(name, [line])] = split_formats([raw])
    except ValueError:
        return []
    if name == "json":
        return [("json", record) for record in _objects(line)]
    if name == "logfmt":
        record = logfmt(line)
        return [] if record is None else [("logfmt", _once_each(record))]
    return [("ollama", record) for record in _text(line)]


def _objects(line: bytes) -> list[Record]:
    try:
        found = msgspec.json.decode(line)
        return [found] if found.__class__ is dict else []
    except _REFUSALS:
        pass
    records = []
    for part in one_after_another(line) or [mended(line)]:
        try:
            record = msgspec.json.decode(part)
        except _REFUSALS:
            continue
        if record.__class__ is dict:
            records.append(record)
    return records


def _once_each(record: Record) -> Record:
    """Without the names with points that are there as objects, too."""
    return {key: value for key, value in record.items() if "." not in key or at(record, tuple(key.split("."))) is None}


def _text(line: bytes) -> list[Record]:
    parts = split_line(line)
    if parts.kind == "continuation":
        return []
    record: Record = {"kind": parts.kind, "time": parts.time, "level": parts.level, "msg": parts.msg}
    if parts.kind == "gin":
        record |= {"status": parts.status, "method": parts.method, "latency_s": parts.latency_s}
        record["route"] = route(parts.path or "")
    elif parts.kind == "slog":
        for number, pair in enumerate(_SLOG_PAIR.finditer(parts.tail)):
            if number < _SLOG_PAIRS_MAX:
                record.setdefault(pair[1], pair[2].strip('"'))
    return [{key: value for key, value in record.items() if value is not None}]


@lru_cache(maxsize=8)
def _by_pattern(pattern: str) -> Callable[[bytes], Record | None]:
    decode = pattern_format(pattern).decoder()

    def parse(line: bytes) -> Record | None:
        records, _, _ = decode([line])
        return records[0] if records else None

    return parse


def leaves(record: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Each field of *record* with its path; of an object its parts. A duration in parts is one field."""
    waiting: list[tuple[Path, Any]] = [((key,), value) for key, value in reversed(list(record.items()))]
    found = 0
    while waiting and found < LEAVES_MAX:
        path, value = waiting.pop()
        if value.__class__ is dict and len(path) < DEPTH_MAX and not is_duration_object(value):
            waiting += [((*path, key), inner) for key, inner in reversed(value.items()) if key.__class__ is str]
        else:
            found += 1
            yield path, value


def is_duration_object(value: Any) -> bool:
    """Whether it is what Rust writes for a duration."""
    return value.__class__ is dict and value.keys() == {"secs", "nanos"}


def at(record: Mapping[str, Any], path: Path) -> Any:
    """The value at *path*, or None."""
    value: Any = record
    for key in path:
        if value.__class__ is not dict:
            return None
        value = value.get(key)
    return value


def is_duration_text(text: str) -> bool:
    """Whether `duration()` reads it; digits alone and an s are as often something else, but never harmful."""
    return len(text) <= 40 and parse_go_duration(text) is not None
