"""Ollama server logs as records: a line is one, of kind gin, slog, stdlog or text, or goes on with another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from logmetrics.formats.ollama import OllamaRecord, attribute, route, split_line

# Fields that a record has by itself; any other name is a slog attribute, looked up when a rule asks for it.
_OWN_FIELDS = ("kind", "time", "level", "msg", "status", "latency_s", "method")


def route_of(record: OllamaRecord) -> str | None:
    """The route of an access line; None for every other line."""
    return None if record.path is None else route(record.path)


class OllamaFormat:
    """The counterpart of JsonFormat for Ollama's lines; nothing in it depends on the rules."""

    name = "ollama"

    def field(self, key: str) -> str:
        """Source text that gives the field *key* of the record ``rec``."""
        if key in _OWN_FIELDS:
            return f"rec.{key}"
        if key == "request_path":  # in rules, `path` is the log file's
            return "rec.path"
        return "route_of(rec)" if key == "route" else f"attribute(rec, {key!r})"

    def decoder(self) -> Callable[[list[bytes]], tuple[list[Any], int, int]]:
        """A function from lines to (records, 0, number of lines that go on with the record before them)."""

        def decode(lines: list[bytes]) -> tuple[list[Any], int, int]:
            records = list(map(split_line, lines))
            whole = [record for record in records if record.kind != "continuation"]
            return whole, 0, len(records) - len(whole)

        return decode


NAMES = {"route_of": route_of, "attribute": attribute}
