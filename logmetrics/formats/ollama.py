"""Lines of an Ollama server log: GIN access lines, Go slog and std-log lines, and whatever the runners print.

Source of the formats: the code of ollama/ollama (0.1.28 to 0.32.15) and gin-gonic/gin (1.9.1 to 1.12.0), and the real
logs in tests/data/ollama. One file mixes all kinds, so each line is read for itself.
"""

from __future__ import annotations

import re

from logmetrics.formats.go_duration import parse_go_duration
from logmetrics.formats.prefix import PREFIX, bare


class OllamaRecord:
    """One log line, taken apart. What a kind of line does not have is None."""

    __slots__ = ("kind", "latency_s", "level", "method", "msg", "path", "status", "tail", "time")

    def __init__(
        self,
        kind: str,
        time: str | None = None,
        level: str | None = None,
        msg: str | None = None,
        status: str | None = None,
        latency_s: float | None = None,
        method: str | None = None,
        path: str | None = None,
        tail: bytes = b"",
    ) -> None:
        self.kind = kind  # "gin", "slog", "stdlog", "text" or "continuation"
        self.time = time  # "2024/11/12 - 10:11:12" (no zone), RFC 3339, or "2024/11/28 11:12:39" (no zone)
        self.level = level  # "INFO", "DEBUG-4"
        self.msg = msg  # for "text" the whole line, without what a log collector put in front
        self.status = status  # "200"
        self.latency_s = latency_s  # of the whole request: waiting and model load included
        self.method = method  # as the client sent it, so any text
        self.path = path  # with the query, which can hold keys
        self.tail = tail  # slog: what follows msg, from the blank on


def split_line(line: bytes) -> OllamaRecord:
    """Take one line (without its newline) apart; what is no whole GIN or log line is of kind "text", or "continuation"
    when it only goes on with another line, as the frames of a panic do.
    """
    line = line.rstrip(b"\r")
    record = None
    if line.startswith(b"time="):
        record = _slog(line)
    elif line.startswith(b"[GIN] "):
        record = _gin(line)
    return record or _decorated(line)


def attribute(record: OllamaRecord, key: str) -> str | None:
    """The unquoted value of a slog attribute behind msg; None when it is missing or cut off.

    A group is part of the key, as logged: "memory.required.full".
    """
    tail = record.tail
    if not tail:
        return None
    wanted = key.encode("utf-8", "replace")
    position = 0
    # Pair after pair from the start, because quoted prompts and dumps can hold the key as well.
    while pair := _PAIR.match(tail, position):
        quoted_key, plain_key, quoted, plain = pair.groups()
        if plain_key == wanted or (quoted_key is not None and _unescape(quoted_key) == key):
            return _text(plain) if quoted is None else _unescape(quoted)
        position = pair.end()
    return None


# The routes of all versions; the last three were served for some versions only. Anybody can invent more paths, so no
# others may become label values.
_ROUTES = frozenset(
    (
        "/",
        "/api/version",
        "/api/tags",
        "/api/ps",
        "/api/status",
        "/api/generate",
        "/api/chat",
        "/api/embed",
        "/api/embeddings",
        "/api/show",
        "/api/create",
        "/api/copy",
        "/api/pull",
        "/api/push",
        "/api/delete",
        "/api/me",
        "/api/signout",
        "/api/experimental/model-recommendations",
        "/api/experimental/web_search",
        "/api/experimental/web_fetch",
        "/v1/models",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/responses",
        "/v1/messages",
        "/v1/audio/transcriptions",
        "/api/experimental/aliases",
        "/v1/images/generations",
        "/v1/images/edits",
    )
)
_NAMED_ROUTES = {
    "/api/blobs/": "/api/blobs/{digest}",
    "/v1/models/": "/v1/models/{model}",
    "/api/user/keys/": "/api/user/keys/{key}",
}


def route(path: str) -> str:
    """The route of a GIN path, without query and with names folded ("/api/blobs/{digest}"), or "other"."""
    # This table is the whole memory: nothing that a client makes up is kept.
    if path in _ROUTES:
        return path
    bare_path = path.partition("?")[0]
    if bare_path in _ROUTES:
        return bare_path
    for start, folded in _NAMED_ROUTES.items():
        if bare_path.startswith(start) and bare_path != start:
            return folded
    return "other"


_STATUSES = frozenset(map(str, range(100, 1000)))


def _gin(line: bytes) -> OllamaRecord | None:
    """`[GIN] date - time | status | latency | client | method "path"`, padded with blanks; None when it is cut."""
    # No more than four cuts: paths hold bars too.
    columns = line.decode("utf-8", "replace").split("|", 4)
    if len(columns) != 5:
        return None
    time, status, latency, _, request = columns
    time = time[6:].strip()
    status = status.strip()
    if len(time) != 21 or status not in _STATUSES:
        return None
    latency_s = parse_go_duration(latency.strip())
    method, _, quoted_path = request.partition('"')
    path_end = quoted_path.find('"')
    path = quoted_path[:path_end]
    if "\\" in path:
        path, path_end = _go_string(quoted_path.encode(), 0)
    if latency_s is None or path_end < 0:
        return None
    return OllamaRecord("gin", time, None, None, status, latency_s, method.strip(), path)


