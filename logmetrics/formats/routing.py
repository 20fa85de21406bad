"""Which format a line has, decided by what it begins with; the order of lines is kept."""

from __future__ import annotations

from itertools import groupby

from logmetrics.formats.text_fields import is_logfmt

# What may stand before an object: blanks, the NULs of a truncated file's hole, a UTF-8 byte order mark.
_LEADING = b" \t\x00\xef"


def _format_of(line: bytes) -> str:
    if line[:1] == b"{":
        return "json"
    # Ollama's lines of this kind tell the place in its source.
    if b"=" in line and b" source=" not in line and is_logfmt(line):
        return "logfmt"
    return "ollama"


def _bare_object(line: bytes) -> bytes:
    """The object that stands behind blanks in *line*; in text the blanks mean something."""
    bare = line.lstrip(_LEADING + b"\xbb\xbf")
    return bare if bare[:1] == b"{" else line


def split_formats(lines: list[bytes]) -> list[tuple[str, list[bytes]]]:
    """Runs of consecutive lines of one format: "json", "logfmt", or "ollama" for any other text."""
    firsts = [line[:1] for line in lines]
    if firsts.count(b"{") == len(lines):
        return [("json", lines)]
    if any(first in _LEADING for first in set(firsts) if first):
        lines = [_bare_object(line) if line[:1] in _LEADING else line for line in lines]
    return [(name, list(run)) for name, run in groupby(lines, _format_of)]
