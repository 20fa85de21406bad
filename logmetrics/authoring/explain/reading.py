"""A record before any rule sees it: what was around it, which format it has, its fields, and where it is broken."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from logmetrics.authoring.explain.facts import Broken, Envelope
from logmetrics.config.specs import SourceSpec
from logmetrics.formats.framing import Framing, Stamped
from logmetrics.formats.go_duration import parse_go_duration
from logmetrics.formats.json_lines import mended
from logmetrics.formats.ollama import attributes, route, split_line
from logmetrics.formats.prefix import bare, prefix_of
from logmetrics.formats.text_fields import logfmt, pattern_format

SHOWN_CHARACTERS = 76
_BEFORE = 50
_WORDS = {
    "True": "true",
    "False": "false",
    "None": "null",
    "undefined": "null",
    "nan": "null",
    "NaN": "null",
    "Infinity": "null",
    "-Infinity": "null",
}


def envelope_of(record: bytes, raw: bytes, framing: Framing | None, *, takes_whole_lines: bool) -> Envelope:
    """What was taken off *raw*, the lines as they lie there, until *record* was left.

    A format that *takes_whole_lines* reads what stands before a record, too.
    """
    name = framing.name if framing is not None else ""
    time = record.time if isinstance(record, Stamped) else None
    taken = b""
    line = raw.rstrip(b"\r\n")
    if (
        record
        and name in ("", "plain", "cri", "lines")
        and b"\n" not in line
        and line != record
        and line.endswith(record)
    ):
        taken = line[: -len(record)]
    elif not takes_whole_lines and record[:1] != b"{" and (rest := prefix_of(record)[1]) != bare(record) and rest:
        taken = bare(record)[: -len(rest)]
    return Envelope("" if name in ("plain", "lines") else name, time, taken.decode("utf-8", "replace"))


def fields_of(record: bytes, format_name: str, source: SourceSpec) -> dict[str, Any]:
    """The fields that rules can ask for; none when *record* is no record of its format."""
    if format_name == "json":
        try:
            found = msgspec.json.decode(mended(record))
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}
    if format_name == "logfmt":
        return logfmt(record) or {}
    if format_name == "regex":
        records, _, _ = pattern_format(source.pattern).decoder()([record])
        return dict(records[0]) if records else {}
    return _ollama_fields(record)


def _ollama_fields(record: bytes) -> dict[str, Any]:
    parts = split_line(record)
    fields: dict[str, Any] = {
        "kind": parts.kind,
        "time": parts.time,
        "level": parts.level,
        "msg": parts.msg,
        "status": parts.status,
        "latency_s": parts.latency_s,
        "method": parts.method,
        "request_path": parts.path,
        "route": None if parts.path is None else route(parts.path),
    }
    told = {key: value for key, value in fields.items() if value is not None}
    return {**told, **{key: value for key, value in attributes(parts.tail).items() if key not in fields}}


def odd_ollama_line(record: bytes) -> str:
    """Why a line that begins like one of Ollama's is taken for other text; empty when it is whole, or no such line."""
    text = bare(record).decode("utf-8", "replace")
    if split_line(record).kind != "text":
        return ""
    if text.startswith("[GIN] "):
        columns = text.split("|", 4)
        if len(columns) < 5:
            return f"it begins like an access line of Ollama's, and has {len(columns)} columns of 5"
        _, status, latency, _, request = (column.strip() for column in columns)
        why = next(
            (
                words
                for is_wrong, words in (
                    (not (status.isdecimal() and len(status) == 3), f"{status!r} is no status"),
                    (parse_go_duration(latency) is None, f"{latency!r} is no duration as Go writes it"),
                    (request.count('"') < 2, "its end is cut off"),
                )
                if is_wrong
            ),
            "its time has another form",
        )
        return f"it begins like an access line of Ollama's, and {why}"
    if text.startswith("time="):
        level = _LEVEL.search(text)
        if level is None:
            return "it begins like a log line of Ollama's, and has no level"
        if level[1].partition("+")[0].partition("-")[0] not in _LEVELS:
            return f"it begins like a log line of Ollama's, and {level[1]!r} is none of its levels"
    return ""


_LEVEL = re.compile(r"\blevel=(\S+)")
_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")


def broken_of(record: bytes, format_name: str, source: SourceSpec) -> Broken:
    """Why *record* is no record of its format."""
    text = record.decode("utf-8", "replace")
    if format_name == "json":
        return _broken_json(text)
    if format_name == "logfmt":
        return Broken("no pair key=value is in it, and the source's format is logfmt", None, "", 0)
    return _unlike_pattern(text, source.pattern)


@dataclass(frozen=True, slots=True)
class _At:
    why: str
    place: int