_LEVEL = rb"(?:TRACE|DEBUG|INFO|WARN|ERROR)(?:[+-][0-9]{1,3})?"
_LEVEL_ATTRIBUTE = re.compile(b"level=(" + _LEVEL + b")")
_NAMED_LEVELS = {b"level=" + name.encode(): name for name in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")}


def _slog(line: bytes) -> OllamaRecord | None:
    """`time=RFC3339 level=INFO source=file.go:1 msg="text" key=value ...`, possibly cut anywhere behind the level."""
    head, has_msg, rest = line.partition(b" msg=")
    words = head.split(b" ", 2)
    # A "T" between date and time keeps "time=" in other texts out.
    if len(words) < 2 or words[0][15:16] != b"T":
        return None
    level = _NAMED_LEVELS.get(words[1])
    if level is None:
        unnamed = _LEVEL_ATTRIBUTE.fullmatch(words[1])
        if unnamed is None:
            return None
        level = _text(unnamed[1])
    msg: str | None = None
    tail = b""
    if rest.startswith(b'"'):
        msg, msg_end = _go_string(rest, 1)
        tail = rest[msg_end:] if msg_end > 0 else b""
    elif has_msg:
        plain, blank, attributes = rest.partition(b" ")
        msg = _text(plain)
        tail = blank + attributes
    return OllamaRecord("slog", _text(words[0][5:]), level, msg, None, None, None, None, tail)


_STDLOG = re.compile(
    rb"([0-9]{4}/[0-9]{2}/[0-9]{2} [0-9:]{8}) [^ ]+:[0-9]+: (" + _LEVEL + rb') (.*?)(?: [^ ="]+=.*)?', re.DOTALL
)
# So much of a line is looked at.
CONTINUATION_BYTES = 512
# Lines that belong to the one before them: the frames of a panic or traceback, and what dumps print below it. The line
# that says what happened stands before them in Go, and behind them in Python.
_CONTINUES = re.compile(
    rb"""(?: \Z                                                            # an empty line
      | \t | [ ]{4}[^ ] | [ ]{2}File[ ]" | \s+at[ ]\S | \s*[\^~]+\s*\Z      # frames, and what points into them
      | Traceback[ ]\(most[ ]recent[ ]call[ ]last\): | During[ ]handling[ ]of[ ] | The[ ]above[ ]exception[ ]was[ ]
      | goroutine[ ][0-9]+[ ] | created[ ]by[ ] | \[signal[ ]SIG | exit[ ]status[ ][0-9]+\Z
      | (?=[^\s]{0,200}\.)[a-z][^\s(]{0,200}(?:\([^\s()]{1,60}\)[^\s(]{0,100})?\((?:0x|\.\.\.|\{|\)) # Go's
      | (?:r[a-z0-9]{1,5}|[cfgs]s)[ ]+0x[0-9a-f]+\Z                        # registers
    )""",
    re.VERBOSE,
)


def _decorated(line: bytes) -> OllamaRecord:
    """A line with something in front of it or colours in it, or else a std-log line or text."""
    line = bare(line)
    # JSON can quote whole log lines: runners up to 0.1.34 print it, and some wrappers.
    if not line.startswith(b'{"') and (record := _embedded(line)):
        return record
    if prefix := PREFIX.match(line):
        line = line[prefix.end() :]
    if stdlog := _STDLOG.fullmatch(line):
        time, level, msg = stdlog.groups()
        return OllamaRecord("stdlog", _text(time), _text(level), _text(msg))
    return OllamaRecord(
        "continuation" if _CONTINUES.match(line[:CONTINUATION_BYTES]) else "text", None, None, _text(line)
    )


_GIN_START = re.compile(rb"\[GIN\] (?=[0-9]{4}/[0-9]{2}/[0-9]{2} - )")
_SLOG_START = re.compile(rb"time=(?=[0-9]{4}-[0-9]{2}-[0-9]{2}T[^ ]{9,25} level=" + _LEVEL + rb"(?: |\Z))")


def _embedded(line: bytes) -> OllamaRecord | None:
    """The GIN or slog line behind a prefix, or behind C text that was printed without a newline."""
    # Most lines are neither, which find() tells at less cost than "in" or search().
    gin = _GIN_START.search(line) if line.find(b"[GIN] ") >= 0 else None
    slog = _SLOG_START.search(line) if line.find(b"time=") >= 0 else None
    # Whichever starts first can hold the other one, in a path or in a message.
    if gin and not (slog and slog.start() < gin.start()) and (record := _gin(line[gin.start() :])):
        return record
    return _slog(line[slog.start() :]) if slog else None


_BACKSLASH = 0x5C
_STRING = rb'[^"\\]*(?:\\.[^"\\]*)*'
_QUOTED = re.compile(b"(" + _STRING + b')"', re.DOTALL)
_PAIR = re.compile(b' +(?:"(' + _STRING + b')"|([^ ="]+))=(?:"(' + _STRING + rb')"|([^ "]*))(?= |\Z)', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.DOTALL)
_SHORT_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _go_string(data: bytes, start: int) -> tuple[str, int]:
    """The Go string whose opening quote stands before *start*, and the index behind it: -1 when it is cut off."""
    end = data.find(b'"', start)
    raw = data[start:] if end < 0 else data[start:end]
    if _BACKSLASH not in raw:
        return _text(raw), end + 1 if end >= 0 else -1
    if quoted := _QUOTED.match(data, start):
        return _unescape(quoted[1]), quoted.end()
    return _unescape(data[start:]), -1


def _unescape(raw: bytes) -> str:
    """Undo Go's strconv.Quote."""
    text = _text(raw)
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(escape: re.Match[str]) -> str:
    byte, short, long, char = escape.groups()
    if char:
        return _SHORT_ESCAPES.get(char, char)
    code = int(byte or short or long, 16)
    # Go writes \x80 and above for bytes that are no UTF-8 only; surrogates could not be encoded again.
    if (byte and code >= 0x80) or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        return "\ufffd"
    return chr(code)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
