"""One JSON object a line. Only the top-level fields that rules read are decoded."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Callable
from typing import Any

import msgspec

# What the decoder raises for a line that it refuses; deep nesting shows as RecursionError.
_REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _one_after_another(line: bytes, decode: Callable[[bytes], Any]) -> list[Any]:
    """The records of a line that holds several objects; none when it holds anything else."""
    if not _SEAM.search(line):
        return []
    text = line.decode("utf-8", "replace").strip()
    records = []
    place = 0
    try:
        while place < len(text):
            _, end = _OBJECTS.raw_decode(text, place)
            records.append(decode(text[place:end].encode("utf-8", "replace")))
            place = end + len(text) - end - len(text[end:].lstrip())
    except (ValueError, RecursionError):  # a DecodeError is a ValueError
        return []
    return records


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

    def decoder(self) -> Callable[[list[bytes]], tuple[list[Any], int]]:
        """A function from lines to (records, number of lines that are no JSON object). Call it last."""
        record = msgspec.defstruct(
            "Record",
            [(attribute, Any, None) for attribute in self._attributes.values()],
            rename={attribute: key for key, attribute in self._attributes.items()},
            gc=False,
        )
        decode_line = msgspec.json.Decoder(record).decode

        def decode(lines: list[bytes]) -> tuple[list[Any], int]:
            records: list[Any] = []
            refused = place = known = 0
            rest = map(decode_line, lines)
            while True:
                try:
                    records.extend(rest)  # runs in C; a refused line costs one exception and nothing else
                    return records, refused
                except _REFUSALS:  # noqa: PERF203 - a new try for each refused line only
                    place += len(records) + 1 - known  # those taken since, and the refused one
                    several = _one_after_another(lines[place - 1], decode_line)
                    refused += not several
                    records += several
                    known = len(records)

        return decode
