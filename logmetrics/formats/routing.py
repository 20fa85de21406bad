"""Which format a line has, decided by its first byte; the order of lines is kept."""

from __future__ import annotations

from itertools import groupby

# What may stand before an object: blanks, the NULs of a truncated file's hole, a UTF-8 byte order mark.
_LEADING = b" \t\x00\xef"


def _is_json(line: bytes) -> bool:
    return line[:1] == b"{"


def split_formats(lines: list[bytes]) -> list[tuple[str, list[bytes]]]:
    """Runs of consecutive lines of one format, as ("json", lines) or ("ollama", lines)."""
    firsts = [line[:1] for line in lines]
    objects = firsts.count(b"{")
    if objects == len(lines):
        return [("json", lines)]
    if any(first in _LEADING for first in set(firsts) if first):
        lines = [line.lstrip(_LEADING + b"\xbb\xbf") if line[:1] in _LEADING and line else line for line in lines]
    elif not objects:
        return [("ollama", lines)]
    return [("json" if json else "ollama", list(run)) for json, run in groupby(lines, _is_json)]
