"""A request of HTTP/1 as it comes in, an answer as it goes out, and the reading of the one from bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import responses
from typing import Protocol
from urllib.parse import parse_qs, unquote

from logmetrics.serve.connections import Limits

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(%s) ([!-~]+) HTTP/1\.([01])\r?\n" % _TOKEN)
_FIELD_NAME = re.compile(_TOKEN)
# A path, or a whole URL as proxies send it.
_TARGET = re.compile(r"(?:https?://[^/?]+)?(/[^?]*)\??(.*)")


@dataclass(frozen=True, slots=True)
class Request:
    """``path`` is percent-decoded, ``headers`` are looked up in any case. Apps see GET and HEAD only.

    ``client`` is the address of the one who asks, without the port; empty on a unix socket.
    """

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Mapping[str, str]
    client: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. The same body can be in many answers at once; it is not copied."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


class Refused(Exception):  # noqa: N818
    """A request that never reaches the app; the connection ends with the answer. Malformed ones are no Request."""

    def __init__(self, response: Response, request: Request | None = None) -> None:
        self.response, self.request = response, request


class Lines(Protocol):
    """Where a request is read from."""

    def readline(self, limit: int, /) -> bytes: ...


class _Headers(Mapping[str, str]):
    """Lookups in any case; several fields of one name are one, joined by commas."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}

    def add(self, name: str, value: str) -> None:
        before = self._fields.get(name.lower())
        self._fields[name.lower()] = value if before is None else f"{before}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


def read_request(
    lines: Lines, limits: Limits, client: str, refusal: Callable[[Request], Response | None]
) -> tuple[Request, bool]:
    """The next request, and whether the connection can be kept after it.

    Raises Refused for what is malformed, too long, no GET or HEAD, or has a *refusal*; ConnectionResetError when the
    client goes away before the end.
    """
    line = _REQUEST_LINE.fullmatch(_read_line(lines, limits.request_line_bytes, 414))
    if not line:
        raise _refused(400, "this is no HTTP/1 request")
    method, target, minor_version = (part.decode("ascii") for part in line.groups())
    headers = _read_headers(lines, limits.header_bytes)
    if not (parts := _TARGET.fullmatch(target)):
        raise _refused(400, "the target is no path")
    path, query = parts.groups()
    request = Request(method, unquote(path), _query(query), headers, client)
    if response := refusal(request):
        raise Refused(response, request)
    if method not in ("GET", "HEAD"):
        raise _refused(405, "only GET and HEAD are possible here", ("Allow", "GET, HEAD"))
    # A body is not read, so nothing can come after it.
    has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
    wishes = {wish.strip() for wish in headers.get("connection", "").lower().split(",")}
    keep = not has_body and ("keep-alive" in wishes if minor_version == "0" else "close" not in wishes)
    return request, keep


def _query(text: str) -> dict[str, list[str]]:
    return parse_qs(text, keep_blank_values=True)


def _read_headers(lines: Lines, bytes_max: int) -> _Headers:
    headers = _Headers()
    while (line := _read_line(lines, bytes_max, 431)).rstrip(b"\r\n"):
        bytes_max -= len(line)
        name, _, value = line.partition(b":")
        if not _FIELD_NAME.fullmatch(name):
            raise _refused(400, "a header line is malformed")
        headers.add(name.decode("ascii"), value.strip().decode("latin-1"))
    return headers


def _read_line(lines: Lines, bytes_max: int, status_if_longer: int) -> bytes:
    line = lines.readline(bytes_max + 1)
    if len(line) > bytes_max:
        raise _refused(status_if_longer, responses[status_if_longer].lower())
    if not line.endswith(b"\n"):
        raise ConnectionResetError
    return line


def _refused(status: int, why: str, *headers: tuple[str, str]) -> Refused:
    return Refused(Response(status, f"{why}\n".encode(), headers=headers))
