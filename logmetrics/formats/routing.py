"""Which format a line has, decided by what it begins with; the order of lines is kept."""

from __future__ import annotations

from itertools import groupby

from logmetrics.formats.assembly import OBJECT, start_of
from logmetrics.formats.text_fields import is_logfmt

# What may stand before an object: blanks, the NULs of a truncated file's hole, a UTF-8 byte order mark.
_LEADING = frozenset((b" ", b"\t", b"\x00", b"\xef"))


# What Ollama's access lines begin with.
_GIN = b"[GIN] "


def _format_of(line: bytes) -> str:
    if line[:1] == b"{":
        return "json"
    return "logfmt" if _may_be_logfmt(line) and is_logfmt(line) else "ollama"


def _may_be_logfmt(line: bytes) -> bool:
    # Ollama's lines of this kind tell the place in its source.
    return b"=" in line and b" source=" not in line


def _bare_object(line: bytes) -> bytes:
    """The object that stands behind blanks in *line*; in text the blanks mean something."""
    bare = line.lstrip(b" \t\x00\xef\xbb\xbf")
    return bare if bare[:1] == b"{" else line


def split_formats(lines: list[bytes]) -> list[tuple[str, list[bytes]]]:
    """Runs of consecutive lines of one format: "json", "logfmt", or "ollama" for any other text."""
    starts = set(map(start_of, lines))
    if all(start[:2] == OBJECT for start in starts):
        return [("json", lines)]
    firsts = {start[:1] for start in starts}
    if not firsts.isdisjoint(_LEADING):
        lines = [_bare_object(line) if line[:1] in _LEADING else line for line in lines]
    elif b"{" not in firsts and not [
        # Without the call; a line is one of these four times in five.
        line
        for line in lines
        if line[:6] != _GIN and b"=" in line and b" source=" not in line
    ]:
        return [("ollama", lines)]
    return [(name, list(run)) for name, run in groupby(lines, _format_of)]