def _broken_json(text: str) -> Broken:
    start = len(text) - len(text.lstrip(" \t\0\ufeff"))
    if not text.strip():
        return Broken("the line is empty, and the source's format is json", None, "", 0)
    if text[start] not in "{[":
        return _shown(text, _At("it begins with no brace: it is text, and the source's format is json", start))
    try:
        value = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        return _shown(text, _explained(text, error))
    except _NoJsonError as error:
        word = str(error)
        return _shown(text, _At(f"{word} is no JSON; it has null", text.find(word)))
    except RecursionError:
        return Broken("it is nested too deeply", None, "", 0)
    except ValueError:  # past what Python makes a number of
        return Broken("a number in it has too many digits", None, "", 0)
    if isinstance(value, list):
        return _shown(text, _At("it is a list; a record is an object, {...}", start))
    return _shown(text, _At("it is JSON, and no object", start))


class _NoJsonError(ValueError):
    pass


def _refuse(word: str) -> Any:
    raise _NoJsonError(word)


def _explained(text: str, error: json.JSONDecodeError) -> _At:  # noqa: C901 - a case for each mistake
    place, message = error.pos, error.msg
    rest = text[place:]
    if message.startswith("Unterminated string"):
        return _At("the text that begins here never ends: the line was cut off, or a quote in it is not escaped", place)
    if not rest.strip():
        return _At(
            f"the line ends here, in the middle of the object{_open_ends(text)}: it was cut off", max(place - 1, 0)
        )
    if message.startswith("Invalid control character"):
        return _At("a control character stands in a text; JSON writes it as \\n, \\t or \\u0000", place)
    if message.startswith("Invalid \\"):
        return _At(f"{rest[:2]} is no escape in JSON; a backslash is written \\\\", place)
    if message.startswith("Extra data"):
        return _At("the object is over before this; what follows is no part of it", place)
    if message.startswith(("Expecting property name", "Illegal trailing comma")):
        if rest[0] == "'" or "'" in rest[:2]:
            return _At("keys and texts stand in double quotes in JSON, not in single ones", place)
        if rest[0] in "}]" or text[place] == ",":
            return _At("a comma too many: nothing follows it", text.rfind(",", 0, place + 1))
        return _At("a key stands in double quotes in JSON", place)
    if message.startswith("Expecting ','"):
        before = text[:place].rstrip()
        if before.endswith('"') and rest[:1].isalnum():
            return _At('a quote within a text is written \\" in JSON; this one ended the text', max(len(before) - 1, 0))
        if before.endswith("0") and rest[0].isdecimal():
            return _At("a number does not begin with 0 in JSON", max(place - 1, 0))
        if rest[0] in "}]":
            what = "a list" if rest[0] == "}" else "an object"
            return _At(f"{what} is not closed before this {rest[0]}", place)
        return _At("a comma is missing before this", place)
    if message.startswith("Expecting ':'"):
        return _At("a colon is missing between key and value", place)
    word = next((word for word in _WORDS if rest.startswith(word)), "")
    if word:
        return _At(f"{word} is no JSON; it has {_WORDS[word]}", place)
    if rest[0] == "'":
        return _At("keys and texts stand in double quotes in JSON, not in single ones", place)
    if rest[0] in "}],":
        before = text[:place].rstrip()
        if before.endswith(","):
            return _At("a comma too many: nothing follows it", len(before) - 1)
        return _At("a value is missing here", place)
    return _At("no JSON value: texts stand in double quotes", place)


def _open_ends(text: str) -> str:
    missing = text.count("{") - text.count("}")
    return f", {missing} closing brace{'s' if missing > 1 else ''} short" if missing > 0 else ""


def _shown(text: str, at: _At) -> Broken:
    """The part of *text* around the place, with where the caret goes."""
    begin = max(at.place - _BEFORE, 0)
    part = text[begin : begin + SHOWN_CHARACTERS]
    shown = ("..." if begin else "") + part + ("..." if begin + SHOWN_CHARACTERS < len(text) else "")
    return Broken(at.why, at.place + 1, shown, at.place - begin + (3 if begin else 0))


def _unlike_pattern(text: str, pattern: str) -> Broken:
    """How much of the beginning of *pattern* is found in *text*."""
    import re2

    options = re2.Options()
    options.log_errors = False
    for end in range(len(pattern) - 1, 0, -1):
        try:
            found = re2.compile(pattern[:end], options=options).search(text)
        except re2.error:
            continue
        if found is not None and found.end() > found.start():
            rest = pattern[end:]
            return _shown(text, _At(f"the source's pattern fits up to here, and then asks for {rest}", found.end()))
        if found is not None:
            break
    return _shown(text, _At(f"the source's pattern is not found in it: {pattern}", 0))
