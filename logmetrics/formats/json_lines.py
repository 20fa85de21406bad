"""One JSON object a line. Only the top-level fields that rules read are decoded."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

# What the decoder raises for a line that it refuses; deep nesting shows as RecursionError.
_REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


Decode = Callable[[list[bytes]], tuple[list[Any], int]]


def one_after_another(line: bytes) -> list[bytes]:
    """The objects in a line that holds several; none when it holds anything else."""
    if not _SEAM.search(line):
        return []
    text = line.decode("utf-8", "replace").strip()
    objects = []
    place = 0
    try:
        while place < len(text):
            value, end = _OBJECTS.raw_decode(text, place)
            if value.__class__ is not dict:
                return []
            objects.append(text[place:end].encode("utf-8", "replace"))
            place = len(text) - len(text[end:].lstrip())
    except (ValueError, RecursionError):
        return []
    return objects


def decoded_one_by_one(line: bytes, decode: Decode) -> list[tuple[Any, bytes]]:
    """The records of *line*, each with its own text; one that is None for a line that is no record."""
    records, refused = decode([line])
    if refused:
        return [(None, line)]
    if len(records) == 1:
        return [(records[0], line)]
    return [(record, text) for text in one_after_another(line) for record in decode([text])[0]]


def can_be_known(keys: Iterable[str]) -> bool:
    """Whether a decoder can look for *keys*: msgspec takes no names with quotes, backslashes or controls."""
    return all(key.isprintable() and "\\" not in key and '"' not in key for key in keys)


_NULL = msgspec.Raw(b"null")
_SEAM = re.compile(rb"\}\s*\{")
_OBJECTS = json.JSONDecoder()


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

    def decoder(self, known: Iterable[str] | None = None) -> Decode:
        """A function from lines to (records, number of lines that are no JSON object). Call it last.

        With *known*, the function raises ValidationError for a block in which a record has any other key, or which is
        no object. These keys can be in a Struct: see ``can_be_known``.
        """
        others = sorted(set(known or ()) - self._attributes.keys())
        record = msgspec.defstruct(
            "Record",
            [
                *((attribute, Any, None) for attribute in self._attributes.values()),
                *((f"_other_{number}", msgspec.Raw, _NULL) for number in range(len(others))),
            ],
            rename={
                **{attribute: key for key, attribute in self._attributes.items()},
                **{f"_other_{number}": key for number, key in enumerate(others)},
            },
            forbid_unknown_fields=known is not None,
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
                    if strict and isinstance(error, msgspec.ValidationError):
                        raise
                    place += len(records) + 1 - known  # those taken since, and the refused one
                    several = one_after_another(lines[place - 1])
                    refused += not several
                    more, more_refused = decode(several) if several else ([], 0)
                    records += more
                    refused += more_refused
                    known = len(records)

        return decode
