"""One JSON object a line. Only the top-level fields that rules read are decoded."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

import msgspec

from logmetrics.formats.kinds import ABSENT, ANY, BOOLEAN, LIST, NUMBER, OBJECT, TEXT

# What the decoder raises for a line that it refuses; deep nesting shows as RecursionError.
_REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


Decode = Callable[[list[bytes]], tuple[list[Any], int]]


def mended(line: bytes) -> bytes:
    """*line* with U+FFFD for bytes that are no UTF-8 and for halves of characters, which truncated texts have, and
    without the comma behind an element of an array.
    """
    text = line.decode("utf-8", "replace").rstrip().removesuffix(",")
    return _ESCAPE.sub(lambda found: "\\ufffd" if found[1] else found[0], text).encode()


def one_after_another(line: bytes) -> list[bytes]:
    """The objects in a line that holds several; none when it holds anything else."""
    if not _SEAM.search(line):
        return []
    text = line.decode("utf-8", "replace").strip()
    objects: list[bytes] = []
    place = 0
    try:
        while place < len(text):
            value, end = _OBJECTS.raw_decode(text, place)
            if value.__class__ is not dict or len(objects) >= OBJECTS_MAX:
                return []
            objects.append(text[place:end].encode("utf-8", "replace"))
            blanks = _BLANKS.match(text, end)
            place = blanks.end() if blanks else end
    except (ValueError, RecursionError):
        return []
    return objects if len(objects) > 1 else []


def decoded_one_by_one(line: bytes, decode: Decode) -> list[tuple[Any, bytes]]:
    """The records of *line*, each with its own text; None for what is no record."""
    records, refused = decode([line])
    if not refused and len(records) == 1:
        return [(records[0], line)]
    found = []
    for text in one_after_another(line) or [line]:
        records, _ = decode([text])
        found.append((records[0] if records else None, text))
    return found


def can_be_known(keys: Iterable[str]) -> bool:
    """Whether a decoder can look for *keys*: msgspec takes no names with quotes, backslashes or controls."""
    return all(key.isprintable() and "\\" not in key and '"' not in key for key in keys)


# Lists and objects have whatever parts they have.
_PYTHON_TYPES: Sequence[tuple[int, Any]] = (
    (ABSENT, type(None)),
    (TEXT, str),
    (NUMBER, int | float),
    (BOOLEAN, bool),
    (LIST, list),
    (OBJECT, dict),
)
_NULL = msgspec.Raw(b"null")
OBJECTS_MAX = 10_000
_BLANKS = re.compile(r"\s*")
# An escape, or half a character without its other half.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_SEAM = re.compile(rb"\}\s*\{")
_OBJECTS = json.JSONDecoder()


def _field(attribute: str, kinds: int, is_read: bool) -> tuple[Any, ...]:
    """A Struct's field; of one that is not read nothing is decoded."""
    if not is_read:
        return attribute, msgspec.Raw, _NULL
    if kinds == ANY:
        return attribute, Any, None
    types = reduce(or_, (python for kind, python in _PYTHON_TYPES if kinds & kind))
    return (attribute, types, None) if kinds & ABSENT else (attribute, types)


class JsonFormat:
    """Builds the decoder of one source while its rules are written: each field asked for becomes one it reads.

    A record is a msgspec Struct with one attribute a field. Attributes are of type Any, so that one odd value never
    refuses a whole line; an absent field and a null are both None.
    """

    name = "json"

    def __init__(self) -> None:
        self._attributes: dict[str, str] = {}

    def field(self, key: str) -> str:
        """Source text that gives the field *key* of the record ``rec``."""
        attribute = self._attributes.get(key)
        if attribute is None:
            plain = key.isidentifier() and key.isascii() and not keyword.iskeyword(key) and not key.startswith("_")
            attribute = key if plain and key not in self._attributes.values() else f"field_{len(self._attributes)}"
            self._attributes[key] = attribute
        return f"rec.{attribute}"

    def decoder(self, known: Mapping[str, int] | None = None, *, closed: bool = True) -> Decode:
        """A function from lines to (records, number of lines that are no JSON object). Call it last.

        With *known*, the kinds of top-level fields, the function raises ValidationError for a block in which a record
        has a field of another kind, or any other key that is read, or if it is *closed* any other key at all; or in
        which a line is no JSON and does not begin like an object. These keys can be in a Struct: see ``can_be_known``.
        """
        kinds = known if known is not None else dict.fromkeys(self._attributes, ANY)
        # In the order in which records have them, a decoder finds fields fastest.
        keys = [*(key for key in kinds if closed or key in self._attributes), *(self._attributes.keys() - kinds.keys())]
        attributes = {key: self._attributes.get(key, f"_other_{number}") for number, key in enumerate(keys)}
        record = msgspec.defstruct(
            "Record",
            [
                _field(attribute, kinds.get(key, ABSENT), key in self._attributes)
                for key, attribute in attributes.items()
            ],
            rename={attribute: key for key, attribute in attributes.items()},
            forbid_unknown_fields=known is not None and closed,
            kw_only=True,
            gc=False,
        )
        strict = known is not None
        decode_line = msgspec.json.Decoder(record).decode

        def decode(lines: list[bytes]) -> tuple[list[Any], int]:
            records: list[Any] = []
            refused = place = known = 0
            rest = map(decode_line, lines)
            while True:
                try:
                    records.extend(rest)  # runs in C; a refused line costs one exception and nothing else
                    return records, refused
                except _REFUSALS as error:  # noqa: PERF203 - a new try for each refused line only
                    place += len(records) + 1 - known  # those taken since, and the refused one
                    line = lines[place - 1]
                    if strict and (isinstance(error, msgspec.ValidationError) or line[:1] != b"{"):
                        raise msgspec.ValidationError from error
                    parts = one_after_another(line)
                    if not parts and (whole := mended(line)) != line:
                        parts = [whole]
                    more, more_refused = decode(parts) if parts else ([], 1)
                    records += more
                    refused += more_refused
                    known = len(records)

        return decode
