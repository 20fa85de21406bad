"""Lines of an Ollama server log: GIN access lines, Go slog and std-log lines, and whatever the runners print.

Source of the formats: the code of ollama/ollama (0.1.28 to 0.32.15) and gin-gonic/gin (1.9.1 to 1.12.0), and the real
logs in tests/data/ollama. One file mixes all kinds, so each line is read for itself.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from logmetrics.formats.go_duration import parse_go_duration
from logmetrics.formats.prefix import PREFIX, bare


class OllamaRecord(NamedTuple):
    """One log line, taken apart. What a kind of line does not have is None."""

    kind: str  # "gin", "slog", "stdlog", "text" or "continuation"
    time: str | None = None  # "2024/11/12 - 10:11:12" (no zone), RFC 3339, or "2024/11/28 11:12:39" (no zone)
    level: str | None = None  # "INFO", "DEBUG-4"
    msg: str | None = None  # for "text" the whole line, without what a log collector put in front
    status: str | None = None  # "200"
    latency_s: float | None = None  # of the whole request: waiting and model load included
    method: str | None = None  # as the client sent it, so any text
    path: str | None = None  # with the query, which can hold keys
    tail: str = ""  # slog: what follows msg, from the blank on


# The same without the name, which takes a quarter of the time to make.
Parts = tuple[str, str | None, str | None, str | None, str | None, float | None, str | None, str | None, str]


def split_line(line: bytes) -> OllamaRecord:
    """Take one line (without its newline) apart; what is no whole GIN or log line is of kind "text", or "continuation"
    when it only goes on with another line, as the frames of a panic do.
    """
    records, _ = records_of([line])
    return OllamaRecord._make(records[0] if records else _decorated(line))


def records_of(lines: list[bytes]) -> tuple[list[Parts], int]:
    """The records of *lines*, and the number of lines that go on with the record before them."""
    records: list[Parts] = []
    add = records.append
    continued = 0
    for number, text in enumerate(_texts(lines)):
        record = _gin(text) if text[:6] == "[GIN] " else _slog(text) if text[:5] == "time=" else None
        if record is None:
            record = _decorated(lines[number])
            if record[0] == "continuation":
                continued += 1
                continue
        add(record)
    return records, continued


def _texts(lines: list[bytes]) -> list[str]:
    """*lines* as texts, without carriage returns; decoding many at once costs half as much as one after another."""
    block = b"\n".join(lines)
    if b"\r" in block:
        return [line.rstrip(b"\r").decode("utf-8", "replace") for line in lines]
    texts = block.decode("utf-8", "replace").split("\n")
    # A record that a collector wrapped may have newlines in it.
    return texts if len(texts) == len(lines) else [line.decode("utf-8", "replace") for line in lines]


def attribute(tail: str, key: str) -> str | None:
    """The unquoted value of a slog attribute in *tail*, what stands behind msg; None when it is missing or cut off.

    A group is part of the key, as logged: "memory.required.full".
    """
    if key not in tail and "\\" not in tail:
        return None
    position = 0
    # Pair after pair from the start, because quoted prompts and dumps can hold the key as well.
    while pair := _PAIR.match(tail, position):
        quoted_key, plain_key, quoted, plain = pair.groups()
        if plain_key == key or (quoted_key is not None and _unescape(quoted_key) == key):
            return plain if quoted is None else _unescape(quoted)
        position = pair.end()
    return None


def attributes(tail: str) -> dict[str, str]:
    """All attributes in *tail*, as ``attribute`` gives each."""
    found: dict[str, str] = {}
    position = 0
    while pair := _PAIR.match(tail, position):
        quoted_key, plain_key, quoted, plain = pair.groups()
        key = plain_key if quoted_key is None else _unescape(quoted_key)
        found.setdefault(key, plain if quoted is None else _unescape(quoted))
        position = pair.end()
    return found


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


_STATUSES = {text: str(status) for status in range(100, 1000) for text in (f" {status} ", str(status))}


class _Requests(dict[str, tuple[str, str] | None]):
    """The last column of an access line -> method and path, None when it is cut. A memo: a server has few."""

    ENTRIES_MAX, CHARACTERS_MAX = 1_024, 128

    def __missing__(self, request: str) -> tuple[str, str] | None:
        found = _method_and_path(request)
        if len(request) <= self.CHARACTERS_MAX:
            if len(self) >= self.ENTRIES_MAX:
                self.clear()
            self[request] = found
        return found


_REQUESTS = _Requests()


def _method_and_path(request: str) -> tuple[str, str] | None:
    method, _, quoted_path = request.partition('"')
    path_end = quoted_path.find('"')
    path = quoted_path[:path_end]
    if "\\" in path:
        path, path_end = _go_string(quoted_path, 0)
    return (method.strip(), path) if path_end >= 0 else None


def _gin(line: str) -> Parts | None:
    """`[GIN] date - time | status | latency | client | method "path"`, padded with blanks; None when it is cut."""
    # No more than four cuts: paths hold bars too.
    columns = line.split("|", 4)
    if len(columns) != 5:
        return None
    time, status, latency, _, request = columns
    time = time[6:27] if len(time) == 28 else time[6:].strip()
    known_status = _STATUSES.get(status) or _STATUSES.get(status.strip())
    latency_s = _seconds(latency)
    found = _REQUESTS[request]
    if len(time) != 21 or known_status is None or latency_s is None or found is None:
        return None
    return "gin", time, None, None, known_status, latency_s, found[0], found[1], ""


def _seconds(latency: str) -> float | None:
    """Seconds of a latency column such as "  82.985212ms ". One number and one unit need no pattern: Go prints neither
    exponents nor whatever else float() understands.
    """
    unit = latency[-3:]
    try:
        if unit == "ms ":
            return float(latency[:-3]) / 1e3
        if unit == "µs ":
            return float(latency[:-3]) / 1e6
        if unit[1:] == "s ":
            return float(latency[:-2])
    except ValueError:
        pass
    return parse_go_duration(latency.strip())


_LEVEL = r"(?:TRACE|DEBUG|INFO|WARN|ERROR)(?:[+-][0-9]{1,3})?"
_LEVEL_ATTRIBUTE = re.compile("level=(" + _LEVEL + ")")
_NAMED_LEVELS = {f"level={name}": name for name in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")}


def _slog(line: str) -> Parts | None:
    """`time=RFC3339 level=INFO source=file.go:1 msg="text" key=value ...`, possibly cut anywhere behind the level."""
    parts = line.split('"', 2)
    words = parts[0].split(" ", 3)
    if len(parts) == 3 and len(words) == 4 and words[3] == "msg=" and "\\" not in parts[1]:
        level = _NAMED_LEVELS.get(words[1])
        if level is not None and words[0][15:16] == "T":
            return "slog", words[0][5:], level, parts[1], None, None, None, None, parts[2]
    head, has_msg, rest = line.partition(" msg=")
    words = head.split(" ", 2)
    # A "T" between date and time keeps "time=" in other texts out.
    if len(words) < 2 or words[0][15:16] != "T":
        return None
    level = _NAMED_LEVELS.get(words[1])
    if level is None:
        unnamed = _LEVEL_ATTRIBUTE.fullmatch(words[1])
        if unnamed is None:
            return None
        level = unnamed[1]
    msg: str | None = None
    tail = ""
    if rest.startswith('"'):
        msg, msg_end = _go_string(rest, 1)
        tail = rest[msg_end:] if msg_end > 0 else ""
    elif has_msg:
        msg, blank, attributes = rest.partition(" ")
        tail = blank + attributes
    return "slog", words[0][5:], level, msg, None, None, None, None, tail


_STDLOG = re.compile(
    rb"([0-9]{4}/[0-9]{2}/[0-9]{2} [0-9:]{8}) [^ ]+:[0-9]+: (" + _LEVEL.encode() + rb') (.*?)(?: [^ ="]+=.*)?',
    re.DOTALL,
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


def _decorated(line: bytes) -> Parts:
    """A line with something in front of it or colours in it, or else a std-log line or text."""
    line = bare(line)
    # JSON can quote whole log lines: runners up to 0.1.34 print it, and some wrappers.
    if not line.startswith(b'{"') and (record := _embedded(line)):
        return record
    if prefix := PREFIX.match(line):
        line = line[prefix.end() :]
    if stdlog := _STDLOG.fullmatch(line):
        time, level, msg = stdlog.groups()
        return "stdlog", _text(time), _text(level), _text(msg), None, None, None, None, ""
    kind = "continuation" if _CONTINUES.match(line[:CONTINUATION_BYTES]) else "text"
    return kind, None, None, _text(line), None, None, None, None, ""


_GIN_START = re.compile(rb"\[GIN\] (?=[0-9]{4}/[0-9]{2}/[0-9]{2} - )")
_SLOG_START = re.compile(rb"time=(?=[0-9]{4}-[0-9]{2}-[0-9]{2}T[^ ]{9,25} level=" + _LEVEL.encode() + rb"(?: |\Z))")


def _embedded(line: bytes) -> Parts | None:
    """The GIN or slog line behind a prefix, or behind C text that was printed without a newline."""
    # Most lines are neither, which find() tells at less cost than "in" or search().
    gin = _GIN_START.search(line) if line.find(b"[GIN] ") >= 0 else None
    slog = _SLOG_START.search(line) if line.find(b"time=") >= 0 else None
    # Whichever starts first can hold the other one, in a path or in a message.
    if gin and not (slog and slog.start() < gin.start()) and (record := _gin(_text(line[gin.start() :]))):
        return record
    return _slog(_text(line[slog.start() :])) if slog else None


_STRING = r'[^"\\]*(?:\\.[^"\\]*)*'
_QUOTED = re.compile("(" + _STRING + ')"', re.DOTALL)
_PAIR = re.compile(' +(?:"(' + _STRING + ')"|([^ ="]+))=(?:"(' + _STRING + r')"|([^ "]*))(?= |\Z)', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.DOTALL)
_SHORT_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _go_string(text: str, start: int) -> tuple[str, int]:
    """The Go string whose opening quote stands before *start*, and the index behind it: -1 when it is cut off."""
    end = text.find('"', start)
    raw = text[start:] if end < 0 else text[start:end]
    if "\\" not in raw:
        return raw, end + 1 if end >= 0 else -1
    if quoted := _QUOTED.match(text, start):
        return _unescape(quoted[1]), quoted.end()
    return _unescape(text[start:]), -1


def _unescape(text: str) -> str:
    """Undo Go's strconv.Quote."""
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
