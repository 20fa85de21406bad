"""Lines of text with named fields: logfmt (`level=info msg="tool call" tool=x`), and what a pattern takes apart.

A record is a dict. Fields are texts; what is written like a number, or is true or false, is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from logmetrics.formats.prefix import prefix_of

_PAIR = re.compile(r'(?<!\S)([^\s="]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*)))?(?=\s|\Z)')
_KEY = rb'[A-Za-z_@][^\s="]{0,63}='
# One pair and a level further on, or two pairs.
_STARTS_WITH_PAIR = re.compile(
    _KEY + rb'(?:"(?:[^"\\]|\\.){0,4096}"|[^\s"=]*)(?:\s+' + _KEY + rb"|\Z|(?=\s.*\blevel=))", re.DOTALL
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_SHORT_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)

# Deeper names are found as they are written only.
NESTED_MAX = 8

Record = dict[str, Any]


def is_logfmt(line: bytes) -> bool:
    """Whether *line*, behind what a collector put in front of it, begins with a pair."""
    return _STARTS_WITH_PAIR.match(line) is not None or _STARTS_WITH_PAIR.match(prefix_of(line)[1]) is not None


def logfmt(line: bytes) -> Record | None:
    """The pairs of *line*; a key without a value is true. None when there is no pair with a value."""
    text = prefix_of(line)[1].decode("utf-8", "replace")
    record: Record = {}
    has_value = False
    for pair in _PAIR.finditer(text):
        key, quoted, plain = pair.groups()
        if quoted is None and plain is None:
            record.setdefault(key, True)
        else:
            record[key] = _typed(plain) if quoted is None else _ESCAPE.sub(_unescaped, quoted)
            has_value = True
    if not has_value:
        return None
    for key in [key for key in record if "." in key]:
        _nest(record, key.split("."), record[key])
    return record


def _nest(record: Record, path: list[str], value: Any) -> None:
    """Let `a.b` be found in an object `a` too, unless there is an `a` already."""
    *outer, last = path
    if len(outer) > NESTED_MAX:
        return
    for key in outer:
        record = record.setdefault(key, {})
        if record.__class__ is not dict:
            return
    record.setdefault(last, value)


def _unescaped(escape: re.Match[str]) -> str:
    code, char = escape.groups()
    if code:
        number = int(code, 16)
        return "\ufffd" if 0xD800 <= number <= 0xDFFF else chr(number)
    return _SHORT_ESCAPES.get(char, char)


def _typed(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text) is None:
        return text
    return float(text) if any(character in text for character in ".eE") else int(text)


class TextFieldsFormat:
    """The counterpart of JsonFormat for records that *parse* makes of lines."""

    def __init__(self, parse: Callable[[bytes], Record | None]) -> None:
        self._parse = parse

    def field(self, key: str) -> str:
        """Source text that gives the field *key* of the record ``rec``."""
        return f"rec.get({key!r})"

    def decoder(self) -> Callable[[list[bytes]], tuple[list[Record], int, int]]:
        """A function from lines to (records, number of lines that are none, 0)."""

        def decode(lines: list[bytes]) -> tuple[list[Record], int, int]:
            records = [record for record in map(self._parse, lines) if record is not None]
            return records, len(lines) - len(records), 0

        return decode


def logfmt_format() -> TextFieldsFormat:
    """Of lines in logfmt, the format of Heroku's and of most Go programs' loggers."""
    return TextFieldsFormat(logfmt)


def pattern_format(pattern: str) -> TextFieldsFormat:
    """Of lines in which *pattern*, in RE2's syntax, is found; its named groups are the fields."""
    import re2  # costs 10 ms and 3 MB; only configs with patterns pay

    compiled = re2.compile(pattern)

    def parse(line: bytes) -> Record | None:
        found = compiled.search(line.rstrip(b"\r").decode("utf-8", "replace"))
        if found is None:
            return None
        return {key: _typed(value) for key, value in found.groupdict().items() if value is not None}

    return TextFieldsFormat(parse)
