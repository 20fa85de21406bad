"""What collectors, shells and loggers make of a log: each function takes the bytes of one and gives those of a log that
says the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

# So long are the pieces into which Docker and the container runtimes cut a line; here less, to have more of them.
PIECE_BYTES = 700


def _lines(data: bytes) -> list[bytes]:
    return data.removesuffix(b"\n").split(b"\n")


def _json(**fields: object) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")


def _pieces(line: bytes) -> list[str]:
    text = _text(line)
    return [text[at : at + PIECE_BYTES] for at in range(0, len(text), PIECE_BYTES)] or [""]


def docker(data: bytes) -> bytes:
    """Docker's json-file driver."""
    time = "2026-11-25T10:11:12.123456789Z"
    return b"".join(_json(log=_text(line) + "\n", stream="stdout", time=time) for line in _lines(data))


def docker_cut(data: bytes) -> bytes:
    """The same with long lines cut, and lines of the other stream in between."""
    out = []
    for line in _lines(data):
        *firsts, last = _pieces(line)
        for piece in firsts:
            out += [_json(log=piece, stream="stdout", time="t"), _json(log="warning\n", stream="stderr", time="t")]
        out.append(_json(log=last + "\n", stream="stdout", time="t"))
    return b"".join(out)


def cri(data: bytes) -> bytes:
    """containerd and CRI-O, as Kubernetes keeps it."""
    return b"".join(b"2026-11-25T10:11:12.123456789Z stdout F " + line + b"\n" for line in _lines(data))


def cri_cut(data: bytes) -> bytes:
    """The same with long lines cut, and lines of the other stream in between."""
    out = []
    for line in _lines(data):
        *firsts, last = _pieces(line)
        for piece in firsts:
            out += [f"2026-11-25T10:11:12.1Z stdout P {piece}\n", "2026-11-25T10:11:12.1+02:00 stderr F warning\n"]
        out.append(f"2026-11-25T10:11:12.1Z stdout F {last}\n")
    return "".join(out).encode()


def journal_json(data: bytes) -> bytes:
    """`journalctl -o json`; what holds control characters comes as a list of bytes."""
    return b"".join(
        _json(
            __CURSOR="s=1",
            __REALTIME_TIMESTAMP="1732529472123456",
            _PID="42",
            MESSAGE=list(line) if b"\x1b" in line or b"\0" in line else _text(line),
            PRIORITY="6",
            SYSLOG_IDENTIFIER="agent",
        )
        for line in _lines(data)
    )


def journal_export(data: bytes) -> bytes:
    """`journalctl -o export`; every other message as a field of bytes."""
    out = []
    for number, line in enumerate(_lines(data)):
        text = b"MESSAGE=" + line
        if number % 2 or b"\x1b" in line:
            text = b"MESSAGE\n" + len(line).to_bytes(8, "little") + line
        out.append(b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1732529472123456\n_PID=42\n" + text + b"\nPRIORITY=6\n\n")
    return b"".join(out)


def _before_each(prefix: bytes) -> Callable[[bytes], bytes]:
    return lambda data: b"".join(prefix + line + b"\n" for line in _lines(data))


def coloured(data: bytes) -> bytes:
    """Each line in a colour, as a terminal gets it."""
    return b"".join(b"\x1b[36m" + line + b"\x1b[0m\n" for line in _lines(data))


def crlf(data: bytes) -> bytes:
    """Line ends of Windows."""
    return b"".join(line.removesuffix(b"\r") + b"\r\n" for line in _lines(data))


def wide(data: bytes) -> bytes:
    """What PowerShell's redirection writes."""
    return _text(crlf(data)).encode("utf-16")


WRAPPERS: Mapping[str, Callable[[bytes], bytes]] = {
    "docker": docker,
    "docker cut": docker_cut,
    "cri": cri,
    "cri cut": cri_cut,
    "journal json": journal_json,
    "journal export": journal_export,
    "syslog": _before_each(b"Nov 25 10:11:12 host agent[42]: "),
    "syslog iso": _before_each(b"2026-11-25T10:11:12.123456+01:00 host agent[42]: "),
    "compose": _before_each(b"agent-1  | "),
    "docker logs -t": _before_each(b"2026-11-25T10:11:12.123456789Z "),
    "coloured": coloured,
    "crlf": crlf,
    "wide": wide,
    "byte order mark": lambda data: b"\xef\xbb\xbf" + data,
}
# Those of JSON, an object in each line.
JSON_WRAPPERS: Mapping[str, Callable[[bytes], bytes]] = {
    "indented": lambda data: b"".join(
        json.dumps(json.loads(line), indent=2, ensure_ascii=False).encode() + b"\n" for line in _lines(data)
    ),
    "concatenated": lambda data: data.replace(b"\n", b"") + b"\n",
    "array": lambda data: json.dumps([json.loads(line) for line in _lines(data)], indent=4).encode() + b"\n",
    "behind text": _before_each(b"INFO:agent.events:"),
    "indented by compose": lambda data: WRAPPERS["compose"](JSON_WRAPPERS["indented"](data)),
    "indented by docker": lambda data: docker(JSON_WRAPPERS["indented"](data)),
}
