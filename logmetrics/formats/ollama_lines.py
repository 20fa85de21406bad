"""Ollama server logs as records: a line is one, of kind gin, slog, stdlog or text, or goes on with another."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from logmetrics.formats.kinds import ABSENT, NUMBER, TEXT
from logmetrics.formats.ollama import Parts, attribute, records_of, route

# The variables that a record is unpacked into, in the order of its parts.
PARTS = ("kind", "time", "level", "msg", "status", "latency_s", "method", "request_path", "tail")
# What lines of each kind have. In rules, `path` is the log file's; any other name is an attribute of slog.
KINDS: Mapping[str, Mapping[str, int]] = {
    "gin": {"time": TEXT, "status": TEXT, "latency_s": NUMBER, "method": TEXT, "request_path": TEXT, "route": TEXT},
    "slog": {"time": TEXT, "level": TEXT, "msg": TEXT | ABSENT},
    "stdlog": {"time": TEXT, "level": TEXT, "msg": TEXT},
    "text": {"msg": TEXT},
}
# Names that are no attributes.
_OWN_FIELDS = frozenset((*PARTS, "route")) - {"tail"}


def fields_of(kind: str) -> tuple[dict[str, int], int]:
    """The kinds of the fields of a line of *kind*, and of all others."""
    own = {**dict.fromkeys(_OWN_FIELDS, ABSENT), **KINDS[kind], "kind": TEXT}
    return own, TEXT | ABSENT if kind == "slog" else ABSENT


def field(key: str) -> str:
    """Source text that gives the field *key*."""
    if key == "route":
        return "route(request_path)"
    return key if key in _OWN_FIELDS else f"attribute(tail, {key!r})"


Decode = Callable[[list[bytes]], tuple[list[Parts], int, int]]


def decode(lines: list[bytes]) -> tuple[list[Parts], int, int]:
    """The records of *lines*, 0, and the number of lines that go on with the record before them."""
    records = records_of(lines)
    whole = [record for record in records if record[0] != "continuation"]
    return whole, 0, len(records) - len(whole)


NAMES = {"route": route, "attribute": attribute}
